/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_DIFF_PRINT_H
#define MMUSCOPE_DIFF_PRINT_H

/* A comparison as tables for people, and as JSON (mmuscope-diff/1). */
#include "diff.h"
#include "limit.h"

#include <stdio.h>

/*
 * Tables of at most 100 columns where names and numbers allow, then notes and
 * warnings, and `verdict` as the last line. Returns 0 or -errno.
 */
int diff__print(const struct diff *diff, const char *verdict, bool by_phase, FILE *out);

/*
 * A block of at most 72 columns to paste into a cover letter: kernels, what differs
 * between their configs (of the file "config" in the folders of results), workload,
 * what changed and what did not, and the command that does it again. 0 or -ENOMEM.
 */
int diff__print_cover_letter(const struct diff *diff, FILE *out);

/* One JSON object, with `n` limits and what became of each. 0 or -errno. */
int diff__write_json(const struct diff *diff, const char *verdict, const struct limit *limits,
		     const struct limit_result *results, size_t n, FILE *out);

#endif

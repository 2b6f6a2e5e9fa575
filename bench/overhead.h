/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_OVERHEAD_H
#define MMUSCOPE_BENCH_OVERHEAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "msg.h"

/* Is each word of the list one of ours, migrations, and the competitors' tools? */
bool overhead__knows(const char *only);

/*
 * Measures what watching one notification with one subscriber costs, in the
 * clock's unit (guest instructions under -icount): `iterations` times touch a
 * page and MADV_DONTNEED it, on a page that test device `device` mirrors, with
 * nothing attached, with empty programs, with each mode of `stat`, `record` and
 * `trace`, and with each competitor that is installed; and what watching adds to one
 * migration. `only`: of that list, NULL: all. *doc is a mmuscope-overhead/2
 * object (new reference). One sentence where it cannot be measured.
 */
enum status overhead__run(unsigned int device, unsigned int iterations, const char *only,
			  json_t **doc);

/* The tables. */
enum status overhead__print(const json_t *doc, FILE *out);

#endif

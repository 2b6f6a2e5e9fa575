/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_REPORT_CAUSE_H
#define MMUSCOPE_REPORT_CAUSE_H

#include "report.h"

/*
 * Sets `causes` and `sampling` of a mmuscope-stat/1 object, both null where
 * causes were not asked for. Returns 0 or -ENOMEM.
 */
int report_cause__json(const struct report *r, json_t *doc);

/* The table; nothing where causes were not asked for. Returns 0 or -ENOMEM. */
int report_cause__print(const struct report *r, bool by_process, FILE *out);

/* "inner < middle < outer": the first CAUSE_OTHER_FRAMES. Returns `out`. */
const char *report_cause__frames(char *out, size_t size, const struct cause_stack *stack);

/* Notifications whose stack was taken. */
__u64 report_cause__samples(const struct report *r);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_REPORT_WINDOWS_H
#define MMUSCOPE_REPORT_WINDOWS_H

#include "report.h"

/*
 * Sets `windows` of a mmuscope-stat/1 object, null where they were not asked for.
 * Returns 0 or -ENOMEM.
 */
int report_windows__json(const struct report *r, json_t *doc);

/*
 * The table; where windows were not asked for one line if one is known to be
 * without an end. Returns 0 or -ENOMEM.
 */
int report_windows__print(const struct report *r, bool by_process, FILE *out);

/*
 * Windows that are known to have not ended. Where windows were not asked for these
 * are those of tasks that died inside, as far as ends are paired with their starts.
 */
__u64 report_windows__unended(const struct report *r);

#endif

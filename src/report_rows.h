/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_REPORT_ROWS_H
#define MMUSCOPE_REPORT_ROWS_H

/* The rows of a measurement as JSON text: there are thousands, in each interval. */
#include "report.h"

/* Members of an object, see json_text.h: the lists notifications, callbacks, migrations. */
void report_rows__write(const struct report *r, struct text *t);

#endif

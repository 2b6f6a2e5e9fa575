/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TRACE_LINE_H
#define MMUSCOPE_TRACE_LINE_H

/* One activity as `trace` prints it: a line, what is in it indented below; or JSON. */
#include <stdbool.h>
#include <stdio.h>

#include "activity.h"
#include "causes.h"
#include "names.h"

struct trace_style {
	const struct names *names;
	const struct causes *causes; /* that have the stacks' names */
	bool events;		/* also what is in a migration */
	bool stacks;
	bool json;
	__u64 started;		/* CLOCK_MONOTONIC: where times begin, in the table */
	unsigned long lines;	/* printed so far */
};

/* Returns 0, -ENOMEM, or -EIO where `out` has an error. */
int trace_line__print(struct trace_style *s, const struct activity *a, FILE *out);

#endif

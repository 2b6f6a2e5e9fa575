/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_LIMIT_H
#define MMUSCOPE_LIMIT_H

/*
 * diff's --fail-on: "[delta:|pct:]METRIC OP VALUE". A METRIC is a count's name
 * or "times.KEY"; OP is one of < <= == != >= >.
 */
#include "diff.h"

#include <stdio.h>

enum limit_of {
	LIMIT_NEW,     /* what NEW has */
	LIMIT_DELTA,   /* NEW - BASE */
	LIMIT_PERCENT, /* the same in per cent of BASE */
};

enum limit_op { LIMIT_LT, LIMIT_LE, LIMIT_EQ, LIMIT_NE, LIMIT_GE, LIMIT_GT };

struct limit {
	const char *text; /* as given; borrowed */
	enum limit_of of;
	enum metric_id id; /* METRIC_COUNT: a time */
	char key[64];	   /* of the time */
	enum limit_op op;
	double value;
};

enum limit_outcome {
	LIMIT_KEPT,
	LIMIT_EXCEEDED,	   /* the expression is true */
	LIMIT_UNKNOWN,	   /* not observable, or on one side only */
	LIMIT_NO_SUCH_TIME, /* neither side has that key */
};

struct limit_result {
	enum limit_outcome outcome;
	char say[RESULT_ERROR_SIZE]; /* metric, value and limit; empty where it is kept */
};

/*
 * Parses `text`, which must outlive the limit. Returns 0, or -EINVAL with a
 * sentence in `error` (RESULT_ERROR_SIZE bytes).
 */
int limit__parse(const char *text, struct limit *limit, char *error);

/* Writes the names of all metrics that an expression may use, one a line. */
void limit__list_metrics(FILE *out);

/*
 * Evaluates. For a count: its total over one run, all of NEW's workloads
 * (delta and pct: those that both sides have); if it varies, the limit is
 * exceeded as soon as one run exceeds it. For a time: the median of each
 * workload and parameter set in turn, and exceeded if one exceeds it.
 */
void limit__check(const struct limit *limit, const struct diff *diff, struct limit_result *result);

#endif

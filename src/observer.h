/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_OBSERVER_H
#define MMUSCOPE_OBSERVER_H

/*
 * The observer's effect: what a workload's steps cost while our programs are
 * attached and counting, less what they cost while nothing is attached. Plain
 * data and pure functions; who measures is bench/runner.c.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum observer_side { OBSERVER_UNWATCHED, OBSERVER_WATCHED, OBSERVER_SIDES };

#define OBSERVER_STEPS 16

struct observer_costs {
	double *v;
	size_t n;
};

/* All zero is one of which nothing is known yet. */
struct observer {
	struct observer_step {
		const char *name;	/* static */
		/* Of the whole call: its cost in the result is from our own counters. */
		bool whole_call;
		struct observer_costs costs[OBSERVER_SIDES];
	} step[OBSERVER_STEPS];
	size_t steps;
};

/* A step's cost in one iteration. 0, -ENOMEM or -E2BIG. */
int observer__add(struct observer *o, enum observer_side side, const char *step, bool whole_call,
		  uint64_t cost);

/*
 * The "observer" object of a result. `notifications`: of one watched iteration, 0 where
 * it has none; `reason`: why nothing was measured unwatched, NULL where it was. New
 * reference; NULL: no memory.
 */
json_t *observer__json(const struct observer *o, double notifications, const char *reason);

void observer__clear(struct observer *o);

/*
 * The table below that of the counts, from a whole mmuscope-bench/1 document. 0 or
 * -errno.
 */
int observer__print(const json_t *doc, FILE *out);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_REPORT_H
#define MMUSCOPE_REPORT_H

/*
 * One measurement as people and programs read it: the snapshot with its names,
 * its invariants, and what could not be observed. Plain data and pure
 * functions; nothing here knows of BPF.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "causes.h"
#include "names.h"
#include "plan.h"
#include "snapshot.h"
#include "text.h"
#include "windows.h"

struct invariant {
	const char *name;
	bool holds;
	char detail[200];
};

#define INVARIANTS_MAX 20

struct report {
	const struct snapshot *snap;
	struct names *names;
	const struct plan *plan;
	bool latency;		/* was on */
	bool interval;		/* a difference of two snapshots: no latency extremes */
	/* The scope, exactly one: a pid, a cgroup's path, a command, or none (all). */
	pid_t pid;
	const char *cgroup;
	char *const *command;	/* NULL-terminated */
	bool children;
	int command_status;	/* as wait(2) gives it, -1: not started or not ended */
	__u64 duration_ns;
	const struct causes *causes; /* NULL: not asked for */
	const struct windows *windows; /* the same, sorted */
	const struct causes *stacks; /* what names the stacks of windows */
	/* What was checked elsewhere: records tell of no beginnings. NULL: the snapshot is checked. */
	const struct invariant *given;
	size_t given_count;
};

/*
 * Checks the snapshot against itself: sums of rows against totals counted
 * elsewhere, beginnings against ends. Returns how many are in out[]; `broken`
 * gets the number of those that do not hold. What this run did not watch is
 * left out.
 */
size_t report__invariants(const struct report *r, struct invariant out[INVARIANTS_MAX],
			  size_t *broken);

/* A mmuscope-stat/1 object. New reference; NULL: no memory. */
json_t *report__json(const struct report *r);

/*
 * The same behind what `line` has, without a tree of the rows: the way of intervals.
 * Without memory the line is `failed`.
 */
void report__write_json(const struct report *r, struct text *line);

/*
 * The tables for people, at most 80 columns where names allow it, and below
 * them one line for each broken invariant. Returns 0 or -ENOMEM.
 */
int report__print(const struct report *r, FILE *out);

/*
 * Is the time of each of this row's callbacks known? Where the walk of the registry sees
 * them only if each was the only one of its notification, and that was timed.
 */
bool report__has_latency(const struct report *r, const struct mmuscope_callback_row *row);

/* Why `metric` ("migrations") cannot be seen here; NULL where it can. */
const char *report__unobservable(const struct report *r, const char *metric);

#endif

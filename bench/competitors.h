/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_COMPETITORS_H
#define MMUSCOPE_BENCH_COMPETITORS_H

/*
 * What one would use to watch notifications if there was no mmuscope: bpftrace, the
 * kernel's own ftrace, perf, trace-cmd and bcc's tools, each started as its manual says.
 */
#include <jansson.h>

#include "floor.h"
#include "watched.h"

/*
 * What is comparable. A watcher is held against the cheapest competitor that gives the
 * same; who gives less than any of ours is held against nobody.
 */
enum information {
	GIVES_LESS,
	GIVES_COUNTS,	/* by event */
	GIVES_LATENCY,	/* a histogram by event */
	GIVES_RECORDS,	/* each one by itself: event and range */
};

struct competitor {
	const char *name, *tells, *cannot;
	const char *tool;	/* what --only takes, and who has a version */
	enum information gives;
	enum floor_kind floor[2];	/* the first `floors` of them, on the start */
	unsigned int floors;	/* 0: it stands on no BPF program */
	const struct competitor_kind *kind;
	const char *script;	/* bpftrace's */
};

extern const struct competitor competitors[];
extern const size_t competitor_count;

/*
 * Measures the worker under it, and counts of `events` notifications those that it
 * saw. 0, or -errno with why in `reason`; a competitor that saw none has no cost.
 */
int competitor__measure(const struct competitor *c, const struct watched *worker, __u64 events,
			struct watched_cost *cost, __u64 *seen, char reason[160]);

/* {"bpftrace": "0.17.0", ...}; those that are not installed are not in it. */
json_t *competitors__versions(void);

#endif

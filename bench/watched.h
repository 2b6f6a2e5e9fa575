/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_WATCHED_H
#define MMUSCOPE_BENCH_WATCHED_H

/*
 * A process that causes one notification after the other: it touches a page and gives
 * it up with MADV_DONTNEED, or does what it is told to. It is a process of its own,
 * because attaching maps memory, and the more mappings a process has the longer
 * madvise() takes to find one: in our own process the watcher's mappings would seem to
 * be the cost of watching.
 */
#include <linux/types.h>
#include <sys/types.h>

#include "floor.h"
#include "session.h"

#define WATCHED_ROUNDS 5	/* of a measurement; the median of them counts */

struct watched {
	pid_t pid;
	int go, cost;		/* pipes: a byte starts a measurement, a cost comes back */
};

/* Of one iteration, in the clock's unit. */
struct watched_cost {
	double own;		/* CPU time of the process */
	double elapsed;		/* and of all that ran meanwhile, where there is one CPU */
};

struct watched_work {
	size_t pages;		/* of memory; 0: one */
	unsigned int iterations; /* of a round */
	/* In the child: makes devices listen to the pages. 0 or -errno. */
	int (*subscribe)(unsigned char *pages, const void *argument);
	/*
	 * One iteration, of which it measures itself what is to be; NULL: touch a page and
	 * give it up. Then the cheapest iteration counts, by what elapsed, and not the
	 * median round: a timer tick is in too many of them. 0 or -errno.
	 */
	int (*iterate)(unsigned char *pages, const void *argument, unsigned char kind,
		       struct watched_cost *cost);
	unsigned char kinds;	/* that `iterate` can be told to do, from 0; 0: one */
	const void *argument;
};

/*
 * Starts it, and one round that nobody measures. 0, what `subscribe` said, or -errno.
 * watched__end() in any case.
 */
int watched__start(struct watched *w, const struct watched_work *work);
void watched__end(struct watched *w);

/* `kind`: for `iterate`. 0, what that said, or -ESRCH: the process has died. */
int watched__measure(const struct watched *w, unsigned char kind, struct watched_cost *cost);

/* What a session counts of all rounds of all kinds, once; it is held against it. */
struct watched_counts {
	__u64 callbacks, migrations;
};

/* By the kernel's account (BPF_STATS_RUN_TIME) of all iterations of a measurement. */
#define WATCHED_PROGRAMS 16
struct watched_profile {
	size_t count;
	struct watched_program {
		char name[16];
		__u64 runs;
		double cost;	/* of all runs, with what keeping the account costs */
	} program[WATCHED_PROGRAMS]; /* those that ran, the dearest first */
};

/*
 * Measures once more, with the account, which is part of the cost then. 0 or -errno after
 * one sentence.
 */
int watched__profile(const struct watched *w, struct watched_profile *profile);

/* A measurement under a session. */
struct watched_trial {
	const struct session_options *session;	/* with a pid of its own: it counts that one */
	bool off;		/* attached, and switched off */
	const char *name;	/* for messages */
	struct watched_counts counts;
	unsigned char kinds;	/* of iterations, each measured */
	struct floor_set *programs; /* where it had attached some; NULL: not asked for */
	struct watched_profile *profile; /* of the first kind; NULL: not asked for */
	double *in_programs;	/* of each kind: instructions of an iteration that are in BPF
				 * programs, by the kernel's account; NULL: not asked for */
};

/* cost[trial->kinds]. 0 or -errno; says what failed. */
int watched__measure_with(const struct watched *w, const struct watched_trial *trial,
			  struct watched_cost *cost);

/* Now, of this process. */
struct watched_cost watched__now(void);

#endif

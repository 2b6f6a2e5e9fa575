/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_WATCHED_H
#define MMUSCOPE_BENCH_WATCHED_H

/*
 * A process that causes one notification after the other: it touches a page and gives
 * it up with MADV_DONTNEED. It is a process of its own, because attaching maps memory,
 * and the more mappings a process has the longer madvise() takes to find one: in our
 * own process the watcher's mappings would seem to be the cost of watching.
 */
#include <linux/types.h>
#include <sys/types.h>

#include "session.h"

#define WATCHED_ROUNDS 5	/* of a measurement; the median of them counts */

struct watched {
	pid_t pid;
	int go, cost;		/* pipes: a byte starts a measurement, a double comes back */
};

/* In the child: makes devices listen to the page. 0 or -errno. */
typedef int subscribe_fn(unsigned char *page, const void *argument);

/*
 * Starts it, and one round that nobody measures; each round is of `iterations`
 * notifications. 0, what `subscribe` said, or -errno. watched__end() in any case.
 */
int watched__start(struct watched *w, subscribe_fn *subscribe, const void *argument,
		   unsigned int iterations);
void watched__end(struct watched *w);

/* *cost: of one iteration, in the clock's unit. 0, or -ESRCH: the process has died. */
int watched__measure(const struct watched *w, double *cost);

/*
 * The same while a session of these options counts the process (with a pid of their
 * own: while it counts that one), or is attached and switched off. Holds what it
 * counted against `callbacks`, which are those of all rounds. 0 or -errno; says what
 * failed, by `name`.
 */
int watched__measure_with(const struct watched *w, const struct session_options *options, bool off,
			  const char *name, __u64 callbacks, double *cost);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_CROWD_H
#define MMUSCOPE_BENCH_CROWD_H

/*
 * Many processes that cause notifications one after the other: each touches a page that
 * drivers listen to and gives it up with MADV_DONTNEED, when it is its turn.
 */
#include <stdbool.h>
#include <sys/types.h>

/* Who listens to the pages of a process. */
struct crowd_listeners {
	unsigned int drivers;	/* each with an interval of the page; 1: the module as it is */
	unsigned int elsewhere;	/* intervals of the first one that are not of the page */
};

struct crowd;

/* Device `i` of so many: of several the copies of the module that scripts/scale.sh makes. */
void crowd__device(unsigned int drivers, unsigned int i, char path[40]);

/*
 * Starts `count` processes and waits until each has subscribed. crowd__end() in any case.
 * Returns 0, what a subscription said, or -errno.
 */
int crowd__start(struct crowd **out, unsigned int count, const struct crowd_listeners *listeners);
void crowd__end(struct crowd *c);

pid_t crowd__pid(const struct crowd *c, unsigned int i);

/*
 * One notification of each process in turn, or, `hot`, so many of the first one alone.
 * *cost: of one, in the clock's unit. 0, or -ESRCH: a process has died.
 */
int crowd__in_turn(struct crowd *c, double *cost);
int crowd__hot(struct crowd *c, unsigned int notifications, double *cost);

#endif

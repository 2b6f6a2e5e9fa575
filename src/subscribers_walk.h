/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SUBSCRIBERS_WALK_H
#define MMUSCOPE_SUBSCRIBERS_WALK_H

/* The walk itself: loads its object, runs it once, and detaches. */
#include <sys/types.h>

#include "surface.h"
#include "subscribers.h"

/*
 * Fills an empty `s` with the subscribers of process `pid`, or of all (0); looks at
 * no more than `max` (1..SUBSCRIBERS_MAX) in one address space. What is not complete
 * is in s->incomplete. Returns 0, or -errno after one sentence.
 */
int subscribers__walk(struct subscribers *s, pid_t pid, unsigned int max);

/* Its programs, for surface__read(). */
void subscribers_walk__object(struct surface_object *object);

#endif

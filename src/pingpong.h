/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_PINGPONG_H
#define MMUSCOPE_PINGPONG_H

/*
 * Pages that moved to the device and back, and how often. An eviction names no addresses:
 * what it brought back is in no number here.
 */
#include "activity.h"
#include "keyed.h"
#include "names.h"
#include "view.h"

struct pingpong {
	struct keyed chunks;	/* pages of each process, by 2 MiB */
	__u64 unknown;		/* pages asked for of which was not told whether they moved */
	__u64 evicted;		/* pages that evictions brought back, from wherever */
};

void pingpong__init(struct pingpong *pp);

/* A migration, without those inside it. Others are passed over. 0 or -ENOMEM. */
int pingpong__add(struct pingpong *pp, const struct activity *a);

struct pingpong_sum {
	__u64 pages, trips;	/* pages that came back at least once; how often, in all */
};
struct pingpong_sum pingpong__sum(const struct pingpong *pp);

/*
 * Neighbours that came back equally often are one row; the most often first, and no more
 * than `top` rows. New; NULL: no memory.
 */
struct view *pingpong__view(const struct pingpong *pp, const struct names *names, size_t top);

void pingpong__clear(struct pingpong *pp);

#endif

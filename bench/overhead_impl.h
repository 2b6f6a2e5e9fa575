/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_OVERHEAD_IMPL_H
#define MMUSCOPE_BENCH_OVERHEAD_IMPL_H

/* What overhead.c and overhead_migrate.c share. */
#include <jansson.h>

#include "floor.h"
#include "watched.h"

#define KINDS 3	/* of iterations of one worker, at most */

/* Floors that were measured: several watchers stand on the same. */
struct floors {
	size_t count;
	struct {
		struct floor_set set;
		struct watched_cost cost[KINDS];
	} known[32];
};

/* cost[kinds]: of the worker under empty programs in these places. 0 or -errno. */
int floors__cost(struct floors *floors, const struct watched *worker, const struct floor_set *set,
		 unsigned char kinds, struct watched_cost *cost);

/* {"programs", "added"} of a floor; null: no memory. */
json_t *floor_json(const struct floor_set *set, double added);

/* added / of, null where there is nothing to divide by. */
json_t *ratio_json(double added, double of);

/*
 * {"sizes": [...], "per_page": [...]}: what watching adds to one migration, setup to
 * finalize. 0 or -errno after one sentence.
 */
int overhead__migrations(unsigned int device, json_t **doc);

#endif

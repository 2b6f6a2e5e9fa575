/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TIMELINE_SLICES_H
#define MMUSCOPE_TIMELINE_SLICES_H

/*
 * An activity and all that is in it as slices of one track, each inside the one around it:
 * viewers drop, or draw somewhere else, what reaches out of another. Pure functions.
 */
#include "activity.h"

struct slice {
	const struct activity *a;
	const char *phase;	/* a static word: a phase of the migration `a`; else NULL */
	__u64 begin, end;
	__u64 cut;		/* ns that reached out of the slice around it; left out */
	unsigned int depth;	/* in the tree */
	unsigned int order;	/* what is around comes first */
};

struct slices {
	struct slice *items;	/* by their begin; of those that begin together the outer first */
	size_t count, peak;
};

/* Replaces what is in `s`. Returns 0 or -ENOMEM. */
int slices__set(struct slices *s, const struct activity *a);

/* Does `s`, which begins later in the order, lie behind `open`, not in it? */
bool slice__is_behind(const struct slice *s, const struct slice *open);

/*
 * Of what an arrow begins or ends at, and lasted until `ns`: 1 ns before, where it was not
 * timed. An arrow is tied to the slice that is open at its time; a moment never is.
 */
__u64 slice__begin(__u64 begin, __u64 ns);

void slices__clear(struct slices *s);

#endif

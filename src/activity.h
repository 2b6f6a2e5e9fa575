/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_ACTIVITY_H
#define MMUSCOPE_ACTIVITY_H

/*
 * Records, put together: what happened inside what. A callback belongs to the next
 * notification of its task, a notification and a fault to the migration that their task
 * had open, a migration to the one around it. All of these are recorded when they end,
 * so a parent comes last. Plain data and pure functions.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bpf/mmuscope.h"
#include "bpf/records.h"

struct activity {
	union {			/* by head.kind */
		struct mmuscope_record head;
		struct mmuscope_record_migration migration;
	};
	/* Began at. For a notification that is not timed: when its first child did. */
	__u64 begin;
	bool timed;		/* false: nothing tells, begin is the end */
	__s32 stack;		/* below 0: none */
	struct activity **children; /* by the time of their end */
	size_t child_count;
	struct mmuscope_record_pages *pages; /* of a migration, by address */
	size_t page_records;
	/*
	 * Its parent was not recorded, or lost. A callback without its notification is still
	 * a child of its migration, where there is that. One of a RELEASE never had one.
	 */
	bool orphan;
};

enum mmuscope_outcome activity__outcome(const struct activity *a); /* of a callback */

/*
 * How `page` (an address) of this migration fared. PAGE_MAX: its range does not hold it, or
 * that record was lost.
 */
enum mmuscope_page activity__page(const struct activity *a, __u64 page);

struct activities;

/*
 * `done` is called for each activity that has no parent, with all that is in it; what it
 * is given is freed afterwards. A value other than 0 ends activities__add() with it.
 */
struct activities *activities__new(int (*done)(void *ctx, const struct activity *a), void *ctx);

/*
 * Takes one record, all its slots; records must come in order of time. `rec` is copied.
 * Returns 0, -ENOMEM, or what done() returned.
 */
int activities__add(struct activities *as, const struct mmuscope_record *rec);

/*
 * At the end: what still waits for a parent goes to done() as an orphan, its own children
 * with it.
 */
int activities__finish(struct activities *as);

/* NULL is legal. */
void activities__free(struct activities *as);

#endif

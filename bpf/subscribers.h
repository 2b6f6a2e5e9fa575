/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SUBSCRIBERS_LAYOUT_H
#define MMUSCOPE_SUBSCRIBERS_LAYOUT_H

/* What the walk of the registries and user space share. Includes nothing of ours. */
#include <linux/types.h>

#define SUBSCRIBERS_MAX (1U << 20)	/* looked at in one address space */
#define SUBSCRIBERS_ROWS (1U << 16)

enum subscriber_kind {
	SUBSCRIBER_INTERVAL,	/* struct mmu_interval_notifier: a range */
	SUBSCRIBER_NOTIFIER,	/* struct mmu_notifier: the whole address space */
};

/* The functions of struct mmu_notifier_ops, a bit each. */
enum subscriber_op {
	OP_RELEASE,
	OP_CLEAR_FLUSH_YOUNG,
	OP_CLEAR_YOUNG,
	OP_TEST_YOUNG,
	OP_CHANGE_PTE,
	OP_INVALIDATE_RANGE_START,
	OP_INVALIDATE_RANGE_END,
	OP_INVALIDATE_RANGE,	/* arch_invalidate_secondary_tlbs since 6.6 */
	OP_ALLOC_NOTIFIER,
	OP_FREE_NOTIFIER,
	OP_MAX,
};

struct subscriber_key {
	__u64 mm;
	__u64 function;
	__u64 inner;		/* what the function calls in turn; 0: nothing that we know */
	__u32 kind;
	__u32 ops;		/* 1 << enum subscriber_op; 0 for an interval */
};

struct subscriber_row {
	__u64 attempt;		/* the row is valid if it is the one of its address space */
	__u64 count;
	__u64 whole;		/* intervals that are the whole address space */
	__u64 pages;		/* of the others */
	__u64 min_pages, max_pages;
};

enum subscriber_state {
	WALK_COMPLETE,		/* two walks in succession saw the same */
	WALK_CHANGED,		/* none did */
	WALK_UNSETTLED,		/* insertions or removals waited for an invalidation to end */
	WALK_CUT,		/* more subscribers than looked at */
	WALK_NO_ROOM,		/* more rows than SUBSCRIBERS_ROWS */
};

struct subscriber_process {
	__u64 attempt;
	__u32 tgid;
	__u32 state;		/* enum subscriber_state */
	char comm[16];
};

_Static_assert(sizeof(struct subscriber_key) == 32, "shared layout");
_Static_assert(sizeof(struct subscriber_row) == 48, "shared layout");
_Static_assert(sizeof(struct subscriber_process) == 32, "shared layout");

#endif

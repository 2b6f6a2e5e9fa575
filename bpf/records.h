/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared by the BPF programs and user space: records, one for each migration,
 * notification, callback and device fault, as `trace` and `record` take them. Fixed
 * widths, natural alignment, asserted sizes. Includes nothing of ours.
 *
 * A ring of slots for each CPU. A record is one slot, or several that follow each
 * other; the first is the head, and the last to be written.
 */
#ifndef MMUSCOPE_RECORDS_H
#define MMUSCOPE_RECORDS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum mmuscope_record_kind {
	RECORD_NONE = 0,
	RECORD_NOTIFICATION,	/* __mmu_notifier_invalidate_range_start() has returned */
	RECORD_CALLBACK,	/* a driver's callback has returned; before its notification */
	RECORD_FAULT,		/* hmm_range_fault() has returned */
	RECORD_MIGRATION,	/* migrate_vma_finalize() or its like has returned; three slots */
	RECORD_PAGES,		/* what became of each page, where not all migrated: before
				 * their migration; two slots */
	RECORD_STACK,		/* the stack of the task's next notification */
	RECORD_KINDS,
};

enum mmuscope_record_flag {
	RECORD_FAILED = 1 << 0,	/* notification: might not block; migration: setup failed */
	RECORD_UNTIMED = 1 << 1, /* `took` is not known */
	RECORD_AVOIDABLE = 1 << 2, /* callback */
	RECORD_RETRY = 1 << 3,	/* fault: -EBUSY, an invalidation collided */
};
#define RECORD_OUTCOME_SHIFT 4	/* callback: enum mmuscope_outcome, in the flags above */

struct mmuscope_record {
	__u32 commit;		/* what it took of the ring before it, and 1, cut to 32 bits */
	__u8 kind;		/* enum mmuscope_record_kind */
	__u8 event;		/* notification, callback; migration: what it selects */
	__u8 phase;		/* of the innermost open migration; migration: its direction */
	__u8 flags;
	__u64 ns;		/* CLOCK_MONOTONIC, at its end */
	__u64 from, to;		/* the range; an eviction has none: 0, 0 */
	__u64 what;		/* notification: owner, 0 where its event has none; migration:
				 * owner; callback: as in the row key; fault: what was
				 * returned; stack: its id */
	__u64 took;		/* ns from its beginning */
	__u32 tgid;		/* whose memory, as in the row key; 0: not known */
	__u32 task;		/* pid of the thread that did it */
	__u32 start;		/* the process's start, ns since boot >> 20; 0 where the row key has 0 */
	__u32 migration;	/* of the innermost open migration of the task, or of itself;
				 * 0: none. Among those that a task has open it is unique */
};

/* What became of a page that a migration was asked for. */
enum mmuscope_page {
	PAGE_MIGRATED = 0,
	PAGE_NOT_COLLECTED,	/* setup passed over it, and nothing more can be told */
	PAGE_HOLE,		/* there is no page, and the selection takes none */
	PAGE_NOT_SELECTED,	/* it is where this direction does not take pages from: already there */
	PAGE_OTHER_OWNER,	/* device memory of another owner */
	PAGE_BUSY,		/* collected and given back: locked, pinned or otherwise in use */
	PAGE_NO_DESTINATION,	/* the driver gave none */
	PAGE_CHANGED,		/* refused when it was to move: changed underneath, or in use */
	PAGE_MAX,
};

/* The three slots of a migration. An id is (task, migration). */
struct mmuscope_record_migration {
	struct mmuscope_record head;
	/* ns: head.took is their sum. An eviction has only `setup`, until its pages are unmapped,
	 * and `finalize`, the rest. */
	__u64 setup, copy, pages, finalize;
	__u64 asked, collected, migrated; /* pages of 4 KiB */
	__u64 compound;		/* huge pages that migrated whole */
	__u64 pages_performed;	/* of the callbacks inside that acted */
	__u32 outcome[4];	/* callbacks inside, enum mmuscope_outcome */
	__u32 avoidable;
	__u32 parent;		/* id of the migration of the same task around it, 0: none */
	__s32 stack;		/* of its beginning, below 0: none */
	__u32 place[PAGE_MAX - 1]; /* pages that did not migrate, [enum mmuscope_page - 1] */
};

#define RECORD_PAGES_MAX 128

/* head.from to head.to: up to RECORD_PAGES_MAX pages; head.migration names the migration. */
struct mmuscope_record_pages {
	struct mmuscope_record head;
	__u8 page[RECORD_PAGES_MAX / 2]; /* enum mmuscope_page, of an even page below */
};

#define RECORD_SLOTS_MAX 3

/*
 * In the ring, and only there, a notification may hold its one callback, if that is seen
 * without a probe of its own: the callback's id and 1 above the lowest 48 bits of `took`,
 * its outcome and RECORD_AVOIDABLE in the flags. For who reads the ring they are two.
 */
#define RECORD_FOLD_SHIFT 48
#define RECORD_FOLD_IDS 0xffffU

#ifndef __cplusplus
_Static_assert(sizeof(struct mmuscope_record) == 64, "a record's head is one slot");
_Static_assert(sizeof(struct mmuscope_record_migration) == 192, "a migration is three slots");
_Static_assert(sizeof(struct mmuscope_record_pages) == 128, "pages are two slots");
#endif

#endif

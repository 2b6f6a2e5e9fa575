/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared by the BPF programs and user space: what lies in the maps. Fixed
 * widths, natural alignment, asserted sizes. Includes nothing of ours but records.h.
 */
#ifndef MMUSCOPE_H
#define MMUSCOPE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "records.h"

/* enum mmu_notifier_event has 8 values; newer ones share the last slot. */
#define MMUSCOPE_EVENTS 16

enum mmuscope_phase {
	PHASE_OUTSIDE = 0,	/* the task has no migration open */
	PHASE_SETUP,		/* inside migrate_vma_setup() */
	PHASE_COPY,		/* after it, before migrate_vma_pages() */
	PHASE_PAGES,		/* inside migrate_vma_pages() */
	PHASE_FINALIZE,		/* after it, until migrate_vma_finalize() has returned */
	PHASE_EVICT,		/* migrate_device_range/pfns() to migrate_device_finalize() */
	PHASE_MAX,
};

enum mmuscope_direction {
	DIR_NONE = 0,
	DIR_TO_DEVICE,		/* MIGRATE_VMA_SELECT_SYSTEM */
	DIR_TO_SYSTEM,		/* MIGRATE_VMA_SELECT_DEVICE_{PRIVATE,COHERENT} */
	DIR_MIXED,		/* both */
	DIR_EVICT,		/* migrate_device_*(): by device page, no address range */
	DIR_MAX,
};

/* MIGRATE_VMA_SELECT_*, the bits of migrate_vma.flags: which pages a migration takes. */
enum mmuscope_select {
	SELECT_BIT_SYSTEM = 0,
	SELECT_BIT_DEVICE_PRIVATE,	/* those of migrate_vma.pgmap_owner alone */
	SELECT_BIT_DEVICE_COHERENT,	/* 6.0+; the same */
	SELECT_BIT_COMPOUND,		/* 6.19+: and huge pages whole */
	SELECT_BITS,
};

enum mmuscope_row_kind {
	ROW_FREE = 0,
	ROW_NOTIFICATION,
	ROW_MIGRATION,
	ROW_FAULT,
	ROW_CALLBACK,
	ROW_CAUSE,
};

/*
 * What tells one row of counts from another. `start` and `tgid` together name
 * a process for the life of the machine (a pid alone is reused). tgid 0: the
 * address space's process is not known here.
 */
struct mmuscope_row_key {
	__u64 start;		/* start of the process, ns since boot */
	__u32 tgid;
	__u8 kind;		/* enum mmuscope_row_kind */
	__u8 event;		/* notification, callback, cause; migration: what it selects */
	__u8 phase;		/* notification, callback, cause */
	__u8 direction;		/* migration */
	__u64 what;		/* migration: owner; callback: id or address; cause: stack; else 0 */
};

/*
 * Where one process is counted its notification rows, and those of the first
 * callbacks, need no search: they have places by event and phase, and no key.
 */
#define MMUSCOPE_DIRECT_EVENTS 8	/* the events that there are; a newer one is searched */
#define MMUSCOPE_DIRECT_ROWS (8 * MMUSCOPE_DIRECT_EVENTS)
#define MMUSCOPE_DIRECT_CALLBACKS 4	/* ids below; a power of two */
#define MMUSCOPE_DIRECT_INDEX(phase, event) ((phase) * MMUSCOPE_DIRECT_EVENTS + (event))

#define MMUSCOPE_COUNTS 13
/* Indices of struct mmuscope_row.count[] by kind of row. */
/*
 * WHOLE: of the whole address space (exit); its 2^52 pages would drown every
 * other number, so they are not in PAGES.
 */
enum { NOTIFICATION_CALLS, NOTIFICATION_PAGES, NOTIFICATION_FAILED, NOTIFICATION_WHOLE,
       NOTIFICATION_EMPTY /* no page at all: a bug of whoever sends it */ };
enum { MIGRATION_CALLS, MIGRATION_PAGES, MIGRATION_COLLECTED, MIGRATION_MIGRATED,
       MIGRATION_EXCESS, MIGRATION_TIME /* ns, setup entered to finalize left */,
       MIGRATION_COMPOUND /* huge pages that migrated whole */ };
enum { FAULT_CALLS, FAULT_PAGES, FAULT_RETRIES };
enum { CAUSE_SAMPLES, CAUSE_PAGES, CAUSE_WHOLE };

/* One CPU's part of one row; what notifications need is in the first cache line. */
struct mmuscope_row {
	struct mmuscope_row_key key;
	__u64 count[MMUSCOPE_COUNTS];
};

enum mmuscope_outcome {
	OUTCOME_SKIPPED = 0,
	OUTCOME_PERFORMED,
	OUTCOME_FAILED,
	OUTCOME_UNDETERMINED,
	OUTCOME_MAX,
};

/* Bucket 0 counts 0 ns, bucket b >= 1 counts 2^(b-1) <= ns < 2^b, the last all above. */
#define MMUSCOPE_BUCKETS 32
/* Size 0 counts empty ranges, size s >= 1 2^(s-1) <= pages < 2^s, the last all above. */
#define MMUSCOPE_SIZES 16

struct mmuscope_callback_row {
	struct mmuscope_row_key key;
	__u64 outcome[OUTCOME_MAX];
	__u64 pages;		/* 4 KiB pages of the ranges delivered */
	__u64 pages_performed;
	__u64 latency_sum;	/* ns, all four zero without latency */
	__u64 latency_min;	/* as ~min, so that 0 means none yet */
	__u64 latency_max;
	__u64 whole;		/* calls for the whole address space, not in pages */
	__u64 avoidable;	/* performed for a migration whose owner is the driver's own */
	__u64 avoidable_pages;
	__u64 avoidable_time;	/* ns, 0 without latency */
	__u64 size[MMUSCOPE_SIZES]; /* but for size[1], which is the rest */
	__u64 bucket[MMUSCOPE_BUCKETS];
};

/* One CPU's totals, independent of the rows: the invariants compare the two. */
enum mmuscope_total {
	TOTAL_STARTS,		/* notifications, failed ones included */
	TOTAL_STARTS_FAILED,
	TOTAL_ENDS,
	TOTAL_CALLBACK_ENTRIES,
	TOTAL_CALLBACK_EXITS,
	TOTAL_SETUPS,
	TOTAL_SETUPS_FAILED,
	TOTAL_SETUPS_EMPTY,	/* nothing to migrate: a driver may stop here */
	TOTAL_FINALIZES,
	TOTAL_EVICTS,
	TOTAL_EVICTS_FINALIZED,
	TOTAL_ABANDONED_WINDOWS,   /* the task died inside */
	TOTAL_OVERRUN_WINDOWS,	/* never ended, and their range's place was used again */
	TOTAL_LONG_WINDOWS,	/* ended, but open for longer than the limit */
	TOTAL_UNLISTED_WINDOWS,	/* reports for which there was no room */
	TOTAL_ABANDONED_CALLBACKS,
	TOTAL_ABANDONED_MIGRATIONS,
	TOTAL_TABLE_ENTRIES,	/* that nouveau was asked to write, see nouveau.bpf.c */
	TOTAL_TABLE_INVALID,	/* of these, those that name no page */
	ROWS_TAKEN,		/* indices taken from free_rows: how far a reader must look */
	CALLBACK_ROWS_TAKEN,
	LOST_EVENTS,		/* the ring buffer was full */
	LOST_ROWS,		/* no room for a new row, event not counted in one */
	LOST_STATE,		/* no room for a task's state, or nested too deep */
	LOST_PAGES,		/* a page array too long to be counted */
	LOST_CAUSES,		/* a stack that could not be taken or kept */
	LOST_RECORDS,		/* the CPU's ring of records was full; which: lost[] there */
	TOTAL_MAX,
};

#define MMUSCOPE_STACK_DEPTH 48	/* frames kept, innermost first */

enum mmuscope_window_fate {
	WINDOW_OPEN = 0,	/* still, when counting ended */
	WINDOW_ENDED,
	WINDOW_TASK_EXITED,
	WINDOW_OVERRUN,		/* another start for the same struct mmu_notifier_range */
	WINDOW_FATE_MAX,
};

/*
 * From the exit of a start that did not fail to its end: what is kept of one that is
 * open, and reported of one that was open too long or never ended.
 */
struct mmuscope_window {
	__u64 opened_ns;	/* CLOCK_MONOTONIC */
	__u64 open_ns;		/* how long, until its fate was known */
	__u64 from, to;		/* the range */
	__u64 start;		/* the process, as in the row key */
	__u32 tgid;
	__u32 task;		/* pid of the thread that opened it */
	__s32 stack;		/* in cause_stacks, below 0: could not be taken */
	__u32 generation;
	__u8 event, phase;
	__u8 fate;		/* enum mmuscope_window_fate */
	__u8 pad[5];
	char comm[16];		/* of the thread */
};

#define MMUSCOPE_HINTS 256	/* a power of two */

/*
 * A callback that entered on this CPU and has not left yet; range 0: none, and user
 * space makes it so at each switch-on. Its
 * task may sleep in it and leave on another CPU. The range lies on the stack of
 * the task that invalidates, so it names the task too.
 */
struct mmuscope_callback_slot {
	__u64 range;
	__u64 entry_ns;
	__u64 task;		/* 0: the driver's work function was not watched */
	__u32 work;		/* enum mmuscope_work */
	__u32 contended;	/* control.contended when it entered */
	__u64 start;		/* the process, as in the row key, but where only one is counted */
	__u32 tgid;
	__u32 pad;
};

/*
 * A notification that entered on this CPU and has not left yet, where its time is
 * taken; range 0: none. As the slot of a callback.
 */
struct mmuscope_start_slot {
	__u64 range;
	__u64 entry_ns;
};

/*
 * A window that was opened on this CPU and has not ended yet, where starts and ends are
 * paired (mmuscope_config.paired); range 0: none. As the slot of a callback.
 */
struct mmuscope_window_slot {
	__u64 range;
	__u64 task;
};

/* A CPU's ring of records. Both count slots since loading; they never go back. */
struct mmuscope_record_ring {
	__u64 head;		/* taken by the CPU's programs */
	__u64 lost[RECORD_KINDS]; /* records for which there was no room */
	__u64 limit;		/* up to here there is room; written by user space, so it is in
				 * a cache line of its own */
	__u64 pad[7];
};

/* Where it lies in the map of all; written by user space, before the first record. */
struct mmuscope_record_place {
	__u32 base, mask;	/* the slot of position p: base | (p & mask) */
	__u64 wake;		/* the bits of a position that change with each quarter */
};

/* The driver's work function in an open callback. */
enum mmuscope_work {
	WORK_UNWATCHED = 0,
	WORK_NOT_CALLED,
	WORK_CALLED,
};

/* The only interval of an address space, see registry.bpf.h. A cache line. */
struct mmuscope_lone_interval {
	__u64 node;		/* its address, 0: none is remembered */
	__u64 start, last;
	__u64 what;		/* as in the row key */
	__u32 declines;
	__u32 epoch;		/* control.registry_epoch */
	__u32 owner;		/* enum mmuscope_owner_reader */
	__u32 no_sequence;
	__u64 pad[2];
};

/* The row key's `what` of the callback at an address: an id, or the address itself. */
struct mmuscope_callback_id {
	__u64 what;
	__u32 declines;		/* 1 << event, as src/drivers.h has it */
	__u32 owner;		/* enum mmuscope_owner_reader */
	__u32 seen;		/* by probes of its own: the walk passes over it */
	__u32 no_sequence;	/* its sequence number says nothing, see src/drivers.h */
	__u64 second_pass;	/* the function at this address, 0: none or not known */
};

/* Where a driver keeps the owner of its device-private memory. */
enum mmuscope_owner_reader {
	OWNER_OF_MIGRATION = 0,	/* not read: taken from the migration that the task has open */
	OWNER_TEST_HMM,
	OWNER_NOUVEAU,
	OWNER_NOUVEAU_FAULT,	/* the interval that nouveau has while it handles a fault */
	OWNER_AMDGPU,
	OWNER_XE_SVM,
	OWNER_XE_USERPTR,
	OWNER_READERS,
};

#define MMUSCOPE_OWNER_STEPS 6

/* The way from a subscription to its driver's owner, see src/owners.h. */
struct mmuscope_owner_path {
	__u32 steps;		/* 0: not read */
	__u32 or_itself;	/* the last value NULL: the last struct's address */
	__s64 itself;		/* where in it the last step begins */
	__s64 add[MMUSCOPE_OWNER_STEPS]; /* each step adds this, and follows what is there */
};

struct mmuscope_cpu {
	struct mmuscope_callback_slot slot;
	__u64 total[TOTAL_MAX];
	__u32 cause_left;	/* notifications until the next is taken, it included */
	__u32 cause_place;	/* of the one taken, in its block of cause_every */
	struct mmuscope_start_slot started;
	struct mmuscope_window_slot window;
	struct mmuscope_record_place record_place;
	struct mmuscope_record_ring ring __attribute__((aligned(64)));
	/* Last row used, of rows and of callback_rows. */
	__u32 hint[2][MMUSCOPE_HINTS] __attribute__((aligned(64)));
	/* By the process's id; the first one where one process is counted. */
	struct mmuscope_lone_interval lone[MMUSCOPE_HINTS];
	struct mmuscope_row direct[MMUSCOPE_DIRECT_ROWS];
	struct mmuscope_callback_row
		direct_callback[MMUSCOPE_DIRECT_CALLBACKS * MMUSCOPE_DIRECT_ROWS];
};

enum mmuscope_scope {
	SCOPE_ALL = 0,
	SCOPE_PROCESS,		/* one tgid */
	SCOPE_PROCESSES,	/* the tgids in a map, and what they fork */
	SCOPE_CGROUP,
};

/* Set before loading; the verifier removes what is switched off. */
struct mmuscope_config {
	__u32 scope;
	__u32 tgid;
	__u64 cgroup_id;
	__u32 row_shift;	/* rows for each CPU: 1 << row_shift, of both kinds */
	__u8 latency;
	__u8 paired;		/* an end or exit counts only if its start was counted */
	__u8 task_storage;	/* 5.11+: task storage and bpf_get_current_task_btf() */
	__u8 slots;		/* a CPU's slot may hold a frame */
	__u8 preemptible;	/* a program may interrupt another on its CPU, not itself */
	__u8 direct;		/* MMUSCOPE_DIRECT_*; only with SCOPE_PROCESS */
	__u8 stack_memo;	/* 5.15+: bpf_task_pt_regs() */
	__u8 record_shift;	/* slots of each CPU's ring of records: 1 << record_shift */
	__u32 cpus;		/* possible CPUs */
	__u32 cause_every;	/* the stack of one in so many notifications; 0: of none */
	__u32 records;		/* the kinds of records that are sent: 1 << kind */
	__u64 window_limit;	/* ns that a window may be open, --windows */
	/* Addresses of page_offset_base and vmemmap_base; 0: there is no such variable, ~0: they
	 * are hidden. */
	__u64 page_offset_at, vmemmap_at;
	__u32 la57;		/* page tables of five levels */
	__u32 pad2;
};

/*
 * The switch, and what is shared between CPUs. The first cache line is what every
 * notification reads; programs write there for a process that executes another program,
 * that loses a thread, or that subscribes with a function nobody knows. What they write
 * more often is in lines of its own: when an interval is inserted, on the migration path,
 * and where two invalidations of one mm meet, never by one alone. See docs/scale.md.
 */
struct mmuscope_control {
	__u32 enabled;		/* written by user space */
	__u32 generation;	/* written by user space: one more at each switch-on */
	__u64 target_mm;	/* SCOPE_PROCESS: the process's mm, 0: not known yet */
	__u64 work_watched;	/* written by user space: callback_work_bit of each */
	__u32 registry;		/* written by user space: callbacks are seen by walking it */
	__u32 armed;		/* written by user space: who subscribes now is walked */
	__u32 timed;		/* written by user space: notification_enter is attached */
	__u32 leaving;		/* written by user space: enabled, or what was counted as begun
				 * then may still end */
	__u64 pad[3];
	__u32 registry_epoch;	/* one more at each insertion, and by user space */
	__u32 registry_inserting; /* insertions that have begun and not ended */
	__u64 pad1[7];
	__u64 migrations_open;	/* tasks in a migration: 0 spares the look-up */
	__u64 pad2[7];
	__u32 contended;	/* callbacks that met another invalidation of their mm */
	__u32 evidence_asked;	/* RING_CONTENDED was sent */
	__u64 pad3[7];
};

enum mmuscope_ring_type {
	RING_PROCESS = 1,	/* a process got its first row: its name */
	RING_MODULE_LOADED,
	RING_MODULE_GONE,
	RING_CALLBACK,		/* a function that nobody knows yet: `start` is its address,
				 * `tgid` 1 for one of mmu_notifier_ops */
	RING_CONTENDED,		/* sequence numbers will not do: watch the work functions */
	RING_INTERVAL,		/* a process subscribed, its first with this function: `start` */
	RING_NOTIFIER,		/* the same with one of mmu_notifier_ops */
	RING_RECORDS,		/* a quarter of a CPU's ring of records was filled */
};

struct mmuscope_ring_event {
	__u32 type;		/* enum mmuscope_ring_type */
	__u32 tgid;
	__u64 start;		/* as in the row key */
	char name[56];		/* comm, or the module's name */
};

#ifndef __cplusplus
_Static_assert(sizeof(struct mmuscope_row_key) == 24, "row key layout");
_Static_assert(sizeof(struct mmuscope_row) == 128, "a row is two cache lines");
_Static_assert(sizeof(struct mmuscope_callback_row) == 512, "callback row: eight cache lines");
_Static_assert(sizeof(struct mmuscope_callback_slot) == 48, "slot layout");
_Static_assert(sizeof(struct mmuscope_lone_interval) == 64, "lone interval: a cache line");
_Static_assert(sizeof(struct mmuscope_record_ring) == 128, "head and tail apart");
/* Arrays of the kernel that user space maps begin at a page (kernel/bpf/arraymap.c). */
_Static_assert(sizeof(struct mmuscope_cpu) % 64 == 0, "no cache line shared between CPUs");
_Static_assert(__builtin_offsetof(struct mmuscope_cpu, ring.limit) % 64 == 0 &&
		       __builtin_offsetof(struct mmuscope_cpu, hint) -
				       __builtin_offsetof(struct mmuscope_cpu, ring.limit) == 64,
	       "what user space writes for a CPU that counts is alone");
_Static_assert(__builtin_offsetof(struct mmuscope_control, timed) < 64, "read by all, together");
_Static_assert(__builtin_offsetof(struct mmuscope_control, registry_epoch) == 64 &&
		       __builtin_offsetof(struct mmuscope_control, migrations_open) == 128 &&
		       __builtin_offsetof(struct mmuscope_control, contended) == 192 &&
		       sizeof(struct mmuscope_control) == 256,
	       "what programs write is in cache lines of its own");
_Static_assert(sizeof(struct mmuscope_ring_event) == 72, "ring event layout");
_Static_assert(sizeof(struct mmuscope_window) == 80, "window layout");
#endif

#endif

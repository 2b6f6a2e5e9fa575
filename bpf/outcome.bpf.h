/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a callback's row gets, whichever way the callback was seen. */
#ifndef MMUSCOPE_OUTCOME_BPF_H
#define MMUSCOPE_OUTCOME_BPF_H

#include "record.bpf.h"

static __always_inline bool may_decline(u32 declines, u32 event)
{
	return declines >> (event & (MMUSCOPE_EVENTS - 1)) & 1;
}

/*
 * Where nothing watched the entry of a callback: a sequence number that is current
 * proves nothing where another invalidation of this mm is open, or was open when
 * ours began: what a second thread may have done meanwhile leaves no trace
 * (measured with two threads: 110 of 10352 wrong if only the first is asked).
 */
static __noinline bool other_window_open(struct mm_struct *mm)
{
	struct task_struct *cur = (void *)bpf_get_current_task();

	return BPF_CORE_READ(mm, notifier_subscriptions, active_invalidate_ranges) > 1 ||
	       BPF_CORE_READ(cur, signal, nr_threads) > 1;
}

/*
 * The owner that the driver compares range->owner with, or would if it opted in;
 * 0: none. Where its source is not known, or its module's BTF is not there, it is that
 * of the migration which the task has open: right for the driver that migrates, and for
 * others that mirror the same memory it counts too much.
 */
static __always_inline u64 own_owner(u32 reader, u64 subscription, struct migration_frame *m)
{
	struct mmuscope_owner_path *path = bpf_map_lookup_elem(&owner_paths, &reader);
	u64 at, before = 0;
	u32 i;

	if (!path || !path->steps)
		return m ? m->owner : 0;
	/* As a number: the verifier lets nobody add what it does not know to a pointer. */
	if (bpf_probe_read_kernel(&at, sizeof(at), &subscription))
		return 0;
	for (i = 0; i < MMUSCOPE_OWNER_STEPS && i < path->steps; i++) {
		before = at;
		if (bpf_probe_read_kernel(&at, sizeof(at), (void *)(before + path->add[i])))
			return 0;
		if (!at)
			break;
	}
	if (!at && path->or_itself && i + 1 == path->steps)
		return before - path->itself;
	return at;
}

/* Would the driver have declined this invalidation, had it opted in? */
static __noinline bool is_avoidable(u64 range, u32 reader, u64 subscription,
				    struct migration_frame *m)
{
	u64 owner = range_owner((const struct mmu_notifier_range *)range);

	return owner && owner == own_owner(reader, subscription, m);
}

/* Global: the verifier looks at it once, and not at all that follows for each size. */
__noinline __weak int size_of(u64 pages)
{
	int s = 0;

	/* Most are small, and the loop is shorter than a binary search for them. */
	for (int i = 0; i < MMUSCOPE_SIZES - 1 && pages; i++, s++)
		pages >>= 1;
	return s;
}

/* 0, and 1 + log2 of the other bytes. */
#define LOG2_4(n) n, n, n, n
#define LOG2_16(n) LOG2_4(n), LOG2_4(n), LOG2_4(n), LOG2_4(n)
#define LOG2_64(n) LOG2_16(n), LOG2_16(n), LOG2_16(n), LOG2_16(n)
static const volatile u8 log2_of_byte[256] = {
	0, 1, 2, 2, LOG2_4(3), LOG2_4(4), LOG2_4(4), LOG2_16(5), LOG2_16(6), LOG2_16(6),
	LOG2_64(7), LOG2_64(8), LOG2_64(8),
};

/* A table of bytes: half the instructions of a search by halves. */
static __always_inline u32 log2_bucket(u64 ns)
{
	u32 shift = 0, b;

	if (ns >> 8) {
		shift = 8;
		barrier();
		if (ns >> 16) {
			shift = ns >> 24 ? 24 : 16;
			if (ns >> 32)
				return MMUSCOPE_BUCKETS - 1;
		}
	}
	b = shift + log2_of_byte[(ns >> shift) & 0xff];
	return b < MMUSCOPE_BUCKETS ? b : MMUSCOPE_BUCKETS - 1;
}

static __always_inline void add_latency(struct mmuscope_callback_row *row, u64 ns)
{
	row->latency_sum += ns;
	if (ns > row->latency_max)
		row->latency_max = ns;
	if (~ns > row->latency_min)
		row->latency_min = ~ns;
	(*SLOT(row->bucket, log2_bucket(ns)))++;
}

/* One callback on its way into its row. */
struct callback_event {
	u64 range;		/* struct mmu_notifier_range * */
	u64 subscription;
	u64 start, end;
	u64 time;		/* ns, 0: not measured */
	u64 ended;		/* CLOCK_MONOTONIC; only where it is recorded */
	u32 event;
	u32 reader;		/* enum mmuscope_owner_reader */
};

/* Adds one callback of pages_of(); `m`: the migration that its task has open, or NULL. */
static __always_inline void count_callback(struct mmuscope_callback_row *row,
					  enum mmuscope_outcome outcome,
					  const struct callback_event *e, u64 pages,
					  struct migration_frame *m)
{
	if (pages == WHOLE) {
		row->whole++;
		pages = 0;
		barrier();
	} else {
		row->pages += pages;
		/* Most are of one page: user space makes size[1] of what is left. */
		if (pages != 1)
			(*SLOT(row->size, (u32)size_of(pages)))++;
		barrier();
	}

	/* A store each: an index that is not constant would cost more. */
	if (outcome == OUTCOME_PERFORMED) {
		row->outcome[OUTCOME_PERFORMED]++;
		row->pages_performed += pages;
		if (m)
			m->pages_performed += pages;
		if (e->event == MMU_NOTIFY_MIGRATE &&
		    is_avoidable(e->range, e->reader, e->subscription, m)) {
			row->avoidable++;
			row->avoidable_pages += pages;
			row->avoidable_time += e->time;
			if (m && recorded(RECORD_MIGRATION))
				m->avoidable++;
		}
		barrier();
	} else if (outcome == OUTCOME_SKIPPED) {
		row->outcome[OUTCOME_SKIPPED]++;
		barrier();
	} else {
		(*SLOT(row->outcome, outcome))++;
	}
	if (m && recorded(RECORD_MIGRATION))
		(*SLOT(m->outcome, outcome))++;
}

static __always_inline u8 outcome_flags(enum mmuscope_outcome outcome, bool avoidable)
{
	return outcome << RECORD_OUTCOME_SHIFT | (avoidable ? RECORD_AVOIDABLE : 0);
}

/* The record of a callback. `word`: the row's key word, and the record's flags in its last byte. */
static __always_inline void record_callback(struct mmuscope_cpu *c, const struct callback_event *e,
					    u64 start, u64 word, u64 what, u32 migration)
{
	const struct recorded_range v = {
		.ns = e->ended,
		.from = e->start,
		.to = e->end,
		.what = what,
		.took = e->time,
		.start = start,
		.tgid = (u32)word,
		.migration = migration,
		.kind = RECORD_CALLBACK,
		.event = e->event,
		.phase = word >> 48,
		.flags = word >> 56,
	};

	record_range(c, &v);
}

#endif

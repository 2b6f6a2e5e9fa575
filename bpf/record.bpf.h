/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records into the CPU's ring, an array that user space maps. A helper of the kernel's
 * own ring buffer costs more than all of this: two calls and a lock that all CPUs share.
 *
 * A slot is taken before it is written and says itself when it is whole, so a program
 * that is preempted in between holds up the reader and nobody else.
 */
#ifndef MMUSCOPE_RECORD_BPF_H
#define MMUSCOPE_RECORD_BPF_H

#include "state.bpf.h"

#define NO_ROOM (~0ULL)
#define RECORD_TRIES 32		/* of programs that preempt each other between load and store */

/*
 * Are records of this kind sent? The programs are built twice, with MMUSCOPE_RECORDS for
 * those that may: registers that a removed branch would have needed cost `stat` 37
 * instructions a notification.
 */
#ifdef MMUSCOPE_RECORDS
#define RECORDING true
#else
#define RECORDING false
#endif

static __always_inline bool recorded(enum mmuscope_record_kind kind)
{
	return RECORDING && cfg.records >> kind & 1;
}

/* Where no program is preempted a store will do. Before 5.12 there is no other way. */
static __always_inline u64 ring_take(struct mmuscope_record_ring *r, u32 slots)
{
	u64 head = r->head, limit = *(volatile u64 *)&r->limit;

	if (!cfg.preemptible) {
		if (head + slots > limit)
			return NO_ROOM;
		r->head = head + slots;
		return head;
	}
	for (int i = 0; i < RECORD_TRIES && head + slots <= limit; i++) {
		u64 found = __sync_val_compare_and_swap(&r->head, head, head + slots);

		if (found == head)
			return head;
		head = found;
	}
	return NO_ROOM;
}

static __always_inline void *record_slot(struct mmuscope_cpu *c, u64 position)
{
	u32 at = c->record_place.base | ((u32)position & c->record_place.mask);

	return bpf_map_lookup_elem(&records, &at);
}

static __noinline int wake_reader(void)
{
	ring_send(RING_RECORDS, NULL, NULL, 0);
	return 0;
}

/*
 * Takes `slots` slots of this CPU's ring and returns the first; *position is for
 * record_commit() and for the others. NULL: no room, and counted as lost.
 */
static __always_inline struct mmuscope_record *
record_begin(struct mmuscope_cpu *c, enum mmuscope_record_kind kind, u32 slots, u64 *position)
{
	u64 p = ring_take(&c->ring, slots);

	if (p == NO_ROOM) {
		__sync_fetch_and_add(&c->ring.lost[kind], 1);
		cpu_add(c, LOST_RECORDS, 1);
		return NULL;
	}
	*position = p;
	return record_slot(c, p);
}

/* The record is whole, all its slots. */
static __always_inline void record_commit(struct mmuscope_cpu *c, struct mmuscope_record *r,
					  u32 slots, u64 position)
{
	barrier();
	*(volatile u32 *)&r->commit = (u32)position + 1;
	/* The reader sleeps until a quarter is full, or its time is up. */
	if ((position ^ (position + slots)) & c->record_place.wake)
		wake_reader();
}

/* What a record of a range has. */
struct recorded_range {
	u64 ns;
	u64 from, to;
	u64 what;
	u64 took;
	u64 start;
	u32 tgid;
	u32 migration;
	u8 kind, event, phase, flags;
};

static __always_inline void record_fill(struct mmuscope_record *r, const struct recorded_range *v)
{
	r->kind = v->kind;
	r->event = v->event;
	r->phase = v->phase;
	r->flags = v->flags;
	r->ns = v->ns;
	r->from = v->from;
	r->to = v->to;
	r->what = v->what;
	r->took = v->took;
	r->tgid = v->tgid;
	r->task = (u32)bpf_get_current_pid_tgid();
	r->start = v->start >> 20;
	r->migration = v->migration;
}

/* A record of one slot. */
static __always_inline void record_range(struct mmuscope_cpu *c, const struct recorded_range *v)
{
	u64 position;
	struct mmuscope_record *r = record_begin(c, v->kind, 1, &position);

	if (!r)
		return;
	record_fill(r, v);
	record_commit(c, r, 1, position);
}

static __always_inline u32 migration_id(const struct migration_frame *m)
{
	return m ? m->id : 0;
}

#endif

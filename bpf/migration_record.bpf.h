/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The record of a migration, from its frame, when it ends. */
#ifndef MMUSCOPE_MIGRATION_RECORD_BPF_H
#define MMUSCOPE_MIGRATION_RECORD_BPF_H

#include "record.bpf.h"

/* The second and third slot of struct mmuscope_record_migration, which see. */
struct migration_times {
	u64 setup, copy, pages, finalize;
	u64 asked, collected, migrated;
	u64 compound;
};

struct migration_sums {
	u64 pages_performed;
	u32 outcome[OUTCOME_MAX];
	u32 avoidable;
	u32 parent;
	__s32 stack;
	u32 place[PAGE_MAX - 1];
};

#define SLOT_OF(field) __builtin_offsetof(struct mmuscope_record_migration, field)
_Static_assert(SLOT_OF(setup) == 64 && SLOT_OF(compound) == 64 + 56, "second slot");
_Static_assert(SLOT_OF(pages_performed) == 128 && SLOT_OF(place) == 128 + 36, "third slot");
_Static_assert(sizeof(struct migration_times) == 64 && sizeof(struct migration_sums) == 64,
	       "a slot each");

static __always_inline void frame_prepare_record(struct migration_frame *f)
{
	f->from = f->to = 0;
	f->setup_left_ns = f->pages_entered_ns = f->pages_left_ns = 0;
	__builtin_memset(f->outcome, 0, sizeof(f->outcome));
	__builtin_memset(f->place, 0, sizeof(f->place));
	f->avoidable = 0;
	f->stack = -1;
	/* Of those that a task has open no two entered within one of 4 seconds. */
	f->id = (u32)f->entered_ns ? (u32)f->entered_ns : 1;
}

/*
 * The phases add up to the whole: what came before a call that did not take place
 * goes on until the end. A setup that found nothing is all there is.
 */
static __always_inline void fill_times(struct migration_times *t, const struct migration_frame *f,
				       u64 now)
{
	u64 setup_left = f->setup_left_ns ? f->setup_left_ns : now;
	u64 entered = f->pages_entered_ns ? f->pages_entered_ns : now;
	u64 left = f->pages_left_ns ? f->pages_left_ns : now;

	t->setup = setup_left - f->entered_ns;
	t->copy = entered - setup_left;
	t->pages = left - entered;
	t->finalize = now - left;
	t->asked = f->pages;
	t->collected = f->collected;
	t->migrated = f->migrated;
	t->compound = f->compound;
}

static __always_inline void fill_sums(struct migration_sums *s, const struct migration_frame *f,
				      u32 parent)
{
	s->pages_performed = f->pages_performed;
	__builtin_memcpy(s->outcome, f->outcome, sizeof(s->outcome));
	s->avoidable = f->avoidable;
	s->parent = parent;
	s->stack = f->stack;
	__builtin_memcpy(s->place, f->place, sizeof(s->place));
}

/* `parent`: the migration of this task around it, 0: none. */
static __always_inline void record_migration(struct mmuscope_cpu *c,
					     const struct migration_frame *f, u32 parent, u64 now,
					     u8 flags)
{
	const struct recorded_range v = {
		.ns = now,
		.from = f->from,
		.to = f->to,
		.what = f->owner,
		.took = now - f->entered_ns,
		.start = f->start,
		.tgid = (u32)f->key_word,
		.migration = f->id,
		.kind = RECORD_MIGRATION,
		.event = f->key_word >> 40,
		.phase = f->key_word >> 56,
		.flags = flags,
	};
	struct migration_times *times;
	struct migration_sums *sums;
	struct mmuscope_record *r;
	u64 position;

	r = record_begin(c, RECORD_MIGRATION, 3, &position);
	if (!r)
		return;
	times = record_slot(c, position + 1);
	sums = record_slot(c, position + 2);
	if (!times || !sums)
		return;
	fill_times(times, f, now);
	fill_sums(sums, f, parent);
	record_fill(r, &v);
	record_commit(c, r, 3, position);
}

#endif

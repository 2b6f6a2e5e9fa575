/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TEST_RECORDS_H
#define MMUSCOPE_TEST_RECORDS_H

/*
 * A stream of records in memory, as the kernel side would leave it: what ends first
 * comes first. Time goes on by 10 ns with each record that does not say otherwise.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/mmuscope.h"
#include "bpf/records.h"

#define PAGE 4096ULL

union any_record {
	struct mmuscope_record head;
	struct mmuscope_record_migration migration;
	struct mmuscope_record_pages pages;
};

struct stream {
	union any_record *items;
	size_t count;
	__u64 ns;
};

/* Appends an empty record, to be filled; valid until the next one. */
static inline union any_record *put_record(struct stream *s, enum mmuscope_record_kind kind,
					   __u32 task)
{
	union any_record *r;

	if (!(s->count & (s->count - 1))) {
		r = realloc(s->items, (s->count ? 2 * s->count : 1) * sizeof(*r));
		assert_non_null(r);
		s->items = r;
	}
	r = &s->items[s->count++];
	memset(r, 0, sizeof(*r));
	r->head.kind = kind;
	r->head.task = task;
	r->head.tgid = task / 10 * 10;	/* task 123 is a thread of 120 */
	r->head.start = 7;
	r->head.ns = s->ns += 10;
	return r;
}

static inline struct mmuscope_record *put_call(struct stream *s, enum mmuscope_record_kind kind,
					       __u32 task, __u64 from, __u64 pages,
					       __u32 migration)
{
	struct mmuscope_record *r = &put_record(s, kind, task)->head;

	r->from = from;
	r->to = from + pages * PAGE;
	r->migration = migration;
	r->took = 5;
	if (kind == RECORD_CALLBACK)
		r->flags = OUTCOME_PERFORMED << RECORD_OUTCOME_SHIFT;
	if (kind == RECORD_NOTIFICATION) {
		r->took = 0;
		r->flags = RECORD_UNTIMED;
	}
	return r;
}

/* All of its pages migrate. */
static inline struct mmuscope_record_migration *put_migration(struct stream *s, __u32 task,
							      __u64 from, __u64 pages, __u32 id,
							      __u32 parent, __u64 took)
{
	struct mmuscope_record_migration *m =
		&put_record(s, RECORD_MIGRATION, task)->migration;

	m->head.from = from;
	m->head.to = from + pages * PAGE;
	m->head.phase = DIR_TO_DEVICE;
	m->head.event = 1 << SELECT_BIT_SYSTEM;
	m->head.took = took;
	m->setup = took;
	m->head.migration = id;
	m->parent = parent;
	m->asked = m->collected = m->migrated = pages;
	m->stack = -1;
	return m;
}

#endif

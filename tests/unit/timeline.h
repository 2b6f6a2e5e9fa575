/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TEST_TIMELINE_H
#define MMUSCOPE_TEST_TIMELINE_H

/*
 * Activities made by hand, as activities__add() would put them together: a process that
 * migrates chunks to a device and back with two threads, and another with one. All follows
 * from TURNS, so that each number of a timeline can be told beforehand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activity.h"
#include "drivers.h"
#include "recording.h"

#define PAGE 4096ULL
#define TURNS 23
#define THREADS 3
#define CHUNK 64		/* pages */
#define OWNER 0xffffffffc0a01000ULL
#define START 77		/* of each process, in records */

/* of recording_info.names */
enum { CALLBACK_INTERVAL, CALLBACK_NOTIFIER };

static inline void *must_have(void *pointer)
{
	assert_non_null(pointer);
	return pointer;
}

static inline struct activity *new_activity(enum mmuscope_record_kind kind, __u32 tgid,
					    __u32 task, __u64 begin, __u64 took)
{
	struct activity *a = must_have(calloc(1, sizeof(*a)));

	a->head.kind = kind;
	a->head.tgid = tgid;
	a->head.task = task;
	a->head.start = START;
	a->head.ns = begin + took;
	a->head.took = took;
	a->begin = begin;
	a->timed = true;
	a->stack = -1;
	return a;
}

static inline struct activity *set_range(struct activity *a, __u64 from, __u64 pages)
{
	a->head.from = from;
	a->head.to = from + pages * PAGE;
	return a;
}

static inline struct activity *add_child(struct activity *parent, struct activity *child)
{
	parent->children = must_have(realloc(parent->children, (parent->child_count + 1) *
					     sizeof(*parent->children)));
	return parent->children[parent->child_count++] = child;
}

static inline void free_activity(struct activity *a)
{
	for (size_t i = 0; i < a->child_count; i++)
		free_activity(a->children[i]);
	free(a->children);
	free(a);
}

static inline struct activity *new_callback(const struct activity *of, __u64 begin, __u64 took,
					    enum mmuscope_outcome outcome)
{
	struct activity *c = new_activity(RECORD_CALLBACK, of->head.tgid, of->head.task, begin,
					  took);

	c->head.from = of->head.from;
	c->head.to = of->head.to;
	c->head.event = of->head.event;
	c->head.phase = of->head.phase;
	c->head.what = CALLBACK_INTERVAL;
	c->head.flags = (__u8)(outcome << RECORD_OUTCOME_SHIFT);
	return c;
}

/* One of 15 us for the range of `a`, with a callback of 10 us in it. */
static inline struct activity *add_notification(struct activity *a, __u64 begin, __u8 event,
						__u8 phase, enum mmuscope_outcome outcome)
{
	struct activity *n = new_activity(RECORD_NOTIFICATION, a->head.tgid, a->head.task, begin,
					  15000);

	n->head.from = a->head.from;
	n->head.to = a->head.to;
	n->head.event = event;
	n->head.phase = phase;
	n->head.what = OWNER;
	a->migration.outcome[outcome]++;
	add_child(n, new_callback(n, begin + 2000, 10000, outcome));
	return add_child(a, n);
}

/* The phases take a tenth, six tenths, two and one of `took`. */
static inline struct activity *new_migration(__u32 tgid, __u32 task, __u64 begin, __u64 took,
					     enum mmuscope_direction direction, __u64 from,
					     __u32 migrated)
{
	struct activity *a = new_activity(RECORD_MIGRATION, tgid, task, begin, took);
	struct mmuscope_record_migration *m = &a->migration;

	set_range(a, from, CHUNK);
	m->head.phase = (__u8)direction;
	m->head.event = direction == DIR_TO_DEVICE ? 1 << SELECT_BIT_SYSTEM :
						     1 << SELECT_BIT_DEVICE_PRIVATE;
	m->head.what = OWNER;
	m->setup = took / 10;
	m->copy = took / 10 * 6;
	m->pages = took / 10 * 2;
	m->finalize = took - m->setup - m->copy - m->pages;
	m->asked = m->collected = CHUNK;
	m->migrated = migrated;
	m->place[PAGE_BUSY - 1] = CHUNK - migrated;
	m->stack = -1;
	return a;
}

typedef void give_fn(void *ctx, struct activity *a);

/*
 * A turn: to the device, a fault on it, half of it back, which every callback performs; on
 * the way there those of the first thread do, the others skip. 17 slices. Gives away.
 */
static inline void give_turn(unsigned int turn, unsigned int thread, give_fn *give, void *ctx)
{
	static const __u32 tgids[THREADS] = { 1001, 1001, 2001 };
	static const __u32 tasks[THREADS] = { 1001, 1002, 2001 };
	const __u64 at = 5000000000123ULL + turn * 1000000ULL + thread * 8000ULL;
	const __u64 from = 0x7f0000000000ULL + (thread * TURNS + turn) * CHUNK * PAGE;
	const __u32 tgid = tgids[thread], task = tasks[thread];
	struct activity *a;

	a = new_migration(tgid, task, at, 300000, DIR_TO_DEVICE, from, turn % 2 ? 64 : 60);
	add_notification(a, at + 5000, 6, PHASE_SETUP,
			 thread ? OUTCOME_SKIPPED : OUTCOME_PERFORMED);
	add_notification(a, at + 215000, 1, PHASE_PAGES, OUTCOME_SKIPPED);
	give(ctx, a);
	give(ctx, set_range(new_activity(RECORD_FAULT, tgid, task, at + 400000, 60000), from,
			    CHUNK));
	a = new_migration(tgid, task, at + 600000, 200000, DIR_TO_SYSTEM, from, CHUNK / 2);
	add_notification(a, at + 604000, 6, PHASE_SETUP, OUTCOME_PERFORMED);
	give(ctx, a);
}

#define TURN_SLICES 17

/* All turns, and at the end each process faults on all that it has. */
static inline void give_all(give_fn *give, void *ctx)
{
	const __u64 at = 5000000000123ULL + TURNS * 1000000ULL;

	for (unsigned int turn = 0; turn < TURNS; turn++)
		for (unsigned int thread = 0; thread < THREADS; thread++)
			give_turn(turn, thread, give, ctx);
	for (__u32 tgid = 1001; tgid <= 2001; tgid += 1000)
		give(ctx, set_range(new_activity(RECORD_FAULT, tgid, tgid, at, 90000),
				    0x7f0000000000ULL, (__u64)THREADS * TURNS * CHUNK));
}

/* What of it the recording tells beside its records; info__clear() afterwards. */
static inline void info__init(struct recording_info *info)
{
	memset(info, 0, sizeof(*info));
	info->about = must_have(json_pack("{s:s}", "tool", "made by hand"));
	assert_int_equal(names__add_process(&info->names, 1001, (__u64)START << 20, "trainer"), 0);
	assert_int_equal(names__add_process(&info->names, 2001, (__u64)START << 20, "solver"), 0);
	assert_int_equal(names__add_callback(&info->names, "dmirror_interval_invalidate",
					     "test_hmm", KIND_INTERVAL, "fentry"),
			 CALLBACK_INTERVAL);
	assert_int_equal(names__add_callback(&info->names,
					     "kvm_mmu_notifier_invalidate_range_start", "kvm",
					     KIND_NOTIFIER, "fentry"), CALLBACK_NOTIFIER);
	info->names.owners = must_have(calloc(1, sizeof(*info->names.owners)));
	info->names.owner_count = 1;
	info->names.owners[0].address = OWNER;
	strcpy(info->names.owners[0].symbol, "dmirror_devices+0x0 [test_hmm]");
}

static inline void info__clear(struct recording_info *info)
{
	names__clear(&info->names);
	json_decref(info->about);
}

#endif

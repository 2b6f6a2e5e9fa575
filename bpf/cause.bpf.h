/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Causes: the kernel stack of one in cfg.cause_every notifications. The kernel
 * keeps each stack once, a row counts how often it was met, user space names it.
 *
 * One notification of each block of cfg.cause_every is taken, at a random place:
 * with a fixed distance a workload that repeats itself would show the same one of
 * its causes for ever. The number taken is as with a fixed distance.
 */
#ifndef MMUSCOPE_CAUSE_BPF_H
#define MMUSCOPE_CAUSE_BPF_H

#include "state.bpf.h"

#define EEXIST 17

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);	/* 1 << row_shift */
	__uint(key_size, sizeof(u32));
	__uint(value_size, MMUSCOPE_STACK_DEPTH * sizeof(u64));
} cause_stacks SEC(".maps");

/*
 * Two stacks may claim one place in the map; the kernel refuses the later. Without
 * our own frames at its top, which user space drops anyhow, it hashes to another.
 */
static __always_inline s64 stack_id(void *ctx)
{
	s64 id = bpf_get_stackid(ctx, &cause_stacks, 0);

	if (id == -EEXIST)
		id = bpf_get_stackid(ctx, &cause_stacks, 1);
	if (id == -EEXIST)
		id = bpf_get_stackid(ctx, &cause_stacks, 2);
	return id;
}

/* `start` and `word` as in the row of the notification. */
static __noinline int cause_keep(s64 id, u64 start, u64 word, u64 from, u64 to)
{
	struct mmuscope_cpu *c = this_cpu();
	struct mmuscope_row *row;

	if (!c)
		return 0;
	if (cfg.cause_every > 1) {
		u32 place = bpf_get_prandom_u32() % cfg.cause_every;

		c->cause_left += cfg.cause_every - c->cause_place + place;
		c->cause_place = place;
	}
	if (id < 0) {
		cpu_add(c, LOST_CAUSES, 1);
		return 0;
	}
	row = row_search(c, start, word, id);
	if (!row)
		return 0;
	row->count[CAUSE_SAMPLES]++;
	add_pages(&row->count[CAUSE_PAGES], &row->count[CAUSE_WHOLE], from, to);
	return 0;
}

/*
 * The stack is taken here and not in a function of its own: a frame of BPF costs
 * the kernel most to get past. Where a program interrupts another between load and
 * store a block is longer or shorter by one, which no estimate feels; with 1 nothing
 * is counted down.
 */
static __always_inline void cause_count(void *ctx, struct mmuscope_cpu *c, const struct process *p,
					u32 event, u32 phase, u64 from, u64 to)
{
	if (cfg.cause_every > 1 && --c->cause_left)
		return;
	cause_keep(stack_id(ctx), p->start, key_word(p, ROW_CAUSE, event, phase, 0), from, to);
}

#endif

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

#include "record.bpf.h"

#define EEXIST 17

struct cause_stacks_map {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);	/* 1 << row_shift */
	__uint(key_size, sizeof(u32));
	__uint(value_size, MMUSCOPE_STACK_DEPTH * sizeof(u64));
};
extern struct cause_stacks_map cause_stacks SEC(".maps");

/*
 * Unwinding costs the kernel some 7000 instructions, so a CPU remembers the stacks
 * that it met last by what makes them: all words between our own frame and the
 * registers at the bottom that may be addresses of code, with their places. Among
 * them are the return addresses of all frames, and these say where the next one
 * is: what is equal here unwinds to the same. Words of old that still lie in
 * between make two of one stack now and then, and cost time, not truth.
 */
#define STACK_WORDS 512		/* what is deeper is unwound each time */
#define STACK_MEMOS 64		/* a power of two */
#define KERNEL_IMAGE 0xffffffff80000000ULL /* code of the kernel, modules and BPF is above */

struct stack_memo {
	u64 signature;
	s64 id;
};

struct stack_scratch {
	u64 from, to;
	u64 signature;		/* of the stack at hand; 0: has none */
	u64 word[STACK_WORDS];
	struct stack_memo memo[STACK_MEMOS];
};

struct stack_scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_scratch);
};
extern struct stack_scratch_map stack_scratch SEC(".maps");

static __always_inline struct stack_scratch *this_scratch(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&stack_scratch, &zero);
}

/* The id of the stack at hand if it was met lately, else -1. */
static __noinline s64 stack_seen(void *ctx)
{
	struct stack_scratch *s = this_scratch();
	struct stack_memo *memo;
	u64 bytes, h = 1;

	if (!s)
		return -1;
	s->signature = 0;
	/* Through memory the verifier lets go of them as pointers. */
	s->from = (u64)ctx;
	s->to = (u64)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
	barrier();
	bytes = s->to - s->from;
	if (bytes > sizeof(s->word) || bpf_probe_read_kernel(s->word, bytes, (void *)s->from))
		return -1;
	for (u32 i = 0; i < STACK_WORDS; i++) {
		u64 word = s->word[i];

		if (i >= bytes / 8)
			break;
		if (word >= KERNEL_IMAGE)
			h = (h ^ (word + i)) * 0x9e3779b97f4a7c15ULL;
	}
	s->signature = h;
	memo = SLOT(s->memo, h >> 40);
	return memo->signature == h ? memo->id : -1;
}

static __always_inline void stack_remember(s64 id)
{
	struct stack_scratch *s = this_scratch();
	struct stack_memo *memo;

	if (!s || !s->signature)
		return;
	memo = SLOT(s->memo, s->signature >> 40);
	memo->signature = s->signature;
	memo->id = id;
}

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
	if (cfg.stack_memo)
		stack_remember(id);
	row = row_search(c, start, word, id);
	if (!row)
		return 0;
	row->count[CAUSE_SAMPLES]++;
	add_pages(&row->count[CAUSE_PAGES], &row->count[CAUSE_WHOLE], pages_of(from, to));
	return 0;
}

/* The stack of the notification of this task that is recorded next. */
static __always_inline void record_stack(struct mmuscope_cpu *c, s64 id, const struct process *p,
					 u64 now)
{
	const struct recorded_range v = {
		.ns = now,
		.what = id,
		.start = p->start,
		.tgid = p->tgid,
		.kind = RECORD_STACK,
	};

	record_range(c, &v);
}

/*
 * The stack is taken here and not in a function of its own: a frame of BPF costs
 * the kernel most to get past. Where a program interrupts another between load and
 * store a block is longer or shorter by one, which no estimate feels; with 1 nothing
 * is counted down.
 */
static __always_inline void cause_count(void *ctx, struct mmuscope_cpu *c, const struct process *p,
					u32 event, u32 phase, u64 from, u64 to, u64 now)
{
	s64 id = -1;

	if (cfg.cause_every > 1 && --c->cause_left)
		return;
	if (cfg.stack_memo)
		id = stack_seen(ctx);
	if (id < 0)
		id = stack_id(ctx);
	cause_keep(id, p->start, key_word(p, ROW_CAUSE, event, phase, 0), from, to);
	if (recorded(RECORD_STACK) && id >= 0)
		record_stack(c, id, p, now);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Callbacks seen without a probe on the driver: at the exit of
 * __mmu_notifier_invalidate_range_start() every interval notifier of the mm that
 * overlaps the range has been called (mn_itree_invalidate(), mm/mmu_notifier.c).
 * The tree does not change while an invalidation is open, and ours still is. A
 * notifier whose invalidate_seq is the subscriptions' has acted, one whose is not
 * has declined; for the limits of that see callbacks.bpf.c.
 *
 * A start that failed stopped somewhere in the middle, which leaves no trace: its
 * callbacks are not seen this way.
 *
 * Most address spaces have one interval, a mirror of all their memory: what does
 * not change of it is remembered for each CPU, and forgotten when any interval is
 * inserted. That spares 100 of 450 instructions.
 */
#ifndef MMUSCOPE_REGISTRY_BPF_H
#define MMUSCOPE_REGISTRY_BPF_H

#include "outcome.bpf.h"

#define WALK_STACK 64 /* a power of two above the depth of any red-black tree */
#define WALK_LOOP (1 << 20) /* intervals looked at in one walk */
#define WALK_UNROLLED 64 /* without bpf_loop() */
#define NODE_BYTES 128 /* of which bpf_core_type_size() are read */

enum walk_slot {
	WALK_START, /* a program each: one may interrupt the other */
	WALK_RELEASE,
	WALK_SLOTS,
};

struct walk_scratch {
	u8 node[NODE_BYTES];
	u64 stack[WALK_STACK];
};

struct walk_scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALK_SLOTS);
	__type(key, u32);
	__type(value, struct walk_scratch);
};

extern struct walk_scratch_map walk_scratch SEC(".maps");
extern struct callbacks_map callbacks SEC(".maps");

/* One notification on its way through the tree. */
struct walk {
	u64 start, end; /* as in the range */
	u64 open_seq; /* what a notifier that acted has as its number */
	struct process process;
	u64 pages_performed;
	u64 mm;
	u32 event, phase;
	u32 slot, depth;
	u32 release; /* MMU_NOTIFY_RELEASE: no number was set yet */
	u32 remember; /* a lone interval */
	u32 epoch, pad;
};

#define NODE_FIELD(node, field)                                                                    \
	(*(u64 *)((node) + bpf_core_field_offset(struct mmu_interval_notifier, field)))

/* What is counted of this function; one that nobody knows is asked about. */
static __always_inline struct mmuscope_callback_id *callback_id_of(u64 function)
{
	struct mmuscope_callback_id *id, unknown = {.what = function, .declines = ~0U};
	struct process p = {.start = function};

	id = bpf_map_lookup_elem(&callbacks, &function);
	if (id || !function)
		return id;
	if (!bpf_map_update_elem(&callbacks, &function, &unknown, BPF_NOEXIST))
		ring_send(RING_CALLBACK, &p, NULL, 0);
	id = bpf_map_lookup_elem(&callbacks, &function);
	if (!id)
		total_add(LOST_STATE, 1);
	return id;
}

/* What one interval that overlaps the range adds. Returns the pages it dropped. */
static __always_inline u64 count_interval(struct mmuscope_cpu *c, const struct process *p,
					  u32 event, u32 phase, u64 start, u64 end,
					  enum mmuscope_outcome outcome, u64 what,
					  const bool target)
{
	struct mmuscope_callback_row *row;

	if (is_direct(event, target) && what < MMUSCOPE_DIRECT_CALLBACKS)
		row = callback_row_direct(c, what, event, phase);
	else
		row = callback_row_search(c, p->start, key_word(p, ROW_CALLBACK, event, phase, 0),
					  what);
	return row ? count_callback(row, outcome, start, end) : 0;
}

static __always_inline enum mmuscope_outcome outcome_by(u64 seq, u64 open_seq, u32 declines,
							u32 event, struct mm_struct *mm)
{
	if (seq != open_seq)
		return OUTCOME_SKIPPED;
	return may_decline(declines, event) && other_window_open(mm) ? OUTCOME_UNDETERMINED
								     : OUTCOME_PERFORMED;
}

static __always_inline void walk_push(struct walk *w, struct walk_scratch *s, u64 node)
{
	if (!node)
		return;
	if (w->depth >= WALK_STACK) {
		total_add(LOST_STATE, 1);
		return;
	}
	*SLOT(s->stack, w->depth) = node;
	w->depth++;
}

/* Is the interval the only one, and will it be until the next insertion begins? */
static __always_inline bool is_lone(const struct walk *w, const struct walk_scratch *s)
{
	struct mm_struct *mm = (void *)w->mm;

	return w->remember && !NODE_FIELD(s->node, interval_tree.rb.rb_left) &&
	       !NODE_FIELD(s->node, interval_tree.rb.rb_right) && !control.registry_inserting &&
	       !BPF_CORE_READ(mm, notifier_subscriptions, deferred_list.first);
}

static __always_inline void walk_visit(struct walk *w, struct walk_scratch *s, u64 address)
{
	struct mmuscope_callback_id *id =
		callback_id_of(interval_function(NODE_FIELD(s->node, ops)));
	u32 cpu = bpf_get_smp_processor_id();
	struct mmuscope_cpu *c = bpf_map_lookup_elem(&cpus, &cpu);
	enum mmuscope_outcome outcome;

	if (!id || !c || id->seen)
		return;
	if (w->release)
		outcome = may_decline(id->declines, w->event) ? OUTCOME_UNDETERMINED
							      : OUTCOME_PERFORMED;
	else
		outcome = outcome_by(NODE_FIELD(s->node, invalidate_seq), w->open_seq, id->declines,
				     w->event, (void *)w->mm);
	w->pages_performed += count_interval(c, &w->process, w->event, w->phase, w->start, w->end,
					     outcome, id->what, false);
	if (!is_lone(w, s))
		return;
	c->lone.node = address;
	c->lone.start = NODE_FIELD(s->node, interval_tree.start);
	c->lone.last = NODE_FIELD(s->node, interval_tree.last);
	c->lone.what = id->what;
	c->lone.declines = id->declines;
	c->lone.epoch = w->epoch;
}

/* The next node of a depth-first search. Returns 1 at the end. */
static __noinline long walk_step(u32 unused, struct walk *w)
{
	u64 address, last, end = w->end - 1;
	struct walk_scratch *s;
	u32 slot = w->slot;

	s = bpf_map_lookup_elem(&walk_scratch, &slot);
	if (!s || !w->depth)
		return 1;
	w->depth--;
	address = *SLOT(s->stack, w->depth);
	if (bpf_probe_read_kernel(s->node, bpf_core_type_size(struct mmu_interval_notifier),
				  (void *)address)) {
		total_add(LOST_STATE, 1);
		return w->depth == 0;
	}
	/* Nothing below reaches as far as the range. */
	if (NODE_FIELD(s->node, interval_tree.__subtree_last) < w->start)
		return w->depth == 0;
	last = NODE_FIELD(s->node, interval_tree.last);
	walk_push(w, s, NODE_FIELD(s->node, interval_tree.rb.rb_left));
	if (NODE_FIELD(s->node, interval_tree.start) <= end) {
		walk_push(w, s, NODE_FIELD(s->node, interval_tree.rb.rb_right));
		if (last >= w->start)
			walk_visit(w, s, address);
	}
	return w->depth == 0;
}

static __noinline int walk_tree(struct walk *w, u64 root)
{
	struct walk_scratch *s;
	u32 slot = w->slot;

	s = bpf_map_lookup_elem(&walk_scratch, &slot);
	if (!s)
		return 0;
	s->stack[0] = root;
	w->depth = 1;
	if (cfg.has_loop) {
		bpf_loop(WALK_LOOP, walk_step, w, 0);
	} else {
		for (int i = 0; i < WALK_UNROLLED; i++)
			if (walk_step(i, w))
				break;
	}
	if (w->depth)
		total_add(LOST_STATE, 1);
	return 0;
}

static __noinline u64 walk_all(const struct process *p, struct mm_struct *mm, u64 range, u64 where)
{
	struct walk w = {
		.process = *p,
		.start = BPF_CORE_READ((struct mmu_notifier_range *)range, start),
		.end = BPF_CORE_READ((struct mmu_notifier_range *)range, end),
		.mm = (u64)mm,
		.open_seq = BPF_CORE_READ(mm, notifier_subscriptions, invalidate_seq),
		.event = (u32)where,
		.phase = where >> 32,
		.epoch = control.registry_epoch,
		.remember = 1,
		.slot = WALK_START,
	};

	walk_tree(&w, (u64)BPF_CORE_READ(mm, notifier_subscriptions, itree.rb_root.rb_node));
	return w.pages_performed;
}

/* Every callback that this notification has made. Returns the pages dropped. */
static __always_inline u64 walk_registry(struct mmuscope_cpu *c, struct process *p,
					 const struct mmu_notifier_range *range,
					 struct mm_struct *mm, u64 start, u64 end, u32 event,
					 u32 phase, const bool target)
{
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;
	u64 root = (u64)subs->itree.rb_root.rb_node, seq;

	if (!root)
		return 0;
	if (c->lone.node != root || c->lone.epoch != control.registry_epoch)
		return walk_all(p, mm, (u64)range, (u64)phase << 32 | event);
	if (start > c->lone.last || end - 1 < c->lone.start)
		return 0;
	if (bpf_probe_read_kernel(&seq, sizeof(seq),
				  (void *)root + bpf_core_field_offset(struct mmu_interval_notifier,
								       invalidate_seq))) {
		total_add(LOST_STATE, 1);
		return 0;
	}
	return count_interval(c, p, event, phase, start, end,
			      outcome_by(seq, subs->invalidate_seq, c->lone.declines, event, mm),
			      c->lone.what, target);
}

#endif

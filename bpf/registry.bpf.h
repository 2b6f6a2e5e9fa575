/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Callbacks seen without a probe on the driver: at the exit of
 * __mmu_notifier_invalidate_range_start() every interval notifier of the mm that
 * overlaps the range has been called (mn_itree_invalidate(), mm/mmu_notifier.c),
 * and every mmu_notifier with an invalidate_range_start. The tree does not change
 * while an invalidation is open, and ours still is. An interval notifier whose
 * invalidate_seq is the subscriptions' has acted, one whose is not has declined;
 * for the limits of that see callbacks.bpf.c.
 *
 * A start that failed stopped somewhere in the middle, which leaves no trace: its
 * callbacks are not seen this way.
 *
 * Most address spaces have one interval, a mirror of all their memory: what does
 * not change of it is remembered for each CPU, and forgotten when any interval is
 * inserted. Its sequence number, which costs 90 instructions to read, is looked at
 * for events that its driver may decline.
 */
#ifndef MMUSCOPE_REGISTRY_BPF_H
#define MMUSCOPE_REGISTRY_BPF_H

#include "outcome.bpf.h"

#define WALK_STACK 64		/* a power of two above the depth of any red-black tree */
#define WALK_LOOP (1 << 20)	/* intervals looked at in one walk */
#define WALK_UNROLLED 64	/* without bpf_loop() */
#define LIST_MAX (1 << 16)	/* mmu_notifiers of one mm */
#define LIST_UNROLLED 8		/* without bpf_loop() */
#define NODE_BYTES 128		/* of which bpf_core_type_size() are read */

enum walk_slot {
	WALK_START,		/* a program each: one may interrupt the other */
	WALK_RELEASE,
	WALK_DISCOVER,		/* functions that nobody knows yet; counts nothing */
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

/* One notification on its way through the registry. */
struct walk {
	struct callback_event e;
	struct process process;
	u64 mm;
	u64 next;		/* mmu_notifier in the list */
	u64 open_seq;		/* what a notifier that acted has as its number */
	u32 phase;
	u32 epoch;
	u32 slot;		/* enum walk_slot */
	u32 depth;
};

#define NODE_FIELD(node, field) \
	(*(u64 *)((node) + bpf_core_field_offset(struct mmu_interval_notifier, field)))

/*
 * What is counted of this function. One that nobody knows is from here on counted
 * by the walk, under its address, and user space is told.
 */
static __always_inline struct mmuscope_callback_id *callback_id_of(u64 function, u32 is_notifier,
								   u64 interval_ops)
{
	struct mmuscope_callback_id *id, unknown = {
		.what = function,
		.declines = ~0U,
	};
	struct process p = { .start = function, .tgid = is_notifier };

	if (!function)
		return NULL;
	id = bpf_map_lookup_elem(&callbacks, &function);
	if (id)
		return id;
	if (interval_ops)
		unknown.second_pass = second_pass_function(interval_ops);
	if (!bpf_map_update_elem(&callbacks, &function, &unknown, BPF_NOEXIST)) {
		if (control.armed)
			control.registry = 1;
		ring_send(RING_CALLBACK, &p, NULL, 0);
	}
	id = bpf_map_lookup_elem(&callbacks, &function);
	if (!id)
		total_add(LOST_STATE, 1);
	return id;
}

/* What one callback adds. */
static __always_inline void count_seen(struct mmuscope_cpu *c, const struct process *p, u32 phase,
				       const struct callback_event *e,
				       enum mmuscope_outcome outcome, u64 what,
				       struct migration_frame *m, const bool target)
{
	struct mmuscope_callback_row *row;

	if (is_direct(e->event, target) && what < MMUSCOPE_DIRECT_CALLBACKS)
		row = callback_row_direct(c, what, e->event, phase);
	else if (target)
		row = callback_row_of_target(c, e->event, phase, what);
	else
		row = callback_row_search(c, p->start,
					  key_word(p, ROW_CALLBACK, e->event, phase, 0), what);
	if (row)
		count_callback(row, outcome, e, m);
}

static __always_inline enum mmuscope_outcome outcome_by(u64 seq, u64 open_seq, u32 declines,
							 u32 no_sequence, u32 event,
							 struct mm_struct *mm)
{
	if (no_sequence)
		return may_decline(declines, event) ? OUTCOME_UNDETERMINED : OUTCOME_PERFORMED;
	if (seq != open_seq)
		return OUTCOME_SKIPPED;
	return may_decline(declines, event) && other_window_open(mm) ? OUTCOME_UNDETERMINED :
								       OUTCOME_PERFORMED;
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

	return w->slot == WALK_START && !NODE_FIELD(s->node, interval_tree.rb.rb_left) &&
	       !NODE_FIELD(s->node, interval_tree.rb.rb_right) && !control.registry_inserting &&
	       !BPF_CORE_READ(mm, notifier_subscriptions, deferred_list.first) &&
	       (u64)BPF_CORE_READ(mm, notifier_subscriptions, itree.rb_root.rb_node) ==
		       w->e.subscription;
}

static __always_inline void remember_lone(struct mmuscope_cpu *c, const struct walk *w,
					  const struct walk_scratch *s,
					  const struct mmuscope_callback_id *id)
{
	c->lone.node = w->e.subscription;
	c->lone.start = NODE_FIELD(s->node, interval_tree.start);
	c->lone.last = NODE_FIELD(s->node, interval_tree.last);
	c->lone.what = id->what;
	c->lone.declines = id->declines;
	c->lone.owner = id->owner;
	c->lone.no_sequence = id->no_sequence;
	c->lone.epoch = w->epoch;
}

/* An interval that overlaps the range. */
static __always_inline void walk_visit(struct walk *w, struct walk_scratch *s)
{
	u64 ops = NODE_FIELD(s->node, ops);
	struct mmuscope_callback_id *id = callback_id_of(interval_function(ops), 0, ops);
	enum mmuscope_outcome outcome;
	struct mmuscope_cpu *c = this_cpu();

	if (!id || !c || id->seen || w->slot == WALK_DISCOVER)
		return;
	w->e.reader = id->owner;
	if (w->slot == WALK_RELEASE)
		outcome = may_decline(id->declines, w->e.event) ? OUTCOME_UNDETERMINED :
								  OUTCOME_PERFORMED;
	else
		outcome = outcome_by(NODE_FIELD(s->node, invalidate_seq), w->open_seq,
				     id->declines, id->no_sequence, w->e.event, (void *)w->mm);
	count_seen(c, &w->process, w->phase, &w->e, outcome, id->what, open_migration(), false);
	if (is_lone(w, s))
		remember_lone(c, w, s, id);
}

/* The next node of a depth-first search. Returns 1 at the end. */
static __noinline long walk_step(u32 unused, struct walk *w)
{
	u64 end = w->e.end - 1;
	struct walk_scratch *s;
	u32 slot = w->slot;

	s = bpf_map_lookup_elem(&walk_scratch, &slot);
	if (!s || !w->depth)
		return 1;
	w->depth--;
	w->e.subscription = *SLOT(s->stack, w->depth);
	if (bpf_probe_read_kernel(s->node, bpf_core_type_size(struct mmu_interval_notifier),
				  (void *)w->e.subscription)) {
		total_add(LOST_STATE, 1);
		return w->depth == 0;
	}
	/* Nothing below reaches as far as the range. */
	if (NODE_FIELD(s->node, interval_tree.__subtree_last) < w->e.start)
		return w->depth == 0;
	walk_push(w, s, NODE_FIELD(s->node, interval_tree.rb.rb_left));
	if (NODE_FIELD(s->node, interval_tree.start) <= end) {
		walk_push(w, s, NODE_FIELD(s->node, interval_tree.rb.rb_right));
		if (NODE_FIELD(s->node, interval_tree.last) >= w->e.start)
			walk_visit(w, s);
	}
	return w->depth == 0;
}

static __noinline int walk_tree(struct walk *w, u64 root)
{
	struct walk_scratch *s;
	u32 slot = w->slot;

	s = bpf_map_lookup_elem(&walk_scratch, &slot);
	if (!s || !root)
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

static __always_inline void list_visit(struct walk *w, struct mmu_notifier *mn)
{
	struct mmuscope_callback_id *id =
		callback_id_of((u64)BPF_CORE_READ(mn, ops, invalidate_range_start), 1, 0);
	struct mmuscope_cpu *c = this_cpu();

	if (!id || !c || id->seen || w->slot != WALK_START)
		return;
	w->e.subscription = (u64)mn;
	w->e.reader = id->owner;
	count_seen(c, &w->process, w->phase, &w->e,
		   may_decline(id->declines, w->e.event) ? OUTCOME_UNDETERMINED : OUTCOME_PERFORMED,
		   id->what, open_migration(), false);
}

static __noinline long list_step(u32 unused, struct walk *w)
{
	struct hlist_node *node = (void *)w->next;

	if (!node)
		return 1;
	list_visit(w, (void *)node);
	w->next = (u64)BPF_CORE_READ(node, next);
	return !w->next;
}

/* The mmu_notifiers of the mm; they are called with every range. */
static __noinline int walk_list(struct walk *w)
{
	struct mm_struct *mm = (void *)w->mm;

	w->next = (u64)BPF_CORE_READ(mm, notifier_subscriptions, list.first);
	if (!w->next)
		return 0;
	if (cfg.has_loop) {
		bpf_loop(LIST_MAX, list_step, w, 0);
	} else {
		for (int i = 0; i < LIST_UNROLLED; i++)
			if (list_step(i, w))
				break;
	}
	if (w->next)
		total_add(LOST_STATE, 1);
	return 0;
}

/* `start` and `tgid`: the process. */
static __noinline int walk_all(u64 start, u32 tgid, u64 range, u64 where)
{
	struct mmu_notifier_range *r = (void *)range;
	struct mm_struct *mm = BPF_CORE_READ(r, mm);
	struct walk w = {
		.process = { .start = start, .tgid = tgid },
		.e = {
			.range = range,
			.start = BPF_CORE_READ(r, start),
			.end = BPF_CORE_READ(r, end),
			.event = (u32)where,
		},
		.mm = (u64)mm,
		.open_seq = BPF_CORE_READ(mm, notifier_subscriptions, invalidate_seq),
		.phase = where >> 32,
		.epoch = control.registry_epoch,
		.slot = WALK_START,
	};

	walk_list(&w);
	walk_tree(&w, (u64)BPF_CORE_READ(mm, notifier_subscriptions, itree.rb_root.rb_node));
	return 0;
}

/* Every callback that this notification has made, but for those that have probes. */
static __always_inline void walk_registry(struct mmuscope_cpu *c, struct process *p,
					  const struct mmu_notifier_range *range,
					  struct mm_struct *mm, u64 start, u64 end, u32 event,
					  u32 phase, struct migration_frame *m, const bool target)
{
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;
	u64 root = (u64)subs->itree.rb_root.rb_node, seq;
	enum mmuscope_outcome outcome = OUTCOME_PERFORMED;
	struct callback_event e;

	if (c->lone.node != root || c->lone.epoch != control.registry_epoch || subs->list.first) {
		walk_all(target ? 0 : p->start, target ? cfg.tgid : p->tgid, (u64)range,
			 (u64)phase << 32 | event);
		return;
	}
	if (!root || start > c->lone.last || end - 1 < c->lone.start)
		return;
	/* The start did not fail, so what the driver never declines it has taken on. */
	if (may_decline(c->lone.declines, event)) {
		if (bpf_probe_read_kernel(&seq, sizeof(seq),
					  (void *)root + bpf_core_field_offset(
						struct mmu_interval_notifier, invalidate_seq))) {
			total_add(LOST_STATE, 1);
			return;
		}
		outcome = outcome_by(seq, subs->invalidate_seq, c->lone.declines,
				     c->lone.no_sequence, event, mm);
	}
	e.range = (u64)range;
	e.subscription = root;
	e.start = start;
	e.end = end;
	e.time = 0;
	e.event = event;
	e.reader = c->lone.owner;
	count_seen(c, p, phase, &e, outcome, c->lone.what, m, target);
}

#endif

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
 * not change of it is remembered by each CPU, for as many as it has places, and
 * forgotten when any interval is inserted. Its sequence number, which costs 90
 * instructions to read, is looked at for events that its driver may decline.
 */
#ifndef MMUSCOPE_REGISTRY_BPF_H
#define MMUSCOPE_REGISTRY_BPF_H

#include "outcome.bpf.h"

#define WALK_STACK 64		/* a power of two above the depth of any red-black tree */
/*
 * Of three loops: a million intervals and notifiers in one walk. The verifier follows each
 * turn of each loop, and three short ones are a tenth of two long ones.
 */
#define WALK_TURNS 102
#define NODE_BYTES 128		/* of which bpf_core_type_size() are read */

enum walk_slot {
	WALK_START,		/* a program each: one may interrupt the other */
	WALK_RELEASE,
	WALK_DISCOVER,		/* functions that nobody knows yet; counts nothing */
	WALK_SLOTS,
};

/*
 * One notification on its way through the registry. Not on the stack: the verifier
 * follows each turn of a loop, but a global function only once, and before 5.12 that
 * takes nothing but numbers.
 */
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
	u32 called;		/* callbacks of this notification, those with probes too */
	u32 avoidable;		/* the last one that was counted was */
	u64 what;		/* its; NO_ROOM: none was */
	u8 node[NODE_BYTES];
	u64 stack[WALK_STACK];
};

struct walks_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALK_SLOTS);
	__type(key, u32);
	__type(value, struct walk);
};

extern struct walks_map walks SEC(".maps");
extern struct callbacks_map callbacks SEC(".maps");

#define NODE_FIELD(node, field) \
	(*(u64 *)((node) + bpf_core_field_offset(struct mmu_interval_notifier, field)))

/*
 * One that nobody knows is from here on counted by the walk, under its address, and
 * user space is told. Of its own for its stack.
 */
static __noinline int callback_found(u64 function, u32 is_notifier, u64 interval_ops)
{
	struct mmuscope_callback_id unknown = {
		.what = function,
		.declines = ~0U,
	};
	struct process p = { .start = function, .tgid = is_notifier };

	if (interval_ops)
		unknown.second_pass = second_pass_function(interval_ops);
	if (!bpf_map_update_elem(&callbacks, &function, &unknown, BPF_NOEXIST)) {
		if (control.armed)
			control.registry = 1;
		ring_send(RING_CALLBACK, &p, NULL, 0);
	}
	return 0;
}

/* What is counted of this function. */
static __always_inline struct mmuscope_callback_id *callback_id_of(u64 function, u32 is_notifier,
								   u64 interval_ops)
{
	struct mmuscope_callback_id *id;

	if (!function)
		return NULL;
	id = bpf_map_lookup_elem(&callbacks, &function);
	if (id)
		return id;
	callback_found(function, is_notifier, interval_ops);
	id = bpf_map_lookup_elem(&callbacks, &function);
	if (!id)
		total_add(LOST_STATE, 1);
	return id;
}

static __always_inline struct mmuscope_callback_row *row_seen(struct mmuscope_cpu *c,
							      const struct process *p, u32 phase,
							      u32 event, u64 what,
							      const bool target)
{
	if (is_direct(event, target) && what < MMUSCOPE_DIRECT_CALLBACKS)
		return callback_row_direct(c, what, event, phase);
	if (target)
		return callback_row_of_target(c, event, phase, what);
	return callback_row_search(c, p->start, key_word(p, ROW_CALLBACK, event, phase, 0), what);
}

static __always_inline u64 seen_word(const struct process *p, const struct callback_event *e,
				     u32 phase, enum mmuscope_outcome outcome, bool avoidable)
{
	return key_word(p, ROW_CALLBACK, e->event, phase,
			outcome_flags(outcome, avoidable) | RECORD_UNTIMED);
}

/* Of its own for its stack: the walk has none to spare. `word` as in record_callback(). */
__noinline __weak int record_walked(u32 slot, u64 word, u64 what)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &slot);
	struct mmuscope_cpu *c = this_cpu();

	if (w && c)
		record_callback(c, &w->e, w->process.start, word, what,
				migration_id(open_migration()));
	return 0;
}

/* What a callback that the walk comes by adds. */
static __always_inline void count_walked(struct mmuscope_cpu *c, struct walk *w,
					 enum mmuscope_outcome outcome, u64 what)
{
	struct mmuscope_callback_row *row = row_seen(c, &w->process, w->phase, w->e.event, what,
						     false);
	u64 avoidable;

	if (!row)
		return;
	avoidable = row->avoidable;
	count_callback(row, outcome, &w->e, pages_of(w->e.start, w->e.end), open_migration());
	w->what = what;
	w->avoidable = row->avoidable != avoidable;
	if (recorded(RECORD_CALLBACK))
		record_walked(w->slot,
			      seen_word(&w->process, &w->e, w->phase, outcome, w->avoidable),
			      what);
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

static __always_inline void walk_push(struct walk *w, u64 node)
{
	if (!node)
		return;
	if (w->depth >= WALK_STACK) {
		total_add(LOST_STATE, 1);
		return;
	}
	*SLOT(w->stack, w->depth) = node;
	w->depth++;
}

/* Where the only interval of a process is remembered, if it is. */
static __always_inline struct mmuscope_lone_interval *lone_of(struct mmuscope_cpu *c, u32 tgid,
							     const bool target)
{
	if (target)
		return &c->lone[0];
	return SLOT(c->lone, cfg.scope == SCOPE_PROCESS ? 0 : tgid);
}

/* Is the interval the only one, and will it be until the next insertion begins? */
static __always_inline bool is_lone(const struct walk *w)
{
	struct mm_struct *mm = (void *)w->mm;

	return w->slot == WALK_START && !NODE_FIELD(w->node, interval_tree.rb.rb_left) &&
	       !NODE_FIELD(w->node, interval_tree.rb.rb_right) && !control.registry_inserting &&
	       !BPF_CORE_READ(mm, notifier_subscriptions, deferred_list.first) &&
	       (u64)BPF_CORE_READ(mm, notifier_subscriptions, itree.rb_root.rb_node) ==
		       w->e.subscription;
}

static __always_inline void remember_lone(struct mmuscope_cpu *c, const struct walk *w,
					  const struct mmuscope_callback_id *id)
{
	struct mmuscope_lone_interval *lone = lone_of(c, w->process.tgid, false);

	lone->node = w->e.subscription;
	lone->start = NODE_FIELD(w->node, interval_tree.start);
	lone->last = NODE_FIELD(w->node, interval_tree.last);
	lone->what = id->what;
	lone->declines = id->declines;
	lone->owner = id->owner;
	lone->no_sequence = id->no_sequence;
	lone->epoch = w->epoch;
}

/* An interval that overlaps the range. */
static __always_inline void walk_visit(struct walk *w)
{
	u64 ops = NODE_FIELD(w->node, ops);
	struct mmuscope_callback_id *id = callback_id_of(interval_function(ops), 0, ops);
	enum mmuscope_outcome outcome;
	struct mmuscope_cpu *c = this_cpu();

	w->called++;
	if (!id || !c || id->seen || w->slot == WALK_DISCOVER)
		return;
	w->e.reader = id->owner;
	if (w->slot == WALK_RELEASE)
		outcome = may_decline(id->declines, w->e.event) ? OUTCOME_UNDETERMINED :
								  OUTCOME_PERFORMED;
	else
		outcome = outcome_by(NODE_FIELD(w->node, invalidate_seq), w->open_seq,
				     id->declines, id->no_sequence, w->e.event, (void *)w->mm);
	count_walked(c, w, outcome, id->what);
	if (is_lone(w))
		remember_lone(c, w, id);
}

static __always_inline void list_visit(struct walk *w, struct mmu_notifier *mn)
{
	u64 function = (u64)BPF_CORE_READ(mn, ops, invalidate_range_start);
	struct mmuscope_callback_id *id = callback_id_of(function, 1, 0);
	struct mmuscope_cpu *c = this_cpu();

	w->called += function != 0;
	if (!id || !c || id->seen || w->slot != WALK_START)
		return;
	w->e.subscription = (u64)mn;
	w->e.reader = id->owner;
	count_walked(c, w,
		     may_decline(id->declines, w->e.event) ? OUTCOME_UNDETERMINED :
							     OUTCOME_PERFORMED,
		     id->what);
}

/* The next node of a depth-first search. Returns 1 at the end. */
static __always_inline int tree_step(struct walk *w)
{
	u64 end = w->e.end - 1;

	if (!w->depth)
		return 1;
	w->depth--;
	w->e.subscription = *SLOT(w->stack, w->depth);
	if (bpf_probe_read_kernel(w->node, bpf_core_type_size(struct mmu_interval_notifier),
				  (void *)w->e.subscription)) {
		total_add(LOST_STATE, 1);
		return w->depth == 0;
	}
	/* Nothing below reaches as far as the range. */
	if (NODE_FIELD(w->node, interval_tree.__subtree_last) < w->e.start)
		return w->depth == 0;
	walk_push(w, NODE_FIELD(w->node, interval_tree.rb.rb_left));
	if (NODE_FIELD(w->node, interval_tree.start) <= end) {
		walk_push(w, NODE_FIELD(w->node, interval_tree.rb.rb_right));
		if (NODE_FIELD(w->node, interval_tree.last) >= w->e.start)
			walk_visit(w);
	}
	return w->depth == 0;
}

/* The next subscriber: the mmu_notifiers, which get every range, then the tree. */
__noinline __weak int walk_step(u32 slot)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &slot);
	struct mmu_notifier *mn;

	if (!w)
		return 1;
	if (!w->next)
		return tree_step(w);
	mn = (void *)w->next;
	list_visit(w, mn);
	w->next = (u64)BPF_CORE_READ(mn, hlist.next);
	return !w->next && !w->depth;
}

__noinline __weak int walk_some(u32 slot)
{
	for (int i = 0; i < WALK_TURNS; i++)
		if (walk_step(slot))
			return 1;
	return 0;
}

__noinline __weak int walk_more(u32 slot)
{
	for (int i = 0; i < WALK_TURNS; i++)
		if (walk_some(slot))
			return 1;
	return 0;
}

/* Through what w->next and the tree of `mm` begin. */
__noinline __weak int walk_run(u32 slot)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &slot);
	struct mm_struct *mm;

	if (!w)
		return 0;
	mm = (void *)w->mm;
	w->stack[0] = (u64)BPF_CORE_READ(mm, notifier_subscriptions, itree.rb_root.rb_node);
	w->depth = w->stack[0] != 0;
	if (!w->depth && !w->next)
		return 0;
	for (int i = 0; i < WALK_TURNS; i++)
		if (walk_more(slot))
			return 0;
	/* More than a million. */
	total_add(LOST_STATE, 1);
	return 0;
}

/* A walk of all of `mm`; NULL cannot be. */
static __always_inline struct walk *walk_begin(u32 slot, struct mm_struct *mm)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &slot);

	if (!w)
		return NULL;
	w->mm = (u64)mm;
	w->slot = slot;
	w->called = 0;
	w->what = NO_ROOM;
	w->e = (struct callback_event){ .end = ~0ULL };
	w->next = (u64)BPF_CORE_READ(mm, notifier_subscriptions, list.first);
	return w;
}

/* Prepares walk_all(); not above walk_run(), as the verifier lets calls be eight deep. */
static __noinline int walk_set_out(u64 start, u32 tgid, u64 range, u64 where, u64 ended)
{
	struct mmu_notifier_range *r = (void *)range;
	struct mm_struct *mm = BPF_CORE_READ(r, mm);
	struct walk *w = walk_begin(WALK_START, mm);

	if (!w)
		return 0;
	w->process.start = start;
	w->process.tgid = tgid;
	w->e.range = range;
	w->e.start = BPF_CORE_READ(r, start);
	w->e.end = BPF_CORE_READ(r, end);
	w->e.event = (u32)where;
	w->e.ended = ended;
	w->open_seq = BPF_CORE_READ(mm, notifier_subscriptions, invalidate_seq);
	w->phase = where >> 32;
	w->epoch = control.registry_epoch;
	return 0;
}

/* `start` and `tgid`: the process; `ended`: when the notification did. */
static __always_inline void walk_all(u64 start, u32 tgid, u64 range, u64 where, u64 ended)
{
	walk_set_out(start, tgid, range, where, ended);
	walk_run(WALK_START);
}

/* How long a notification took is how long its callback did, where it made only one. */
static __noinline int walk_time(u64 took)
{
	u32 slot = WALK_START;
	struct walk *w = bpf_map_lookup_elem(&walks, &slot);
	struct mmuscope_callback_row *row;
	struct mmuscope_cpu *c = this_cpu();

	if (!w || !c || w->called != 1 || w->what == NO_ROOM)
		return 0;
	row = row_seen(c, &w->process, w->phase, w->e.event, w->what, false);
	if (!row)
		return 0;
	add_latency(row, took);
	if (w->avoidable)
		row->avoidable_time += took;
	return 0;
}

/*
 * Every callback that this notification has made until `now`, but for those that have
 * probes; it `took` so many ns, NO_ROOM: that is not known, or not asked. Returns the only
 * one, to be folded into the notification's record: its id and 1 above the record's
 * flags; 0: none.
 */
static __always_inline u32 walk_registry(struct mmuscope_cpu *c, struct process *p,
					  const struct mmu_notifier_range *range,
					  struct mm_struct *mm, u64 start, u64 end, u32 event,
					  u64 pages, u32 phase, struct migration_frame *m,
					  u64 now, u64 took, const bool target)
{
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;
	u64 root = (u64)subs->itree.rb_root.rb_node, seq;
	enum mmuscope_outcome outcome = OUTCOME_PERFORMED;
	const struct mmuscope_lone_interval *lone = lone_of(c, p->tgid, target);
	struct mmuscope_callback_row *row;
	struct callback_event e;
	u64 avoidable;

	if (lone->node != root || lone->epoch != control.registry_epoch || subs->list.first) {
		walk_all(target ? 0 : p->start, target ? cfg.tgid : p->tgid, (u64)range,
			 (u64)phase << 32 | event, now);
		if (took != NO_ROOM)
			walk_time(took);
		return 0;
	}
	if (!root || start > lone->last || end - 1 < lone->start)
		return 0;
	/* The start did not fail, so what the driver never declines it has taken on. */
	if (may_decline(lone->declines, event)) {
		if (bpf_probe_read_kernel(&seq, sizeof(seq),
					  (void *)root + bpf_core_field_offset(
						struct mmu_interval_notifier, invalidate_seq))) {
			total_add(LOST_STATE, 1);
			return 0;
		}
		outcome = outcome_by(seq, subs->invalidate_seq, lone->declines,
				     lone->no_sequence, event, mm);
	}
	e.range = (u64)range;
	e.subscription = root;
	e.start = start;
	e.end = end;
	e.time = took == NO_ROOM ? 0 : took;
	e.ended = now;
	e.event = event;
	e.reader = lone->owner;
	row = row_seen(c, p, phase, event, lone->what, target);
	if (!row)
		return 0;
	avoidable = row->avoidable;
	count_callback(row, outcome, &e, pages, m);
	if (took != NO_ROOM)
		add_latency(row, took);
	if (!recorded(RECORD_CALLBACK))
		return 0;
	if (recorded(RECORD_NOTIFICATION) && lone->what < RECORD_FOLD_IDS)
		return (u32)(lone->what + 1) << 8 |
		       outcome_flags(outcome, row->avoidable != avoidable);
	record_callback(c, &e, p->start,
			seen_word(p, &e, phase, outcome, row->avoidable != avoidable),
			lone->what, migration_id(m));
	return 0;
}

#endif

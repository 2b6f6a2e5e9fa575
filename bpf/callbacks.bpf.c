// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One driver callback: an object of its own for each, loaded when the driver
 * is there, so that a module can come and go and a miss costs no other target.
 *
 * Outcome of an interval notifier's callback
 * (mmu_interval_notifier_ops.invalidate, mm/mmu_notifier.c): false is failed.
 * A callback that acts must call mmu_interval_set_seq(mni, cur_seq), one that
 * declines returns before it, so invalidate_seq == cur_seq afterwards means
 * performed, unless it was equal before: then another invalidation of this mm
 * is open and has already acted, and the sequence number says nothing. Nor is it
 * to be trusted where two threads invalidate one mm: the other's callback may
 * have set it in the middle of ours (measured: 91 of 10352 wrong, 869 unclear).
 *
 * So where the driver's work function can be watched, its call inside the
 * callback is the outcome. Else, in the unclear case, it counts what the driver
 * may decline at all (src/drivers.c, from its source): an event that it never
 * declines was performed, any other is undetermined.
 *
 * Each handler is compiled twice: for any scope, and for one process whose
 * counting began and ends while nothing of it was under way (`target`), without
 * the questions that are answered then.
 */
#include "state.bpf.h"

const volatile u32 callback_id = 0;
const volatile bool callback_has_work = false;
const volatile u32 callback_declines = ~0U;	/* 1 << event */

static __always_inline u32 log2_bucket(u64 ns)
{
	u32 b = 0;

	if (!ns)
		return 0;
	if (ns >> 32) {
		ns >>= 32;
		b += 32;
	}
	if (ns >> 16) {
		ns >>= 16;
		b += 16;
	}
	if (ns >> 8) {
		ns >>= 8;
		b += 8;
	}
	if (ns >> 4) {
		ns >>= 4;
		b += 4;
	}
	if (ns >> 2) {
		ns >>= 2;
		b += 2;
	}
	b += (ns >> 1) + 1;
	return b < MMUSCOPE_BUCKETS ? b : MMUSCOPE_BUCKETS - 1;
}

static __always_inline struct callback_frame *frame_push(struct task_state *st, u64 mni, u64 range)
{
	struct callback_frame *f;

	if (!st)
		return NULL;
	/* Frames of an earlier switch-on are left-overs. */
	if (st->callbacks &&
	    SLOT(st->callback, st->callbacks - 1)->generation != control.generation)
		st->callbacks = 0;
	if (st->callbacks >= CALLBACK_DEPTH) {
		total_add(LOST_STATE, 1);
		return NULL;
	}
	f = SLOT(st->callback, st->callbacks);
	f->mni = mni;
	f->range = range;
	f->id = callback_id;
	f->generation = control.generation;
	f->seq_current = 0;
	f->worked = 0;
	st->callbacks++;
	return f;
}

/*
 * Takes the innermost frame of this callback, and drops what a missed exit left
 * above it. mni 0 matches any (a kretprobe knows no arguments).
 */
static __always_inline struct callback_frame *frame_pop(struct task_state *st, u64 mni)
{
	struct callback_frame *f;
	u32 n;

	if (!st)
		return NULL;
	n = st->callbacks;
	for (int i = 0; i < CALLBACK_DEPTH && n; i++, n--) {
		f = SLOT(st->callback, n - 1);
		if (f->id == callback_id && (!mni || f->mni == mni)) {
			st->callbacks = n - 1;
			return f->generation == control.generation ? f : NULL;
		}
	}
	return NULL;
}

/*
 * Where the state of an open callback lives. Task storage is always right and
 * costs two helper calls of some 80 instructions each. Most callbacks leave on
 * the CPU that they entered on with no other in between, so the first one takes
 * the CPU's slot, whoever finds it taken goes to the task's storage, and
 * whoever leaves elsewhere looks for its slot. A slot is cleared by its own
 * task only, so none is ever stale. On a preemptible kernel one handler could
 * interrupt another between looking and taking: no slots there (cfg.slots).
 *
 * A kretprobe knows no arguments, a callback that was entered with its sequence
 * number current needs more than a slot has: both use the storage.
 */
static __always_inline bool framed(const bool direct)
{
	return cfg.latency || !direct;
}

static __always_inline bool may_use_slot(const bool direct)
{
	return cfg.slots && direct;
}

static __always_inline u64 current_task(void)
{
	return cfg.task_storage ? (u64)bpf_get_current_task_btf() : bpf_get_current_task();
}

static __always_inline int callback_enter(struct mmu_interval_notifier *mni,
					  const struct mmu_notifier_range *range, u64 cur_seq,
					  const bool direct, const bool target)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct callback_frame *f;
	struct mmuscope_cpu *c;
	struct process p;
	bool seq_current;

	if (!control.enabled)
		return 0;
	if (target ? !is_target(range->mm) : !find_process(&p, READ(direct, range, mm)))
		return 0;
	c = bpf_map_lookup_elem(&cpus, &cpu);
	if (!c)
		return 0;
	cpu_add(c, TOTAL_CALLBACK_ENTRIES, 1);
	/* With a work function nobody will ask. */
	seq_current = !callback_has_work && READ(direct, mni, invalidate_seq) == cur_seq;

	if (may_use_slot(direct) && !seq_current && !c->slot.range) {
		c->slot.range = (u64)range;
		if (callback_has_work) {
			c->slot.task = current_task();
			c->slot.worked = 0;
		}
		c->slot.mni = (u64)mni;
		c->slot.id = callback_id;
		c->slot.generation = control.generation;
		/* Last, so that our own work above is not in the latency. */
		c->slot.entry_ns = bpf_ktime_get_ns();
		return 0;
	}
	f = frame_push(task_state(true), (u64)mni, (u64)range);
	if (!f)
		return 0;
	f->seq_current = seq_current;
	f->cur_seq = cur_seq;
	f->entry_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline bool slot_is(const struct mmuscope_callback_slot *slot, u64 range, u64 mni)
{
	return slot->range == range && slot->mni == mni && slot->id == callback_id;
}

/* Another CPU's slot with our frame, after the task moved. Returns its CPU, or cfg.cpus. */
static __noinline u32 find_slot(u64 range, u64 mni)
{
	for (u32 cpu = 0; cpu < 1024; cpu++) {
		u32 key = cpu;
		struct mmuscope_cpu *c = bpf_map_lookup_elem(&cpus, &key);

		if (!c)
			break;
		if (slot_is(&c->slot, range, mni))
			return cpu;
	}
	return cfg.cpus;
}

/* What the exit needs to know of the entry. */
struct entered {
	u64 ns;
	bool seq_current, worked;
};

/* Takes the slot of this callback. False where it has none, or one of an earlier switch-on. */
static __always_inline bool slot_take(struct mmuscope_cpu *c, struct entered *e)
{
	e->ns = c->slot.entry_ns;
	e->worked = c->slot.worked;
	c->slot.range = 0;
	return c->slot.generation == control.generation;
}

static __always_inline enum mmuscope_outcome outcome_of(bool ret, bool seq_equal,
							 const struct entered *e, u32 event)
{
	if (!ret)
		return OUTCOME_FAILED;
	if (callback_has_work)
		return e->worked ? OUTCOME_PERFORMED : OUTCOME_SKIPPED;
	if (!seq_equal)
		return OUTCOME_SKIPPED;
	if (e->seq_current && callback_declines >> (event & (MMUSCOPE_EVENTS - 1)) & 1)
		return OUTCOME_UNDETERMINED;
	return OUTCOME_PERFORMED;
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

static __always_inline void count_callback(struct mmuscope_callback_row *row,
					   enum mmuscope_outcome outcome, u64 pages, bool whole,
					   struct migration_frame *m)
{
	row->pages += pages;
	if (whole)
		row->whole++;
	/* A store each: an index that is not constant would cost more. */
	switch (outcome) {
	case OUTCOME_PERFORMED:
		row->outcome[OUTCOME_PERFORMED]++;
		row->pages_performed += pages;
		if (m)
			m->pages_performed += pages;
		break;
	case OUTCOME_SKIPPED:
		row->outcome[OUTCOME_SKIPPED]++;
		break;
	case OUTCOME_FAILED:
		row->outcome[OUTCOME_FAILED]++;
		break;
	default:
		row->outcome[OUTCOME_UNDETERMINED]++;
	}
}

/*
 * Takes what the entry left. A kretprobe has no arguments, they come from the
 * frame. False where the entry was not counted.
 */
static __always_inline bool take_entered(struct mmuscope_cpu *c, struct mmu_interval_notifier **mni,
					 const struct mmu_notifier_range **range, u64 *cur_seq,
					 struct entered *e, const bool direct)
{
	struct callback_frame *f;

	if (may_use_slot(direct) && slot_is(&c->slot, (u64)*range, (u64)*mni))
		return slot_take(c, e);
	f = frame_pop(task_state(false), (u64)*mni);
	if (!f) {
		u32 cpu = may_use_slot(direct) ? find_slot((u64)*range, (u64)*mni) : cfg.cpus;

		c = cpu < cfg.cpus ? bpf_map_lookup_elem(&cpus, &cpu) : NULL;
		return c && slot_take(c, e);
	}
	if (!direct) {
		*mni = (void *)f->mni;
		*range = (void *)f->range;
		*cur_seq = f->cur_seq;
	}
	e->ns = f->entry_ns;
	e->seq_current = f->seq_current;
	e->worked = f->worked;
	return true;
}

/*
 * --no-latency: nothing watches the entry. A sequence number that is current
 * proves nothing where another invalidation of this mm is open, or was open when
 * ours began: what a second thread may have done meanwhile leaves no trace
 * (measured with two threads: 110 of 10352 wrong if only the first is asked).
 */
static __always_inline bool other_window_open(const struct mmu_notifier_range *range)
{
	struct task_struct *cur = (void *)bpf_get_current_task();

	return range->mm->notifier_subscriptions->active_invalidate_ranges > 1 ||
	       BPF_CORE_READ(cur, signal, nr_threads) > 1;
}

/* --no-latency for one process: no search, no entry to pair with, no totals. */
static __always_inline int count_leave(struct mmu_interval_notifier *mni,
				       const struct mmu_notifier_range *range, u64 cur_seq,
				       bool ret)
{
	u32 event, phase = PHASE_OUTSIDE;
	struct mmuscope_callback_row *row;
	struct migration_frame *m = NULL;
	struct entered entered = {};
	bool seq_equal, whole;
	u64 pages;

	if (!control.enabled || !is_target(range->mm))
		return 0;
	if (control.migrations_open) {
		m = migration_top(task_state(false));
		if (m)
			phase = m->phase;
	}
	event = range->event;
	row = row_direct(bpf_get_smp_processor_id(), &callback_rows, callback_id, event, phase);
	if (!row)
		return 0;
	seq_equal = mni->invalidate_seq == cur_seq;
	/* Asked last, and only where the answer matters. */
	entered.seq_current = seq_equal &&
			      callback_declines >> (event & (MMUSCOPE_EVENTS - 1)) & 1 &&
			      other_window_open(range);
	pages = pages_of(range->start, range->end, &whole);
	count_callback(row, outcome_of(ret, seq_equal, &entered, event), pages, whole, m);
	return 0;
}

static __always_inline int callback_leave(struct mmu_interval_notifier *mni,
					  const struct mmu_notifier_range *range, u64 cur_seq,
					  bool ret, const bool direct, const bool target)
{
	u32 cpu = bpf_get_smp_processor_id(), event, phase = PHASE_OUTSIDE;
	struct mmuscope_callback_row *row;
	struct migration_frame *m = NULL;
	enum mmuscope_outcome outcome;
	struct entered entered = {};
	struct mmuscope_cpu *c;
	u64 now = 0, pages;
	struct process p;
	bool whole, seq_equal;

	if (target || framed(direct) ? !control.generation : !control.enabled)
		return 0;
	if (target || cfg.latency)
		now = bpf_ktime_get_ns();
	c = bpf_map_lookup_elem(&cpus, &cpu);
	if (!c)
		return 0;
	if (target) {
		/* A slot that is ours was in scope; only others need the question. */
		if (slot_is(&c->slot, (u64)range, (u64)mni)) {
			if (!slot_take(c, &entered))
				return 0;
		} else if (!is_target(range->mm) ||
			   !take_entered(c, &mni, &range, &cur_seq, &entered, direct)) {
			return 0;
		}
	} else {
		/* Where the arguments are known, others leave before the search for an entry. */
		if (direct && !find_process(&p, range->mm))
			return 0;
		if (framed(direct) && !take_entered(c, &mni, &range, &cur_seq, &entered, direct))
			return 0;
		if (!direct && !find_process(&p, READ(direct, range, mm)))
			return 0;
	}
	seq_equal = !callback_has_work && READ(direct, mni, invalidate_seq) == cur_seq;
	if (!target && !framed(direct) && seq_equal)
		entered.seq_current = other_window_open(range);
	event = READ(direct, range, event);
	outcome = outcome_of(ret, seq_equal, &entered, event);
	cpu_add(c, TOTAL_CALLBACK_EXITS, 1);

	if (control.migrations_open) {
		m = migration_top(task_state(false));
		if (m)
			phase = m->phase;
	}
	if (target || (cfg.direct && callback_id < MMUSCOPE_DIRECT_CALLBACKS))
		row = row_direct(cpu, &callback_rows, callback_id, event, phase);
	else
		row = row_get(c, cpu, &callback_rows, 1, p.start,
			      key_word(&p, ROW_CALLBACK, event, phase, 0), callback_id);
	if (!row)
		return 0;
	pages = pages_of(READ(direct, range, start), READ(direct, range, end), &whole);
	count_callback(row, outcome, pages, whole, m);
	if (target || cfg.latency)
		add_latency(row, now - entered.ns);
	return 0;
}

SEC("?fentry")
int BPF_PROG(interval_fentry, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, true, false);
}

SEC("?fexit")
int BPF_PROG(interval_fexit, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, bool ret)
{
	return callback_leave(mni, range, cur_seq, ret, true, false);
}

SEC("?fentry")
int BPF_PROG(target_fentry, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, true, true);
}

SEC("?fexit")
int BPF_PROG(target_fexit, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, bool ret)
{
	return callback_leave(mni, range, cur_seq, ret, true, true);
}

SEC("?fexit")
int BPF_PROG(count_fexit, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, bool ret)
{
	return count_leave(mni, range, cur_seq, ret);
}

SEC("?kprobe")
int BPF_KPROBE(interval_kprobe, struct mmu_interval_notifier *mni,
	       const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, false, false);
}

SEC("?kretprobe")
int BPF_KRETPROBE(interval_kretprobe, bool ret)
{
	return callback_leave(NULL, NULL, 0, ret, false, false);
}

/* After the task moved, or where a slot was taken: where its open callback is. */
static __noinline int mark_worked_slow(u64 task)
{
	struct task_state *st = task_state(false);

	if (st && st->callbacks) {
		SLOT(st->callback, st->callbacks - 1)->worked = 1;
		return 0;
	}
	for (u32 cpu = 0; cpu < 1024 && cfg.slots; cpu++) {
		u32 key = cpu;
		struct mmuscope_cpu *c = bpf_map_lookup_elem(&cpus, &key);

		if (!c)
			break;
		if (c->slot.range && c->slot.task == task) {
			c->slot.worked = 1;
			break;
		}
	}
	return 0;
}

/* The function that touches the device; outside a callback it is no evidence. */
static __always_inline int mark_worked(void)
{
	struct mmuscope_cpu *c;
	u64 task;

	if (!control.generation)
		return 0;
	c = this_cpu();
	task = current_task();
	if (c && c->slot.range && c->slot.task == task) {
		c->slot.worked = 1;
		return 0;
	}
	return mark_worked_slow(task);
}

SEC("?fentry")
int BPF_PROG(work_fentry)
{
	return mark_worked();
}

SEC("?kprobe")
int BPF_KPROBE(work_kprobe)
{
	return mark_worked();
}

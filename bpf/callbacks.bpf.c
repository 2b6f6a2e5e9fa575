// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One driver callback: an object of its own for each, loaded when the driver
 * is there, so that a module can come and go and a miss costs no other target.
 *
 * Outcome of an interval notifier's callback
 * (mmu_interval_notifier_ops.invalidate, mm/mmu_notifier.c): false is failed.
 * A callback that acts must call mmu_interval_set_seq(mni, cur_seq), one that
 * declines returns before it, so invalidate_seq == cur_seq afterwards means
 * performed, unless another invalidation of this mm was open meanwhile: its
 * callback sets the same number (measured with two threads that do not ask: 91 of
 * 10352 outcomes wrong). Whether one was is known: see met_another() and
 * meanwhile().
 *
 * Then the driver's work function decides, where it is watched: from the start
 * where several threads are counted or the driver has no use for the sequence number,
 * else from the first such meeting or second thread on. Watching it costs every
 * callback that acts some 145 instructions, which one thread alone need not pay. Where
 * it is not watched, it counts what the driver may decline at all (src/drivers.c, from
 * its source): an event that it never declines was performed, any other is
 * undetermined.
 *
 * An mmu_notifier's callback (mmu_notifier_ops.invalidate_range_start) has no
 * sequence number: other than 0 is failed, else the work function decides, and
 * where there is none what the driver may decline at all.
 *
 * A two-pass notifier (mmu_interval_notifier_ops.invalidate_start, 7.2) is one callback:
 * its first pass is what an interval notifier's callback is, and if that leaves a
 * struct mmu_interval_notifier_finish, what the second pass takes is added to its time.
 *
 * Each handler is compiled twice: for any scope, and for one process whose
 * counting began and ends while nothing of it was under way (`target`), without
 * the questions that are answered then.
 */
#include "outcome.bpf.h"

/* Constants for the verifier; a test that runs many callbacks in one object defines it. */
#ifndef PER_CALLBACK
#define PER_CALLBACK const volatile
#endif

PER_CALLBACK u32 callback_id = 0;
/* The bit in control.work_watched that says that the driver's work function is
 * watched; 0: it cannot be. */
PER_CALLBACK u64 callback_work_bit = 0;
PER_CALLBACK u32 callback_declines = ~0U;	/* 1 << event */
PER_CALLBACK u32 callback_owner = OWNER_OF_MIGRATION;	/* enum mmuscope_owner_reader */
PER_CALLBACK u32 callback_no_sequence = 0;	/* an interval notifier that does not set it */
PER_CALLBACK bool callback_second_pass = false;	/* it is watched */

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
 * task only, so none is ever stale. A handler never interrupts itself
 * (__bpf_prog_enter(), 5.12).
 *
 * A kretprobe knows no arguments, a callback that met another invalidation needs
 * more than a slot has: both use the storage.
 */
static __always_inline bool framed(const bool direct)
{
	return cfg.latency || !direct;
}

static __always_inline bool may_use_slot(const bool direct)
{
	return cfg.slots && direct;
}

/*
 * Was another invalidation of this mm open when this callback entered? Asked after
 * control.contended was read, and the sequence number last: one that opened in
 * between finds ours open and says so in control.contended before its driver
 * acts; one that has ended in between has left the sequence number current.
 * x86 keeps loads in order, and stores.
 */
static __always_inline bool met_another(struct mmu_interval_notifier *mni, u64 cur_seq,
					struct mm_struct *mm, const bool direct)
{
	u64 open = direct ? mm->notifier_subscriptions->active_invalidate_ranges :
			    BPF_CORE_READ(mm, notifier_subscriptions, active_invalidate_ranges);

	barrier();
	if (open > 1) {
		__sync_fetch_and_add(&control.contended, 1);
		if (callback_work_bit && !control.evidence_asked) {
			control.evidence_asked = 1;
			ring_send(RING_CONTENDED, NULL, NULL, 0);
		}
		return true;
	}
	return READ(direct, mni, invalidate_seq) == cur_seq;
}

static __always_inline bool work_watched(void)
{
	return control.work_watched && control.work_watched & callback_work_bit;
}

/* Which kind of subscription a handler is for. */
enum kind { INTERVAL, NOTIFIER, TWO_PASS };

static __always_inline int slot_fill(struct mmuscope_cpu *c, const struct process *p,
				     const bool target)
{
	if (!target && cfg.scope != SCOPE_PROCESS) {
		c->slot.start = p->start;
		c->slot.tgid = p->tgid;
	}
	/* Last, so that our own work above is not in the latency. */
	c->slot.entry_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int callback_enter(struct mmu_interval_notifier *mni,
					  const struct mmu_notifier_range *range, u64 cur_seq,
					  u64 finish, const enum kind kind, const bool direct,
					  const bool target)
{
	struct callback_frame *f;
	struct mmuscope_cpu *c;
	struct mm_struct *mm;
	u32 cpu, contended = 0;
	bool met = false, watched;
	struct process p;

	if (!control.enabled)
		return 0;
	mm = READ(direct, range, mm);
	if (target ? !is_target(mm) : !find_process(&p, mm))
		return 0;
	cpu = bpf_get_smp_processor_id();
	c = bpf_map_lookup_elem(&cpus, &cpu);
	if (!c)
		return 0;
	cpu_add(c, TOTAL_CALLBACK_ENTRIES, 1);
	watched = work_watched();
	if (watched) {
		if (may_use_slot(direct) && claim(&c->slot.range, (u64)range)) {
			c->slot.task = current_task();
			c->slot.work = WORK_NOT_CALLED;
			return slot_fill(c, &p, target);
		}
	} else {
		if (kind != NOTIFIER) {
			contended = *(volatile u32 *)&control.contended;
			barrier();
			met = met_another(mni, cur_seq, mm, direct);
		}
		if (!met && may_use_slot(direct) && claim(&c->slot.range, (u64)range)) {
			c->slot.work = WORK_UNWATCHED;
			c->slot.contended = contended;
			return slot_fill(c, &p, target);
		}
	}
	f = frame_push(task_state(true), (u64)mni, (u64)range);
	if (!f)
		return 0;
	f->met_another = met;
	f->contended = contended;
	f->work = watched ? WORK_NOT_CALLED : WORK_UNWATCHED;
	f->cur_seq = cur_seq;
	f->finish = finish;
	f->entry_ns = bpf_ktime_get_ns();
	return 0;
}

/* The callbacks of one notification are called one after the other: its range is enough. */
static __always_inline bool slot_is(const struct mmuscope_callback_slot *slot, u64 range)
{
	return slot->range == range;
}

/* Another CPU's slot with our frame, after the task moved. Returns its CPU, or cfg.cpus. */
static __noinline u32 find_slot(u64 range)
{
	struct mmuscope_cpu *c;

	for_each_cpu(cpu, c)
		if (slot_is(&c->slot, range))
			return cpu;
	return cfg.cpus;
}

/* What the exit needs to know of the entry. */
struct entered {
	u64 ns;
	u32 contended, work;
	bool met_another;
};

static __always_inline void process_of_slot(struct process *p,
					    const struct mmuscope_callback_slot *slot)
{
	p->tgid = cfg.scope == SCOPE_PROCESS ? cfg.tgid : slot->tgid;
	p->start = cfg.scope == SCOPE_PROCESS ? 0 : slot->start;
}

/* Takes the slot of this callback. */
static __always_inline void slot_take(struct mmuscope_cpu *c, struct entered *e)
{
	e->ns = c->slot.entry_ns;
	e->work = c->slot.work;
	e->contended = c->slot.contended;
	/* No task's while nobody has it: see mark_worked(). */
	c->slot.task = 0;
	barrier();
	c->slot.range = 0;
}

/* Has another invalidation of an mm opened since? Asked after the sequence number. */
static __always_inline bool meanwhile(const struct entered *e)
{
	barrier();
	return e->met_another || e->contended != *(volatile u32 *)&control.contended;
}

/*
 * Its sequence number is not that of the invalidation: it declined, unless the driver
 * never sets any. That may stay from the insertion, and is then equal when the callback
 * enters: met_another().
 */
static __always_inline enum mmuscope_outcome outcome_of_stale(u32 event)
{
	if (!callback_no_sequence)
		return OUTCOME_SKIPPED;
	return may_decline(callback_declines, event) ? OUTCOME_UNDETERMINED : OUTCOME_PERFORMED;
}

static __always_inline enum mmuscope_outcome
outcome_of(bool failed, struct mmu_interval_notifier *mni, u64 cur_seq, u32 event,
	   const struct entered *e, const enum kind kind, const bool direct)
{
	if (failed)
		return OUTCOME_FAILED;
	if (e->work)
		return e->work == WORK_CALLED ? OUTCOME_PERFORMED : OUTCOME_SKIPPED;
	if (kind == NOTIFIER)
		return may_decline(callback_declines, event) ? OUTCOME_UNDETERMINED :
							       OUTCOME_PERFORMED;
	if (READ(direct, mni, invalidate_seq) != cur_seq)
		return outcome_of_stale(event);
	if (meanwhile(e) && may_decline(callback_declines, event))
		return OUTCOME_UNDETERMINED;
	return OUTCOME_PERFORMED;
}

/* Is there a second pass, which will add the time of both? */
static __always_inline bool await_second_pass(u64 finish, const struct process *p,
					      const struct callback_event *e, u32 phase, u8 flags,
					      const struct migration_frame *m)
{
	struct second_pass second = {
		.time = e->time,
		.start = p->start,
		.tgid = p->tgid,
		.generation = control.generation,
		.event = e->event,
		.phase = phase,
		.flags = flags,
		.migration = migration_id(m),
		.from = e->start,
		.to = e->end,
	};
	u64 key;

	if (bpf_probe_read_kernel(&key, sizeof(key), (void *)finish) || !key)
		return false;
	if (!bpf_map_update_elem(&second_passes, &key, &second, BPF_ANY))
		return true;
	total_add(LOST_STATE, 1);
	return false;
}

/*
 * Takes what the entry left. A kretprobe has no arguments, they come from the
 * frame. False where the entry was not counted.
 */
static __always_inline bool take_entered(struct mmuscope_cpu *c, struct mmu_interval_notifier **mni,
					 const struct mmu_notifier_range **range, u64 *cur_seq,
					 u64 *finish, struct entered *e, const bool direct)
{
	struct callback_frame *f;

	if (may_use_slot(direct) && slot_is(&c->slot, (u64)*range)) {
		slot_take(c, e);
		return true;
	}
	f = frame_pop(task_state(false), (u64)*mni);
	if (!f) {
		u32 cpu = may_use_slot(direct) ? find_slot((u64)*range) : cfg.cpus;

		c = cpu < cfg.cpus ? bpf_map_lookup_elem(&cpus, &cpu) : NULL;
		if (!c)
			return false;
		slot_take(c, e);
		return true;
	}
	if (!direct) {
		*mni = (void *)f->mni;
		*range = (void *)f->range;
		*cur_seq = f->cur_seq;
		*finish = f->finish;
	}
	e->ns = f->entry_ns;
	e->met_another = f->met_another;
	e->contended = f->contended;
	e->work = f->work;
	return true;
}

static __always_inline enum mmuscope_outcome
outcome_unentered(bool failed, struct mmu_interval_notifier *mni, u64 cur_seq,
		  const struct mmu_notifier_range *range, u32 event, const enum kind kind)
{
	if (failed)
		return OUTCOME_FAILED;
	if (kind == NOTIFIER)
		return may_decline(callback_declines, event) ? OUTCOME_UNDETERMINED :
							       OUTCOME_PERFORMED;
	if (mni->invalidate_seq != cur_seq)
		return outcome_of_stale(event);
	/* Asked last, and only where the answer matters. */
	if (may_decline(callback_declines, event) && other_window_open(range->mm))
		return OUTCOME_UNDETERMINED;
	return OUTCOME_PERFORMED;
}

/* The record of a callback that has left. */
static __always_inline void record_left(struct mmuscope_cpu *c, struct process *p,
					struct callback_event *e, u32 phase, u8 flags,
					const struct migration_frame *m, const bool direct,
					const bool target)
{
	if (target) {
		p->tgid = cfg.tgid;
		p->start = 0;
	}
	if (!framed(direct)) {
		e->time = 0;
		flags |= RECORD_UNTIMED;
	}
	record_callback(c, e, p->start, key_word(p, ROW_CALLBACK, e->event, phase, flags),
			callback_id, migration_id(m));
}

static __always_inline int callback_leave(struct mmu_interval_notifier *mni,
					  const struct mmu_notifier_range *range, u64 cur_seq,
					  bool failed, u64 finish, const enum kind kind,
					  const bool direct, const bool target)
{
	u32 cpu, event, phase = PHASE_OUTSIDE;
	struct mmuscope_callback_row *row;
	struct migration_frame *m = NULL;
	enum mmuscope_outcome outcome;
	struct entered entered = {};
	struct mmuscope_cpu *c;
	struct process p;
	struct callback_event e;
	u64 now = 0, avoidable;
	u8 flags;

	if (target || framed(direct) ? !control.leaving : !control.enabled)
		return 0;
	if (!target && (cfg.latency || RECORDING))
		now = bpf_ktime_get_ns();
	cpu = bpf_get_smp_processor_id();
	c = bpf_map_lookup_elem(&cpus, &cpu);
	if (!c)
		return 0;
	if (target) {
		/* A slot that is ours was in scope; only others need the question, and no clock. */
		if (slot_is(&c->slot, (u64)range)) {
			now = bpf_ktime_get_ns();
			slot_take(c, &entered);
		} else {
			if (!is_target(range->mm))
				return 0;
			now = bpf_ktime_get_ns();
			if (!take_entered(c, &mni, &range, &cur_seq, &finish, &entered, direct))
				return 0;
		}
	} else if (framed(direct) && may_use_slot(direct) && slot_is(&c->slot, (u64)range)) {
		process_of_slot(&p, &c->slot);
		slot_take(c, &entered);
	} else {
		/* Where the arguments are known, others leave before the search for an entry. */
		if (direct && !find_process(&p, range->mm))
			return 0;
		if (framed(direct) && !take_entered(c, &mni, &range, &cur_seq, &finish, &entered, direct))
			return 0;
		if (!direct && !find_process(&p, READ(direct, range, mm)))
			return 0;
	}
	event = READ(direct, range, event);
	outcome = !target && !framed(direct) ?
			  outcome_unentered(failed, mni, cur_seq, range, event, kind) :
			  outcome_of(failed, mni, cur_seq, event, &entered, kind, direct);
	cpu_add(c, TOTAL_CALLBACK_EXITS, 1);

	if (control.migrations_open) {
		m = migration_top(task_state(false));
		if (m)
			phase = m->phase;
	}
	if (is_direct(event, target) && (target || callback_id < MMUSCOPE_DIRECT_CALLBACKS))
		row = callback_row_direct(c, callback_id, event, phase);
	else if (target)
		row = callback_row_of_target(c, event, phase, callback_id);
	else
		row = row_get(c, cpu, &callback_rows, 1, p.start,
			      key_word(&p, ROW_CALLBACK, event, phase, 0), callback_id);
	if (!row)
		return 0;
	e.range = (u64)range;
	e.subscription = (u64)mni;
	e.start = READ(direct, range, start);
	e.end = READ(direct, range, end);
	e.time = now - entered.ns;
	e.ended = now;
	e.event = event;
	e.reader = callback_owner;
	avoidable = row->avoidable;
	count_callback(row, outcome, &e, pages_of(e.start, e.end), m);
	flags = outcome_flags(outcome, row->avoidable != avoidable);
	if (kind == TWO_PASS && cfg.latency && callback_second_pass &&
	    await_second_pass(finish, &p, &e, phase, flags, m))
		return 0;
	if (target || cfg.latency)
		add_latency(row, now - entered.ns);
	if (recorded(RECORD_CALLBACK))
		record_left(c, &p, &e, phase, flags, m, direct, target);
	return 0;
}

/* The second pass of a callback that is counted already, but for its time. */
static __always_inline int second_pass_enter(u64 finish, const bool direct)
{
	struct second_pass *s;

	if (!control.leaving)
		return 0;
	s = bpf_map_lookup_elem(&second_passes, &finish);
	if (!s)
		return 0;
	/* A kretprobe knows no arguments; of the first pass no frame is left. */
	if (!direct && !frame_push(task_state(true), finish, 0))
		return 0;
	s->entry_ns = bpf_ktime_get_ns();
	return 0;
}

/* Both passes are one record, when the second has ended. */
static __always_inline void record_second(struct mmuscope_cpu *c, const struct process *p,
					  const struct second_pass *s, u64 now, u64 time)
{
	const struct callback_event e = {
		.time = s->time + time,
		.ended = now,
		.start = s->from,
		.end = s->to,
		.event = s->event,
	};

	record_callback(c, &e, p->start,
			key_word(p, ROW_CALLBACK, s->event, s->phase, s->flags), callback_id,
			s->migration);
}

static __always_inline int second_pass_leave(u64 finish, const bool direct)
{
	u64 now = bpf_ktime_get_ns(), time;
	struct mmuscope_callback_row *row;
	u32 cpu = bpf_get_smp_processor_id();
	struct callback_frame *f;
	struct mmuscope_cpu *c;
	struct second_pass *s;
	struct process p;

	if (!control.leaving)
		return 0;
	if (!direct) {
		f = frame_pop(task_state(false), 0);
		if (!f)
			return 0;
		finish = f->mni;
	}
	c = bpf_map_lookup_elem(&cpus, &cpu);
	s = bpf_map_lookup_elem(&second_passes, &finish);
	if (!c || !s)
		return 0;
	time = s->entry_ns ? now - s->entry_ns : 0;
	p.start = s->start;
	p.tgid = s->tgid;
	if (s->generation != control.generation)
		row = NULL;
	else if (is_direct(s->event, false) && callback_id < MMUSCOPE_DIRECT_CALLBACKS)
		row = callback_row_direct(c, callback_id, s->event, s->phase);
	else
		row = row_get(c, cpu, &callback_rows, 1, p.start,
			      key_word(&p, ROW_CALLBACK, s->event, s->phase, 0), callback_id);
	if (row) {
		add_latency(row, s->time + time);
		if (s->flags & RECORD_AVOIDABLE)
			row->avoidable_time += time;
		if (recorded(RECORD_CALLBACK))
			record_second(c, &p, s, now, time);
	}
	bpf_map_delete_elem(&second_passes, &finish);
	return 0;
}

SEC("?fentry")
int BPF_PROG(interval_fentry, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, 0, INTERVAL, true, false);
}

SEC("?fexit")
int BPF_PROG(interval_fexit, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, bool ret)
{
	return callback_leave(mni, range, cur_seq, !ret, 0, INTERVAL, true, false);
}

SEC("?fentry")
int BPF_PROG(target_fentry, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, 0, INTERVAL, true, true);
}

SEC("?fexit")
int BPF_PROG(target_fexit, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, bool ret)
{
	return callback_leave(mni, range, cur_seq, !ret, 0, INTERVAL, true, true);
}

SEC("?kprobe")
int BPF_KPROBE(interval_kprobe, struct mmu_interval_notifier *mni,
	       const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, 0, INTERVAL, false, false);
}

SEC("?kretprobe")
int BPF_KRETPROBE(interval_kretprobe, bool ret)
{
	return callback_leave(NULL, NULL, 0, !ret, 0, INTERVAL, false, false);
}

SEC("?fentry")
int BPF_PROG(two_pass_fentry, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, void **finish)
{
	return callback_enter(mni, range, cur_seq, (u64)finish, TWO_PASS, true, false);
}

SEC("?fexit")
int BPF_PROG(two_pass_fexit, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, void **finish, bool ret)
{
	return callback_leave(mni, range, cur_seq, !ret, (u64)finish, TWO_PASS, true, false);
}

SEC("?kprobe")
int BPF_KPROBE(two_pass_kprobe, struct mmu_interval_notifier *mni,
	       const struct mmu_notifier_range *range, unsigned long cur_seq, void **finish)
{
	return callback_enter(mni, range, cur_seq, (u64)finish, TWO_PASS, false, false);
}

SEC("?kretprobe")
int BPF_KRETPROBE(two_pass_kretprobe, bool ret)
{
	return callback_leave(NULL, NULL, 0, !ret, 0, TWO_PASS, false, false);
}

SEC("?fentry")
int BPF_PROG(second_pass_fentry, void *finish)
{
	return second_pass_enter((u64)finish, true);
}

SEC("?fexit")
int BPF_PROG(second_pass_fexit, void *finish)
{
	return second_pass_leave((u64)finish, true);
}

SEC("?kprobe")
int BPF_KPROBE(second_pass_kprobe, void *finish)
{
	return second_pass_enter((u64)finish, false);
}

SEC("?kretprobe")
int BPF_KRETPROBE(second_pass_kretprobe)
{
	return second_pass_leave(0, false);
}

SEC("?fentry")
int BPF_PROG(notifier_fentry, struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	return callback_enter((void *)mn, range, 0, 0, NOTIFIER, true, false);
}

SEC("?fexit")
int BPF_PROG(notifier_fexit, struct mmu_notifier *mn, const struct mmu_notifier_range *range,
	     int ret)
{
	return callback_leave((void *)mn, range, 0, ret, 0, NOTIFIER, true, false);
}

SEC("?kprobe")
int BPF_KPROBE(notifier_kprobe, struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	return callback_enter((void *)mn, range, 0, 0, NOTIFIER, false, false);
}

SEC("?kretprobe")
int BPF_KRETPROBE(notifier_kretprobe, int ret)
{
	return callback_leave(NULL, NULL, 0, ret, 0, NOTIFIER, false, false);
}

/* After the task moved, or where a slot was taken: where its open callback is. */
static __noinline int mark_worked_slow(u64 task)
{
	struct task_state *st = task_state(false);
	struct mmuscope_cpu *c;

	if (st && st->callbacks) {
		SLOT(st->callback, st->callbacks - 1)->work = WORK_CALLED;
		return 0;
	}
	if (!cfg.slots)
		return 0;
	for_each_cpu(cpu, c) {
		if (c->slot.range && c->slot.task == task) {
			c->slot.work = WORK_CALLED;
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

	if (!control.leaving)
		return 0;
	c = this_cpu();
	task = current_task();
	if (c && c->slot.range && c->slot.task == task) {
		c->slot.work = WORK_CALLED;
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

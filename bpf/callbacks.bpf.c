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
 * is open and has already acted, and the sequence number says nothing. Where
 * the driver's work function can be watched, a call of it inside the callback
 * decides that case.
 */
#include "state.bpf.h"

const volatile u32 callback_id = 0;
const volatile bool callback_has_work = false;

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

static __always_inline int callback_enter(struct mmu_interval_notifier *mni,
					  const struct mmu_notifier_range *range, u64 cur_seq,
					  const bool direct)
{
	struct callback_frame *f;
	struct process p;
	bool seq_current;

	if (!control.enabled || !find_process(&p, READ(direct, range, mm)))
		return 0;
	total_add(TOTAL_CALLBACK_ENTRIES, 1);
	seq_current = READ(direct, mni, invalidate_seq) == cur_seq;

	if (cfg.latency || cfg.paired || !direct || seq_current) {
		f = frame_push(task_state(true), (u64)mni, (u64)range);
		if (!f)
			return 0;
		f->seq_current = seq_current;
		f->cur_seq = cur_seq;
		if (!cfg.latency && !cfg.paired && direct)
			__sync_fetch_and_add(&control.marks_open, 1);
		/* Last, so that our own work above is not in the latency. */
		if (cfg.latency)
			f->entry_ns = bpf_ktime_get_ns();
	}
	return 0;
}

static __always_inline enum mmuscope_outcome outcome_of(bool ret, bool seq_equal,
							 bool seq_was_equal, bool worked)
{
	if (!ret)
		return OUTCOME_FAILED;
	if (callback_has_work && cfg.latency) {
		if (!seq_was_equal && seq_equal != worked)
			total_add(TOTAL_EVIDENCE_DIFFERS, 1);
		return worked ? OUTCOME_PERFORMED : OUTCOME_SKIPPED;
	}
	if (!seq_equal)
		return OUTCOME_SKIPPED;
	return seq_was_equal ? OUTCOME_UNDETERMINED : OUTCOME_PERFORMED;
}

static __always_inline int callback_leave(struct mmu_interval_notifier *mni,
					  const struct mmu_notifier_range *range, u64 cur_seq,
					  bool ret, const bool direct)
{
	struct mmuscope_callback_row *row;
	struct mmuscope_row_key key = {};
	struct callback_frame *f = NULL;
	struct migration_frame *m;
	struct task_state *st = NULL;
	enum mmuscope_outcome outcome;
	bool seq_equal, seq_was_equal = false, worked = false;
	u64 ns = 0, now = 0, pages;
	struct process p;
	bool whole;

	if (cfg.latency)
		now = bpf_ktime_get_ns();
	if (!control.generation)
		return 0;
	if (cfg.latency || cfg.paired || !direct) {
		st = task_state(false);
		f = frame_pop(st, (u64)mni);
		if (!f)
			return 0;
		/* A kretprobe has no arguments: the entry kept them. */
		if (!direct) {
			mni = (void *)f->mni;
			range = (void *)f->range;
			cur_seq = f->cur_seq;
		}
		seq_was_equal = f->seq_current;
		worked = f->worked;
		ns = now - f->entry_ns;
	} else if (!control.enabled) {
		return 0;
	}
	if (!find_process(&p, READ(direct, range, mm)))
		return 0;
	seq_equal = READ(direct, mni, invalidate_seq) == cur_seq;
	if (!(cfg.latency || cfg.paired || !direct) && control.marks_open) {
		st = task_state(false);
		f = frame_pop(st, (u64)mni);
		if (f) {
			seq_was_equal = true;
			__sync_fetch_and_add(&control.marks_open, -1);
		}
	}
	outcome = outcome_of(ret, seq_equal, seq_was_equal, worked);
	pages = pages_of(READ(direct, range, start), READ(direct, range, end), &whole);
	total_add(TOTAL_CALLBACK_EXITS, 1);

	m = NULL;
	if (control.migrations_open) {
		if (!st)
			st = task_state(false);
		m = migration_top(st);
	}
	key.start = p.start;
	key.tgid = p.tgid;
	key.kind = ROW_CALLBACK;
	key.event = READ(direct, range, event) & (MMUSCOPE_EVENTS - 1);
	key.phase = m ? m->phase : PHASE_OUTSIDE;
	key.what = callback_id;
	row = row_get(&callback_rows, 1, &key);
	if (!row)
		return 0;
	(*SLOT(row->outcome, outcome))++;
	row->pages += pages;
	if (whole)
		row->whole++;
	if (outcome == OUTCOME_PERFORMED) {
		row->pages_performed += pages;
		if (m)
			m->pages_performed += pages;
	}
	if (cfg.latency) {
		row->latency_sum += ns;
		if (ns > row->latency_max)
			row->latency_max = ns;
		if (~ns > row->latency_min)
			row->latency_min = ~ns;
		(*SLOT(row->bucket, log2_bucket(ns)))++;
	}
	return 0;
}

SEC("?fentry")
int BPF_PROG(interval_fentry, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, true);
}

SEC("?fexit")
int BPF_PROG(interval_fexit, struct mmu_interval_notifier *mni,
	     const struct mmu_notifier_range *range, unsigned long cur_seq, bool ret)
{
	return callback_leave(mni, range, cur_seq, ret, true);
}

SEC("?kprobe")
int BPF_KPROBE(interval_kprobe, struct mmu_interval_notifier *mni,
	       const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	return callback_enter(mni, range, cur_seq, false);
}

SEC("?kretprobe")
int BPF_KRETPROBE(interval_kretprobe, bool ret)
{
	return callback_leave(NULL, NULL, 0, ret, false);
}

/* The function that touches the device. Also called outside callbacks, where it is no evidence. */
static __always_inline int worked(void)
{
	struct task_state *st;
	u32 n;

	if (!control.generation)
		return 0;
	st = task_state(false);
	if (!st)
		return 0;
	n = st->callbacks;
	if (n)
		SLOT(st->callback, n - 1)->worked++;
	return 0;
}

SEC("?fentry")
int BPF_PROG(work_fentry)
{
	return worked();
}

SEC("?kprobe")
int BPF_KPROBE(work_kprobe)
{
	return worked();
}

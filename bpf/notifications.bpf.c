// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Notifications: one __mmu_notifier_invalidate_range_start() each
 * (mm/mmu_notifier.c). It runs only where the mm has subscribers. A start that
 * fails (-EAGAIN, the caller may not block) is not followed by an end.
 */
#include "cause.bpf.h"
#include "registry.bpf.h"
#include "windows.bpf.h"

struct cause_stacks_map cause_stacks SEC(".maps");
struct stack_scratch_map stack_scratch SEC(".maps");

static __always_inline void window_push(struct task_state *st, u64 range)
{
	struct window_frame *w;

	if (st->windows >= WINDOW_DEPTH) {
		total_add(LOST_STATE, 1);
		return;
	}
	w = SLOT(st->window, st->windows);
	w->range = range;
	w->generation = control.generation;
	st->windows++;
}

/* Was the start of this window counted? Windows above it were left without an end. */
static __always_inline bool window_pop(struct task_state *st, u64 range)
{
	if (!st)
		return false;
	for (int i = 0; i < WINDOW_DEPTH; i++) {
		u32 n = st->windows;
		struct window_frame *w;

		if (!n)
			return false;
		w = SLOT(st->window, n - 1);
		if (w->range == range) {
			st->windows = n - 1;
			return w->generation == control.generation;
		}
		/* A frame of an earlier switch-on is stale; a live one below stays. */
		if (w->generation == control.generation)
			return false;
		st->windows = n - 1;
	}
	return false;
}

/*
 * A window that is counted has opened: in the CPU's slot, as callbacks have one
 * (callbacks.bpf.c), else in the task's storage, which costs two helper calls of some
 * 80 instructions.
 */
static __always_inline void window_begin(struct mmuscope_cpu *c, u64 range)
{
	struct task_state *st;

	/* What is in the slot of this range never ended. */
	if (cfg.slots && (claim(&c->window.range, range) || c->window.range == range)) {
		c->window.task = current_task();
		return;
	}
	st = task_state(true);
	if (st)
		window_push(st, range);
}

/* The start of a window that has ended was counted, and not on this CPU or not in its slot. */
static __noinline int window_elsewhere(const struct mmu_notifier_range *range)
{
	struct mmuscope_cpu *c;
	struct process p;

	if (window_pop(task_state(false), (u64)range))
		return true;
	/* Others have no slot to be looked for. */
	if (!cfg.slots || !find_process(&p, BPF_CORE_READ(range, mm)))
		return false;
	for_each_cpu(cpu, c) {
		if (c->window.range == (u64)range) {
			window_leave_slot(c);
			return true;
		}
	}
	return false;
}

static __always_inline void count_start(struct mmuscope_row *row, u64 start, u64 end, u64 pages,
					int ret)
{
	row->count[NOTIFICATION_CALLS]++;
	add_pages(&row->count[NOTIFICATION_PAGES], &row->count[NOTIFICATION_WHOLE], pages);
	if (start >= end)
		row->count[NOTIFICATION_EMPTY]++;
	if (ret)
		row->count[NOTIFICATION_FAILED]++;
}

/* ---- how long a notification takes ---- */

/*
 * When it began, where that is taken: in the CPU's slot, as callbacks have
 * one (callbacks.bpf.c), else in the task's storage. They hardly nest; of those that
 * do in one task the outer one's time is not known.
 */
static __always_inline int start_entered(struct mmuscope_cpu *c, u64 range)
{
	struct task_state *st;

	if (cfg.slots && (!c->started.range || c->started.range == range)) {
		c->started.range = range;
		c->started.entry_ns = bpf_ktime_get_ns();
		return 0;
	}
	st = task_state(true);
	if (st) {
		st->started_range = range;
		st->started_ns = bpf_ktime_get_ns();
	}
	return 0;
}

static __noinline u64 started_elsewhere(u64 range)
{
	struct task_state *st = task_state(false);
	struct mmuscope_cpu *c;
	u64 ns;

	if (st && st->started_range == range) {
		st->started_range = 0;
		return st->started_ns;
	}
	if (!cfg.slots)
		return 0;
	for_each_cpu(cpu, c) {
		if (c->started.range == range) {
			ns = c->started.entry_ns;
			c->started.range = 0;
			return ns;
		}
	}
	return 0;
}

/* How long it took until `now`; NO_ROOM: not known. */
static __always_inline u64 start_took(struct mmuscope_cpu *c, u64 range, u64 now)
{
	u64 ns;

	if (!control.timed)
		return NO_ROOM;
	if (cfg.slots && c->started.range == range) {
		c->started.range = 0;
		return now - c->started.entry_ns;
	}
	ns = started_elsewhere(range);
	return ns ? now - ns : NO_ROOM;
}

/* ---- records ---- */

/* `word`: the row's key word, and the record's flags in its last byte; `fold`: walk_registry(). */
static __always_inline void record_notification(struct mmuscope_cpu *c,
						const struct mmu_notifier_range *range, u64 from,
						u64 to, u32 event, u64 now, u64 start, u64 word,
						u32 fold, u32 migration)
{
	u64 took = start_took(c, (u64)range, now), position;
	struct mmuscope_record *r;
	const struct recorded_range v = {
		.ns = now,
		.from = from,
		.to = to,
		.what = event >= MMU_NOTIFY_MIGRATE ? range_owner(range) : 0,
		.took = (took == NO_ROOM ? 0 : took) | (u64)(fold >> 8) << RECORD_FOLD_SHIFT,
		.start = start,
		.tgid = (u32)word,
		.migration = migration,
		.kind = RECORD_NOTIFICATION,
		.event = event,
		.phase = word >> 48,
		.flags = word >> 56 | fold | (took == NO_ROOM ? RECORD_UNTIMED : 0),
	};

	r = record_begin(c, RECORD_NOTIFICATION, 1, &position);
	if (!r) {
		if (fold)
			__sync_fetch_and_add(&c->ring.lost[RECORD_CALLBACK], 1);
		return;
	}
	record_fill(r, &v);
	record_commit(c, r, 1, position);
}

/* Does the program see the callbacks by walking the registry, each time? */
enum walking { WALK_IF_ASKED, WALK, WALK_TIMED };

/*
 * Counts one that is in scope, at its exit, where it is known whether the start failed.
 * The callbacks have run by then, but nothing they do changes the task's phase. `target`
 * as in callbacks.bpf.c. The stack needs `ctx` to the end, so programs that look at no
 * causes or windows are apart: they would pay for the register.
 */
static __always_inline int start_count(void *ctx, const struct mmu_notifier_range *range, int ret,
				       struct mm_struct *mm, struct process p, const bool target,
				       const enum walking walking, const bool cause,
				       const bool windows)
{
	struct migration_frame *m = NULL;
	u32 cpu, event, phase = PHASE_OUTSIDE, fold = 0;
	struct mmuscope_row *row;
	struct mmuscope_cpu *c;
	u64 start, end, pages, now = 0, took = NO_ROOM;

	cpu = bpf_get_smp_processor_id();
	c = bpf_map_lookup_elem(&cpus, &cpu);
	if (!c)
		return 0;
	if (RECORDING || walking == WALK_TIMED)
		now = bpf_ktime_get_ns();
	if (walking == WALK_TIMED)
		took = start_took(c, (u64)range, now);
	if (!target && !windows && cfg.paired && !ret)
		window_begin(c, (u64)range);
	if (control.migrations_open)
		m = migration_top(task_state(false));
	if (m)
		phase = m->phase;
	event = range->event;
	start = range->start;
	end = range->end;
	pages = pages_of(start, end);
	cpu_add(c, TOTAL_STARTS, 1);
	if (ret)
		cpu_add(c, TOTAL_STARTS_FAILED, 1);
	if (is_direct(event, target))
		row = row_direct(c, event, phase);
	else if (target)
		row = row_of_target(c, event, phase);
	else
		row = row_get(c, cpu, &rows, 0, p.start,
			      key_word(&p, ROW_NOTIFICATION, event, phase, 0), 0);
	if (row)
		count_start(row, start, end, pages, ret);
	if (target && (cause || RECORDING)) {
		p.tgid = cfg.tgid;
		p.start = 0;
	}
	if (cause)
		cause_count(ctx, c, &p, event, phase, start, end, now);
	if ((walking || control.registry) && !ret)
		fold = walk_registry(c, &p, range, mm, start, end, event, pages, phase, m, now,
				     took, target);
	if (row && recorded(RECORD_NOTIFICATION))
		record_notification(c, range, start, end, event, now, p.start,
				    key_word(&p, ROW_NOTIFICATION, event, phase,
					     ret ? RECORD_FAILED : 0),
				    fold, migration_id(m));
	if (windows && !ret)
		window_opened(ctx, range, &p, phase);
	return 0;
}

static __always_inline int start_left(void *ctx, const struct mmu_notifier_range *range, int ret,
				      const bool target, const enum walking walking,
				      const bool cause, const bool windows)
{
	struct mm_struct *mm;
	struct process p;

	if (!control.enabled)
		return 0;
	mm = range->mm;
	if (target ? !is_target(mm) : !find_process(&p, mm))
		return 0;
	return start_count(ctx, range, ret, mm, p, target, walking, cause, windows);
}

/* Where the notification's time is taken; its callbacks may have no probes. */
SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(notification_enter, struct mmu_notifier_range *range)
{
	struct mmuscope_cpu *c;
	struct process p;

	if (!control.enabled || !find_process(&p, range->mm))
		return 0;
	c = this_cpu();
	return c ? start_entered(c, (u64)range) : 0;
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(notification_start, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, false, WALK_IF_ASKED, false, false);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(target_start, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, true, WALK_IF_ASKED, false, false);
}

static __noinline int count_target(const struct mmu_notifier_range *range, int ret,
				   struct mm_struct *mm, u64 known)
{
	const struct process none = {};

	if (!known && !is_target_slow(mm))
		return 0;
	return start_count(NULL, range, ret, mm, none, true, WALK, false, false);
}

/*
 * --no-latency for one process: the one program that its notifications cost. What is not
 * counted pays for no register that counting needs.
 */
SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(target_count, struct mmu_notifier_range *range, int ret)
{
	struct mm_struct *mm;
	u64 known;

	if (!control.enabled)
		return 0;
	/* As is_target(), but without a call. */
	known = control.target_mm;
	mm = range->mm;
	if ((u64)mm != known && known)
		return 0;
	return count_target(range, ret, mm, known);
}

/* The walk alone, and the notification's time for its callback's: `stat --via registry`. */
SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(target_timed, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, true, WALK_TIMED, false, false);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(notification_timed, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, false, WALK_TIMED, false, false);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(notification_cause, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, false, WALK_IF_ASKED, true, false);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(target_cause, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, true, WALK_IF_ASKED, true, false);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(target_count_cause, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, true, WALK, true, false);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(notification_windows, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, false, WALK_IF_ASKED, false, true);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(notification_windows_cause, struct mmu_notifier_range *range, int ret)
{
	return start_left(ctx, range, ret, false, WALK_IF_ASKED, true, true);
}

SEC("?fentry/__mmu_notifier_invalidate_range_end")
int BPF_PROG(notification_end, struct mmu_notifier_range *range)
{
	struct mmuscope_cpu *c;
	struct process p;

	if (cfg.paired) {
		c = control.generation ? this_cpu() : NULL;
		if (!c)
			return 0;
		if (cfg.slots && c->window.range == (u64)range)
			window_leave_slot(c);
		else if (!window_elsewhere(range))
			return 0;
		cpu_add(c, TOTAL_ENDS, 1);
	} else if (control.enabled && find_process(&p, range->mm)) {
		total_add(TOTAL_ENDS, 1);
	}
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_end")
int BPF_PROG(target_end, struct mmu_notifier_range *range)
{
	if (control.enabled && is_target(range->mm))
		total_add(TOTAL_ENDS, 1);
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_end")
int BPF_PROG(window_end, struct mmu_notifier_range *range)
{
	return window_ended((u64)range);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(window_task_exit)
{
	return windows_of_dying_task();
}

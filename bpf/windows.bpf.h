/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Windows, each by itself: --windows. A window is open from the exit of
 * __mmu_notifier_invalidate_range_start() to __mmu_notifier_invalidate_range_end()
 * with the same struct mmu_notifier_range. That one lies on the stack of the task
 * that invalidates, so its address tells open windows apart, of all tasks, and pairs
 * the two whoever calls the end.
 *
 * Who left a window open cannot be asked later, so each start takes its stack.
 */
#ifndef MMUSCOPE_WINDOWS_BPF_H
#define MMUSCOPE_WINDOWS_BPF_H

#include "cause.bpf.h"

/* By the address of the range. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);	/* 1 << row_shift */
	__type(key, u64);
	__type(value, struct mmuscope_window);
} open_windows SEC(".maps");

/* What is reported, oldest first, until user space takes it. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);	/* 1 << row_shift */
	__type(value, struct mmuscope_window);
} window_reports SEC(".maps");

static __always_inline void window_report(struct mmuscope_window *w, u64 now,
					  enum mmuscope_window_fate fate)
{
	w->open_ns = now - w->opened_ns;
	w->fate = fate;
	if (w->stack < 0)
		total_add(LOST_CAUSES, 1);
	if (bpf_map_push_elem(&window_reports, w, 0))
		total_add(TOTAL_UNLISTED_WINDOWS, 1);
}

/* Nobody ends a window whose range's place holds another one. */
static __noinline int window_overrun(u64 range)
{
	struct mmuscope_window *w = bpf_map_lookup_elem(&open_windows, &range);

	if (w && w->generation == control.generation) {
		total_add(TOTAL_OVERRUN_WINDOWS, 1);
		window_report(w, bpf_ktime_get_ns(), WINDOW_OVERRUN);
	}
	return 0;
}

/* A function of its own for its stack, which the walk of the registry needs as well. */
static __noinline int window_keep(const struct mmu_notifier_range *range, s64 stack, u64 start,
				  u32 tgid, u32 phase)
{
	u64 key = (u64)range;
	struct mmuscope_window w = {
		.from = range->start,
		.to = range->end,
		.start = start,
		.tgid = tgid,
		.task = (u32)bpf_get_current_pid_tgid(),
		.stack = stack < 0 ? -1 : stack,
		.generation = control.generation,
		.event = range->event,
		.phase = phase,
	};

	bpf_get_current_comm(w.comm, sizeof(w.comm));
	window_overrun(key);
	/* Last, so that our own work above is not in it. */
	w.opened_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&open_windows, &key, &w, BPF_ANY))
		total_add(LOST_STATE, 1);
	return 0;
}

/* The stack is taken here and not there, as in cause.bpf.h. */
static __always_inline void window_opened(void *ctx, const struct mmu_notifier_range *range,
					  const struct process *p, u32 phase)
{
	s64 stack = cfg.stack_memo ? stack_seen(ctx) : -1;

	if (stack < 0) {
		stack = stack_id(ctx);
		if (cfg.stack_memo && stack >= 0)
			stack_remember(stack);
	}
	window_keep(range, stack, p->start, p->tgid, phase);
}

static __always_inline int window_ended(u64 range)
{
	u64 now = bpf_ktime_get_ns();
	struct mmuscope_window *w = bpf_map_lookup_elem(&open_windows, &range);

	/* One of an earlier switch-on stays for user space to look at. */
	if (!w || w->generation != control.generation)
		return 0;
	total_add(TOTAL_ENDS, 1);
	if (now - w->opened_ns > cfg.window_limit) {
		total_add(TOTAL_LONG_WINDOWS, 1);
		window_report(w, now, WINDOW_ENDED);
	}
	bpf_map_delete_elem(&open_windows, &range);
	return 0;
}

struct dying {
	u64 now;
	u32 task;
	u32 windows;
};

static long window_of_dying(void *map, u64 *range, struct mmuscope_window *w, struct dying *d)
{
	if (w->task != d->task || w->generation != control.generation)
		return 0;
	d->windows++;
	window_report(w, d->now, WINDOW_TASK_EXITED);
	bpf_map_delete_elem(&open_windows, range);
	return 0;
}

/* do_exit() inside a window, or after one that was left open: this task ends none. */
static __always_inline int windows_of_dying_task(void)
{
	struct dying d = {
		.now = bpf_ktime_get_ns(),
		.task = (u32)bpf_get_current_pid_tgid(),
	};

	bpf_for_each_map_elem(&open_windows, window_of_dying, &d, 0);
	if (d.windows)
		total_add(TOTAL_ABANDONED_WINDOWS, d.windows);
	return 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Notifications: one __mmu_notifier_invalidate_range_start() each
 * (mm/mmu_notifier.c). It runs only where the mm has subscribers. A start that
 * fails (-EAGAIN, the caller may not block) is not followed by an end.
 */
#include "state.bpf.h"

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

static __always_inline void count_start(struct mmuscope_row *row,
					const struct mmu_notifier_range *range, int ret)
{
	bool whole;

	row->count[NOTIFICATION_CALLS]++;
	row->count[NOTIFICATION_PAGES] += pages_of(range->start, range->end, &whole);
	if (whole)
		row->count[NOTIFICATION_WHOLE]++;
	if (ret)
		row->count[NOTIFICATION_FAILED]++;
}

/*
 * At the exit, where it is known whether the start failed. The callbacks have
 * run by then, but nothing they do changes the task's phase. `target` as in
 * callbacks.bpf.c.
 */
static __always_inline int start_left(const struct mmu_notifier_range *range, int ret,
				      const bool target)
{
	struct task_state *st = NULL;
	struct mmuscope_row *row;
	struct mmuscope_cpu *c;
	struct process p;
	u32 cpu, phase;

	if (!control.enabled)
		return 0;
	if (target ? !is_target(range->mm) : !find_process(&p, range->mm))
		return 0;
	cpu = bpf_get_smp_processor_id();
	c = bpf_map_lookup_elem(&cpus, &cpu);
	if (!c)
		return 0;
	if (!target && cfg.paired) {
		st = task_state(true);
		phase = task_phase(st);
		if (st && !ret)
			window_push(st, (u64)range);
	} else {
		phase = current_phase();
	}
	cpu_add(c, TOTAL_STARTS, 1);
	if (ret)
		cpu_add(c, TOTAL_STARTS_FAILED, 1);
	if (target || cfg.direct)
		row = row_direct(cpu, &rows, 0, range->event, phase);
	else
		row = row_get(c, cpu, &rows, 0, p.start,
			      key_word(&p, ROW_NOTIFICATION, range->event, phase, 0), 0);
	if (row)
		count_start(row, range, ret);
	return 0;
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(notification_start, struct mmu_notifier_range *range, int ret)
{
	return start_left(range, ret, false);
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(target_start, struct mmu_notifier_range *range, int ret)
{
	return start_left(range, ret, true);
}

/* --no-latency for one process: no search, no totals beside the rows. */
SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(count_start_only, struct mmu_notifier_range *range, int ret)
{
	struct mmuscope_row *row;

	if (!control.enabled || !is_target(range->mm))
		return 0;
	row = row_direct(bpf_get_smp_processor_id(), &rows, 0, range->event, current_phase());
	if (row)
		count_start(row, range, ret);
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_end")
int BPF_PROG(notification_end, struct mmu_notifier_range *range)
{
	struct process p;

	if (cfg.paired) {
		if (control.generation && window_pop(task_state(false), (u64)range))
			total_add(TOTAL_ENDS, 1);
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

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Device faults: hmm_range_fault() (mm/hmm.c) fills a device's page table.
 * -EBUSY says that an invalidation collided and the driver must try again.
 */
#include "record.bpf.h"

#define EBUSY 16

/* Where its time is recorded. */
SEC("?fentry/hmm_range_fault")
int BPF_PROG(device_fault_enter, struct hmm_range *range)
{
	struct task_state *st;
	struct process p;

	if (!control.enabled || !find_process(&p, range->notifier->mm))
		return 0;
	st = task_state(true);
	if (st)
		st->fault_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void record_fault(struct mmuscope_cpu *c, const struct process *p,
					 const struct hmm_range *range, int ret)
{
	struct task_state *st = task_state(false);
	struct migration_frame *m = migration_top(st);
	u64 began = st ? st->fault_ns : 0, now = bpf_ktime_get_ns();
	const struct recorded_range v = {
		.ns = now,
		.from = range->start,
		.to = range->end,
		.what = (u64)(s64)ret,
		.took = began ? now - began : 0,
		.start = p->start,
		.tgid = p->tgid,
		.migration = migration_id(m),
		.kind = RECORD_FAULT,
		.phase = m ? m->phase : PHASE_OUTSIDE,
		.flags = (began ? 0 : RECORD_UNTIMED) | (ret == -EBUSY ? RECORD_RETRY : 0),
	};

	if (st)
		st->fault_ns = 0;
	record_range(c, &v);
}

SEC("?fexit/hmm_range_fault")
int BPF_PROG(device_fault, struct hmm_range *range, int ret)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct mmuscope_row *row;
	struct mmuscope_cpu *c;
	struct process p;

	if (!control.enabled || !find_process(&p, range->notifier->mm))
		return 0;
	c = bpf_map_lookup_elem(&cpus, &cpu);
	if (!c)
		return 0;
	row = row_get(c, cpu, &rows, 0, p.start, key_word(&p, ROW_FAULT, 0, 0, 0), 0);
	if (!row)
		return 0;
	row->count[FAULT_CALLS]++;
	row->count[FAULT_PAGES] += (range->end - range->start) >> PAGE_SHIFT;
	if (ret == -EBUSY)
		row->count[FAULT_RETRIES]++;
	if (recorded(RECORD_FAULT))
		record_fault(c, &p, range, ret);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Device faults: hmm_range_fault() (mm/hmm.c) fills a device's page table.
 * -EBUSY says that an invalidation collided and the driver must try again.
 */
#include "state.bpf.h"

#define EBUSY 16

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
	return 0;
}

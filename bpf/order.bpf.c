// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The order of events on one range of one process, for the evidence of
 * `bench hole-race`: its migrations, notifications and device faults, one record each.
 */
#include "compat.bpf.h"
#include "order.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile u32 only_tgid;
const volatile u64 range_from, range_to;
u64 enabled; /* set by user space: what is taken */
u64 lost; /* records for which the ring had no room */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} records SEC(".maps");

static __always_inline int take(enum order_step step, u64 from, u64 to, u8 event, __s32 result)
{
	u64 id = bpf_get_current_pid_tgid();
	struct order_record *r;

	if (!enabled || id >> 32 != only_tgid || from >= range_to || to <= range_from)
		return 0;
	r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	r->ns = bpf_ktime_get_ns();
	r->from = from;
	r->to = to;
	r->task = (u32)id;
	r->result = result;
	r->step = step;
	r->event = event;
	__builtin_memset(r->pad, 0, sizeof(r->pad));
	bpf_ringbuf_submit(r, 0);
	return 0;
}

SEC("fentry/migrate_vma_setup")
int BPF_PROG(order_setup, struct migrate_vma *args)
{
	return take(ORDER_SETUP, args->start, args->end, 0, 0);
}

SEC("fexit/migrate_vma_setup")
int BPF_PROG(order_setup_left, struct migrate_vma *args, int ret)
{
	return take(ORDER_SETUP_LEFT, args->start, args->end, 0, ret);
}

SEC("fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(order_told, struct mmu_notifier_range *range, int ret)
{
	return take(ORDER_TOLD, range->start, range->end, range->event, ret);
}

SEC("fentry/__mmu_notifier_invalidate_range_end")
int BPF_PROG(order_told_end, struct mmu_notifier_range *range)
{
	return take(ORDER_TOLD_END, range->start, range->end, range->event, 0);
}

SEC("fentry/migrate_vma_pages")
int BPF_PROG(order_pages, struct migrate_vma *args)
{
	return take(ORDER_PAGES, args->start, args->end, 0, 0);
}

SEC("fexit/migrate_vma_pages")
int BPF_PROG(order_pages_left, struct migrate_vma *args)
{
	return take(ORDER_PAGES_LEFT, args->start, args->end, 0, 0);
}

SEC("fexit/migrate_vma_finalize")
int BPF_PROG(order_finalized, struct migrate_vma *args)
{
	return take(ORDER_FINALIZED, args->start, args->end, 0, 0);
}

SEC("fentry/hmm_range_fault")
int BPF_PROG(order_fault, struct hmm_range *range)
{
	return take(ORDER_FAULT, range->start, range->end, 0, 0);
}

SEC("fexit/hmm_range_fault")
int BPF_PROG(order_fault_left, struct hmm_range *range, int ret)
{
	return take(ORDER_FAULT_LEFT, range->start, range->end, 0, ret);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who subscribes from now on: `probes --watch`. At the exits, where it has succeeded. */
#include "registry.bpf.h"

struct subscription {
	u64 start;		/* the process, as in the row key */
	u64 function;
	u32 tgid;
	u32 is_notifier;
};

/* Thousands of intervals of one process and function are normal: the first is told. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct subscription);
	__type(value, u32);
} told SEC(".maps");

static __always_inline int subscribed(struct mm_struct *mm, u64 function, u32 is_notifier)
{
	struct subscription key = { .function = function, .is_notifier = is_notifier };
	struct mmuscope_ring_event *e;
	struct process p;
	u32 one = 1;

	find_process(&p, mm);
	key.start = p.start;
	key.tgid = p.tgid;
	if (bpf_map_update_elem(&told, &key, &one, BPF_NOEXIST))
		return 0;
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		total_add(LOST_EVENTS, 1);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->type = is_notifier ? RING_NOTIFIER : RING_INTERVAL;
	e->tgid = p.tgid;
	e->start = function;
	bpf_get_current_comm(e->name, 16);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("?fexit/mmu_interval_notifier_insert")
int BPF_PROG(watch_insert, struct mmu_interval_notifier *mni, struct mm_struct *mm,
	     unsigned long start, unsigned long length,
	     const struct mmu_interval_notifier_ops *ops, int ret)
{
	return ret ? 0 : subscribed(mm, interval_function((u64)ops), 0);
}

SEC("?fexit/mmu_interval_notifier_insert_locked")
int BPF_PROG(watch_insert_locked, struct mmu_interval_notifier *mni, struct mm_struct *mm,
	     unsigned long start, unsigned long length,
	     const struct mmu_interval_notifier_ops *ops, int ret)
{
	return ret ? 0 : subscribed(mm, interval_function((u64)ops), 0);
}

SEC("?fexit/__mmu_notifier_register")
int BPF_PROG(watch_register, struct mmu_notifier *mn, struct mm_struct *mm, int ret)
{
	/* NULL: mmu_notifier_get_locked(), which see. */
	return ret || !mn ? 0 : subscribed(mm, notifier_function(BPF_CORE_READ(mn, ops)), 1);
}

SEC("?fexit/mmu_notifier_get_locked")
int BPF_PROG(watch_get, const struct mmu_notifier_ops *ops, struct mm_struct *mm, u64 ret)
{
	return ret >= (u64)-4095 ? 0 : subscribed(mm, notifier_function(ops), 1);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The floors of `bench overhead`: programs that do nothing. User space says where. */
#include "compat.bpf.h"

/* Their functions are parameters, those here stand in: sections without are src/clones.c's. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* As many as a session may have on the functions that are measured: src/floor.h. */
#define EMPTY(n)                            \
	SEC("?fentry/__mmu_notifier_invalidate_range_start") \
	int BPF_PROG(empty_fentry_##n)      \
	{                                   \
		return 0;                   \
	}                                   \
	SEC("?fexit/__mmu_notifier_invalidate_range_start") \
	int BPF_PROG(empty_fexit_##n)       \
	{                                   \
		return 0;                   \
	}

EMPTY(0)
EMPTY(1)
EMPTY(2)
EMPTY(3)
EMPTY(4)
EMPTY(5)
EMPTY(6)
EMPTY(7)
EMPTY(8)
EMPTY(9)
EMPTY(10)
EMPTY(11)

SEC("?kprobe/__mmu_notifier_invalidate_range_start")
int BPF_KPROBE(empty_kprobe)
{
	return 0;
}

SEC("?kretprobe/__mmu_notifier_invalidate_range_start")
int BPF_KRETPROBE(empty_kretprobe)
{
	return 0;
}

/* ---- what a program is made of: one step each ---- */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} step_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u64);
} step_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} step_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} step_ring SEC(".maps");

__u64 step_word;

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(step_store)
{
	step_word++;
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(step_clock)
{
	step_word = bpf_ktime_get_ns();
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(step_lookup_array)
{
	u32 key = 0;
	u64 *value = bpf_map_lookup_elem(&step_array, &key);

	if (value)
		++*value;
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(step_lookup_hash)
{
	u64 key = 1, *value = bpf_map_lookup_elem(&step_hash, &key);

	if (value)
		++*value;
	else
		bpf_map_update_elem(&step_hash, &key, &key, BPF_ANY);
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(step_get_storage)
{
	u64 *value = bpf_task_storage_get(&step_storage, bpf_get_current_task_btf(), NULL,
					  BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (value)
		++*value;
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(step_send)
{
	u64 *record = bpf_ringbuf_reserve(&step_ring, 64, 0);

	if (record) {
		*record = 1;
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	}
	return 0;
}

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(step_read_kernel)
{
	u64 word;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)bpf_get_current_task());
	step_word = word;
	return 0;
}

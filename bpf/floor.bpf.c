// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The floor of `bench overhead`: programs that do nothing. */
#include "compat.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("?fentry/__mmu_notifier_invalidate_range_start")
int BPF_PROG(empty_fentry)
{
	return 0;
}

SEC("?fexit/__mmu_notifier_invalidate_range_start")
int BPF_PROG(empty_fexit)
{
	return 0;
}

SEC("?kprobe/__mmu_notifier_invalidate_range_start")
int BPF_KPROBE(empty_kprobe)
{
	return 0;
}

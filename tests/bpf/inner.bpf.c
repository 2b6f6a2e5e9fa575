// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How `mmuscope subscribers` finds the driver behind drm_gpusvm, in a program that
 * BPF_PROG_RUN can run: on structures in the memory of a map, laid out as libbpf finds
 * them in the BTF of this kernel's modules.
 */
#include "bpf/subscribers.bpf.c"
#include "tests/bpf/synthetic.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u8[ARENA_BYTES]);
} arena SEC(".maps");

u64 result = 0;

SEC("?raw_tp")
int BPF_PROG(arena_address)
{
	u32 zero = 0;

	result = (u64)bpf_map_lookup_elem(&arena, &zero);
	return 0;
}

SEC("?raw_tp")
int BPF_PROG(inner, u64 interval, u64 function)
{
	result = inner_function(interval, function);
	return 0;
}

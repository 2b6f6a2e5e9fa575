// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Entries that nouveau is asked to write into a page table of a Pascal or later GPU
 * (drivers/gpu/drm/nouveau/nvkm/subdev/mmu/vmmgp100.c), and those of them that name no
 * page. Before 5.9 these became mappings of whatever page has number 0; since then
 * gp100_vmm_pgt_pfn() and gp100_vmm_pd0_pfn() pass over them.
 *
 * Nothing there says whose memory it is: a GPU's fault is handled by a kernel thread.
 * So they are counted for all processes, whatever the scope.
 */
#include "state.bpf.h"

#define NVKM_VMM_PFN_V 1	/* nvkm/subdev/mmu/vmm.h; a macro, therefore not in BTF */
#define TABLE_ENTRIES 512	/* of the larger of the two tables: no call writes more */

/* Where struct nvkm_vmm_map has the pointer to the first entry, by the module's BTF. */
const volatile u32 pfn_offset = 0;

/* A program each: one may interrupt the other. */
enum table { TABLE_PGT, TABLE_PD0, TABLES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TABLES);
	__type(key, u32);
	__type(value, u64[TABLE_ENTRIES]);
} table_entries SEC(".maps");

static __noinline int count_entries(u64 pfns, u32 asked, u32 table)
{
	u64 *entries = bpf_map_lookup_elem(&table_entries, &table), invalid = 0;
	u64 n = asked < TABLE_ENTRIES ? asked : TABLE_ENTRIES;

	if (!entries)
		return 0;
	/* What was compared is what is used, or the verifier does not know its bounds. */
	barrier_var(n);
	total_add(TOTAL_TABLE_ENTRIES, asked);
	if (asked > TABLE_ENTRIES)
		total_add(LOST_PAGES, asked - TABLE_ENTRIES);
	if (n > TABLE_ENTRIES ||
	    bpf_probe_read_kernel(entries, n * sizeof(u64), (void *)pfns)) {
		total_add(LOST_PAGES, n);
		return 0;
	}
	for (u32 i = 0; i < TABLE_ENTRIES; i++) {
		if (i >= n)
			break;
		invalid += !(entries[i] & NVKM_VMM_PFN_V);
	}
	total_add(TOTAL_TABLE_INVALID, invalid);
	return 0;
}

static __always_inline int table_written(u32 n, u64 map, enum table table)
{
	u64 pfns = 0;

	if (!control.enabled)
		return 0;
	bpf_probe_read_kernel(&pfns, sizeof(pfns), (void *)(map + pfn_offset));
	return count_entries(pfns, n, table);
}

SEC("?fentry/gp100_vmm_pgt_pfn")
int BPF_PROG(pgt_fentry, void *vmm, void *pt, u32 ptei, u32 ptes, u64 map)
{
	return table_written(ptes, map, TABLE_PGT);
}

SEC("?fentry/gp100_vmm_pd0_pfn")
int BPF_PROG(pd0_fentry, void *vmm, void *pt, u32 ptei, u32 ptes, u64 map)
{
	return table_written(ptes, map, TABLE_PD0);
}

SEC("?kprobe/gp100_vmm_pgt_pfn")
int BPF_KPROBE(pgt_kprobe, void *vmm, void *pt, u32 ptei, u32 ptes, u64 map)
{
	return table_written(ptes, map, TABLE_PGT);
}

SEC("?kprobe/gp100_vmm_pd0_pfn")
int BPF_KPROBE(pd0_kprobe, void *vmm, void *pt, u32 ptei, u32 ptes, u64 map)
{
	return table_written(ptes, map, TABLE_PD0);
}

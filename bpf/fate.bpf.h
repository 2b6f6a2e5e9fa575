/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What became of each page that a migration was asked for and that did not migrate, as
 * far as the kernel lets it be told when the migration is over.
 *
 * The arrays tell what was collected: an entry that still has its page number was, and
 * was given up in migrate_vma_pages(). One that is empty was passed over by setup, or
 * given back by it (migrate_device_unmap(), mm/migrate_device.c: locked, pinned, or off
 * the LRU lists), and nothing of that is kept; but its page table entry is as it was
 * before, and what setup does with that is known (migrate_vma_collect_pmd()).
 */
#ifndef MMUSCOPE_FATE_BPF_H
#define MMUSCOPE_FATE_BPF_H

#include "record.bpf.h"

#define FATE_TURNS 32		/* of two loops, blocks: 128 Ki pages, 512 MiB */
#define MIGRATE_PFN_VALID (1UL << 0)	/* as MIGRATE_PFN_MIGRATE */

/* x86: arch/x86/include/asm/pgtable_types.h, pgtable_64.h. */
#define PTE_PRESENT (1UL << 0)
#define PTE_PSE (1UL << 7)
#define PTE_PROTNONE (1UL << 8)
#define PTE_TABLE 0x000ffffffffff000UL
#define SWP_TYPE_SHIFT 59
#define SWP_TYPE_BITS 5
#define SWP_OFFSET_SHIFT 14
#define SWP_SPECIAL 16		/* swap files have lower types, they are given out from 0 on */
#define PAGE_OFFSET_L4 0xffff888000000000UL
#define PAGE_OFFSET_L5 0xff11000000000000UL
#define VMEMMAP_L4 0xffffea0000000000UL
#define VMEMMAP_L5 0xffd4000000000000UL

struct fate {
	u64 src, dst;		/* the arrays, what is left of them; dst 0: not filled */
	u64 left;		/* entries */
	u64 at;			/* address of the next page; 0: an eviction, by device page */
	u64 mm, owner;
	u64 flags;		/* of the struct migrate_vma */
	u64 start, ended;	/* for the records */
	u32 tgid, migration;
	u32 anonymous;
	u32 covered;		/* entries that belong to a huge page before them */
	u32 place[PAGE_MAX];
	u64 block_src[RECORD_PAGES_MAX], block_dst[RECORD_PAGES_MAX];
	u8 page[RECORD_PAGES_MAX / 2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);	/* as `counts`: an eviction may come in between */
	__type(key, u32);
	__type(value, struct fate);
} fates SEC(".maps");

struct folio___pgmap {
	struct dev_pagemap *pgmap;
} __attribute__((preserve_access_index));

static __always_inline u64 kernel_variable(u64 address, u64 otherwise)
{
	u64 value;

	/* Without CONFIG_DYNAMIC_MEMORY_LAYOUT there is no such variable. */
	if (!address || bpf_probe_read_kernel(&value, sizeof(value), (void *)address))
		return otherwise;
	return value;
}

/* The entry that maps `at`, of whatever level; 0: nothing does. */
static __always_inline u64 table_entry(u64 mm, u64 at)
{
	u64 offset = kernel_variable(cfg.page_offset_at,
				     cfg.la57 ? PAGE_OFFSET_L5 : PAGE_OFFSET_L4);
	u64 table = (u64)BPF_CORE_READ((struct mm_struct *)mm, pgd), entry = 0;
	u32 shift = cfg.la57 ? 48 : 39;

	for (int i = 0; i < 5; i++) {
		entry = 0;
		bpf_probe_read_kernel(&entry, sizeof(entry),
				      (void *)(table + (at >> shift & 511) * sizeof(u64)));
		if (shift == PAGE_SHIFT || !(entry & PTE_PRESENT) || (entry & PTE_PSE))
			break;
		table = (entry & PTE_TABLE) + offset;
		shift -= 9;
	}
	return entry;
}

/* The owner of the device memory that a swap entry stands for; 0: it is none. */
static __always_inline u64 device_owner(u64 entry)
{
	u64 pfn = ~entry << SWP_TYPE_BITS >> SWP_OFFSET_SHIFT;
	u64 page = kernel_variable(cfg.vmemmap_at, cfg.la57 ? VMEMMAP_L5 : VMEMMAP_L4);
	const struct folio___pgmap *folio;
	struct dev_pagemap *map;

	/* Above the page number there are the bits young and dirty since 6.1. */
	pfn &= cfg.la57 ? (1UL << 40) - 1 : (1UL << 34) - 1;
	page += pfn * bpf_core_type_size(struct page);
	folio = (void *)page;
	if (bpf_core_field_exists(folio->pgmap))
		map = BPF_CORE_READ(folio, pgmap);
	else
		map = BPF_CORE_READ((struct page *)page, pgmap);
	if (BPF_CORE_READ(map, type) != MEMORY_DEVICE_PRIVATE)
		return 0;
	return (u64)BPF_CORE_READ(map, owner);
}

/* Why setup did not take the page, by its page table entry. */
static __always_inline u32 fate_by_entry(const struct fate *f, u64 entry)
{
	u64 owner;

	/* A hole of anonymous memory is always collected. */
	if (!entry)
		return f->anonymous && f->dst ? PAGE_NO_DESTINATION : PAGE_HOLE;
	if (entry & (PTE_PRESENT | PTE_PROTNONE))
		return f->flags & SELECT_SYSTEM ? PAGE_BUSY : PAGE_NOT_SELECTED;
	if (entry >> SWP_TYPE_SHIFT < SWP_SPECIAL)
		return PAGE_NOT_COLLECTED;
	owner = device_owner(entry);
	if (!owner)
		return PAGE_NOT_COLLECTED;
	if (!(f->flags & SELECT_DEVICE))
		return PAGE_NOT_SELECTED;
	return owner == f->owner ? PAGE_BUSY : PAGE_OTHER_OWNER;
}

/* The fate of page `i` of the block; enum mmuscope_page. */
__noinline __weak int fate_of(u32 slot, u32 i)
{
	struct fate *f = bpf_map_lookup_elem(&fates, &slot);
	u64 src, dst;

	if (!f || i >= RECORD_PAGES_MAX)
		return PAGE_NOT_COLLECTED;
	src = f->block_src[i];
	dst = f->dst ? f->block_dst[i] : 0;
	if (f->covered) {
		f->covered--;
		return PAGE_MIGRATED;
	}
	if (src & MIGRATE_PFN_MIGRATE) {
		if (has_compound() && src & MIGRATE_PFN_COMPOUND)
			f->covered = COMPOUND_PAGES - 1;
		return PAGE_MIGRATED;
	}
	if (dst)
		return PAGE_CHANGED;
	if (src & MIGRATE_PFN_VALID)
		return PAGE_NO_DESTINATION;
	if (!f->at || cfg.page_offset_at == ~0ULL)
		return PAGE_NOT_COLLECTED;
	return fate_by_entry(f, table_entry(f->mm, f->at + ((u64)i << PAGE_SHIFT)));
}

static __always_inline void record_pages(const struct fate *f, u32 n)
{
	const struct recorded_range v = {
		.ns = f->ended,
		.from = f->at,
		.to = f->at + ((u64)n << PAGE_SHIFT),
		.start = f->start,
		.tgid = f->tgid,
		.migration = f->migration,
		.kind = RECORD_PAGES,
		.phase = PHASE_FINALIZE,
	};
	struct mmuscope_cpu *c = this_cpu();
	struct mmuscope_record *r;
	u64 position;
	void *pages;

	if (!c)
		return;
	r = record_begin(c, RECORD_PAGES, 2, &position);
	if (!r)
		return;
	pages = record_slot(c, position + 1);
	if (!pages)
		return;
	__builtin_memcpy(pages, f->page, sizeof(f->page));
	record_fill(r, &v);
	record_commit(c, r, 2, position);
}

/*
 * The fates of eight pages from `at` on, or of those that there are. Returns their OR.
 * This and the next two are global, so that the verifier follows their turns once each.
 */
__noinline __weak int fate_eight(u32 slot, u32 at)
{
	struct fate *f = bpf_map_lookup_elem(&fates, &slot);
	u32 found = 0;

	if (!f)
		return 0;
	/* Without a branch on the fate, of which the verifier would follow both ways each time. */
	for (u32 i = 0; i < 8; i++) {
		u32 fate, page = at + i;

		if (page >= f->left)
			break;
		fate = fate_of(slot, page);
		(*SLOT(f->place, fate))++;
		*SLOT(f->page, page / 2) |= fate << page % 2 * 4;
		found |= fate;
	}
	return found;
}

/* The next block. Returns 1 at the end. */
__noinline __weak int fate_block(u32 slot)
{
	struct fate *f = bpf_map_lookup_elem(&fates, &slot);
	u32 n, found = 0;

	if (!f || !f->left)
		return 1;
	n = f->left < RECORD_PAGES_MAX ? f->left : RECORD_PAGES_MAX;
	if (bpf_probe_read_kernel(f->block_src, n * sizeof(u64), (void *)f->src) ||
	    (f->dst && bpf_probe_read_kernel(f->block_dst, n * sizeof(u64), (void *)f->dst)))
		return 1;
	__builtin_memset(f->page, 0, sizeof(f->page));
	for (u32 i = 0; i < RECORD_PAGES_MAX && i < n; i += 8)
		found |= (u32)fate_eight(slot, i);
	if (found && f->at)
		record_pages(f, n);
	f->src += n * sizeof(u64);
	f->dst += f->dst ? n * sizeof(u64) : 0;
	f->at += f->at ? (u64)n << PAGE_SHIFT : 0;
	f->left -= n;
	return !f->left;
}

__noinline __weak int fate_blocks(u32 slot)
{
	for (int i = 0; i < FATE_TURNS; i++)
		if (fate_block(slot))
			return 1;
	return 0;
}

/*
 * Sends the pages of a migration that is over, and keeps how many had which fate in its
 * frame. `slot` as in count_migrating(); `dst` 0: it did not come so far; `ended`: ns.
 */
static __always_inline void frame_fates(struct migration_frame *m, u64 src, u64 dst, u64 n,
					u64 mm, u64 flags, u32 anonymous, u64 ended, u32 slot)
{
	struct fate *f = bpf_map_lookup_elem(&fates, &slot);
	u64 rest = m->pages - m->migrated;

	if (!f || m->pages <= m->migrated)
		return;
	f->src = src;
	f->dst = dst;
	f->left = n;
	f->at = m->from;
	f->mm = mm;
	f->owner = m->owner;
	f->flags = flags;
	f->start = m->start;
	f->ended = ended;
	f->tgid = (u32)m->key_word;
	f->migration = m->id;
	f->anonymous = anonymous;
	f->covered = 0;
	__builtin_memset(f->place, 0, sizeof(f->place));
	for (int i = 0; i < FATE_TURNS; i++)
		if (fate_blocks(slot))
			break;
	for (int i = 1; i < PAGE_MAX; i++) {
		m->place[i - 1] = f->place[i];
		rest -= f->place[i] < rest ? f->place[i] : rest;
	}
	/* Too many, or not to be read. */
	m->place[PAGE_NOT_COLLECTED - 1] += rest;
}

#endif

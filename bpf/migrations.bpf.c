// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Migrations of device memory: migrate_vma_setup(), _pages(), _finalize(), and
 * the eviction by page, migrate_device_range/pfns() to migrate_device_finalize()
 * (mm/migrate_device.c, mm/migrate.c up to 5.17).
 *
 * Each is a frame on its task's stack, so that a driver which evicts while it
 * allocates for another migration is told apart. A frame is found by the
 * caller's pointer: the struct migrate_vma, or the source array.
 *
 * A driver may drop a migration whose setup found nothing without a finalize;
 * such a frame is closed at the setup's exit.
 */
#include "cause.bpf.h"
#include "migration_record.bpf.h"
#ifdef MMUSCOPE_RECORDS
#include "fate.bpf.h"
#endif

#define BLOCK 512			/* entries read at once: a 4 KiB page */
#define BLOCK_TURNS 128			/* of two loops: 8 Mi pages, 32 GiB */

/* An array on its way through; a map's, as a global function takes nothing but numbers. */
struct count {
	u64 array;
	u64 left;
	u64 found;		/* pages of 4 KiB */
	u64 compound;		/* entries of a whole huge page */
	u64 block[BLOCK];
};

struct counts_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct count);
};

struct counts_map counts SEC(".maps");

static __always_inline u64 entries_at_hand(const struct count *ctx)
{
	return ctx->left < BLOCK ? ctx->left : BLOCK;
}

static __always_inline u64 whole_eights(const struct count *ctx, const u64 not)
{
	u64 all = MIGRATE_PFN_MIGRATE | not, n = entries_at_hand(ctx);

	for (u32 i = 0; i < BLOCK; i += 8) {
		const u64 *b = &ctx->block[i];

		if (i + 8 > n)
			break;
		for (u32 k = 0; k < 8; k++)
			all &= b[k] ^ not;
	}
	return all == (MIGRATE_PFN_MIGRATE | not) ? n & ~7ULL : 0;
}

/*
 * Most migrations take all that they collected, and no huge page: two or three
 * instructions an entry tell. How many entries from the first on are such, whole eights:
 * all that there are, or 0. This and the next are global, so that the verifier follows
 * each of their turns once, and not once more for each way out of another.
 */
__noinline __weak int count_whole(u32 slot)
{
	const struct count *ctx = bpf_map_lookup_elem(&counts, &slot);

	if (!ctx)
		return 0;
	return has_compound() ? whole_eights(ctx, MIGRATE_PFN_COMPOUND) : whole_eights(ctx, 0);
}

/* Counts the entries with MIGRATE_PFN_MIGRATE among eight. */
__noinline __weak int count_eight(u32 slot, u32 at)
{
	struct count *ctx = bpf_map_lookup_elem(&counts, &slot);
	u64 n, found = 0, compound = 0;

	if (!ctx)
		return 0;
	n = entries_at_hand(ctx);
	for (u32 k = 0; k < 8; k++) {
		const u64 *entry = SLOT(ctx->block, at + k);

		if (at + k >= n)
			break;
		found += *entry >> 1 & 1;
		if (has_compound())
			compound += *entry >> 4 & *entry >> 1 & 1;
	}
	ctx->found += found + compound * (COMPOUND_PAGES - 1);
	ctx->compound += compound;
	return 0;
}

/* The next block. Returns 1 at the end. */
__noinline __weak int count_block(u32 slot)
{
	struct count *ctx = bpf_map_lookup_elem(&counts, &slot);
	u64 n;
	u32 at;

	if (!ctx)
		return 1;
	n = entries_at_hand(ctx);
	if (!n)
		return 1;
	if (bpf_probe_read_kernel(ctx->block, n * sizeof(u64), (void *)ctx->array)) {
		total_add(LOST_PAGES, n);
		n = ctx->left;
	} else {
		at = (u32)count_whole(slot);
		ctx->found += at;
		for (u32 i = 0; i < BLOCK / 8 && at < n; i++, at += 8)
			count_eight(slot, at);
	}
	ctx->array += n * sizeof(u64);
	ctx->left -= n;
	return ctx->left == 0;
}

__noinline __weak int count_blocks(u32 slot)
{
	for (int i = 0; i < BLOCK_TURNS; i++)
		if (count_block(slot))
			return 1;
	return 0;
}

/*
 * How many pages the entries of a source array have that bear MIGRATE_PFN_MIGRATE,
 * of n entries; a huge page's is followed by empty ones. *compound, if asked for: how
 * many of those entries are a whole huge page.
 * `slot`: the caller's own scratch space, as one handler may interrupt another.
 */
static __always_inline u64 count_migrating(u64 array, u64 n, u32 slot, u64 *compound)
{
	struct count *ctx = bpf_map_lookup_elem(&counts, &slot);

	if (!ctx)
		return 0;
	ctx->array = array;
	ctx->left = n;
	ctx->found = ctx->compound = 0;
	for (int i = 0; i < BLOCK_TURNS; i++)
		if (count_blocks(slot))
			break;
	if (ctx->left)
		total_add(LOST_PAGES, ctx->left);
	if (compound)
		*compound = ctx->compound;
	return ctx->found;
}

static __always_inline struct migration_frame *frame_push(struct task_state *st, u64 args)
{
	struct migration_frame *f;

	if (!st)
		return NULL;
	if (st->migrations && !migration_top(st))
		st->migrations = 0;
	if (st->migrations >= MIGRATION_DEPTH) {
		total_add(LOST_STATE, 1);
		return NULL;
	}
	f = SLOT(st->migration, st->migrations);
	f->args = args;
	f->owner = 0;
	f->collected = 0;
	f->migrated = 0;
	f->compound = 0;
	f->pages_performed = 0;
	f->entered_ns = bpf_ktime_get_ns();
	f->generation = control.generation;
	if (recorded(RECORD_MIGRATION))
		frame_prepare_record(f);
	st->migrations++;
	__sync_fetch_and_add(&control.migrations_open, 1);
	return f;
}

/* The innermost frame if it is this caller's; an inner one that was left open is dropped. */
static __always_inline struct migration_frame *frame_find(struct task_state *st, u64 args)
{
	struct migration_frame *f;
	u32 n;

	if (!st || !control.leaving)
		return NULL;
	n = st->migrations;
	for (int i = 0; i < MIGRATION_DEPTH && n; i++, n--) {
		f = SLOT(st->migration, n - 1);
		if (f->args != args)
			continue;
		if (f->generation != control.generation)
			return NULL;
		if (st->migrations != n) {
			total_add(LOST_STATE, st->migrations - n);
			__sync_fetch_and_add(&control.migrations_open,
					     -(u64)(st->migrations - n));
			st->migrations = n;
		}
		return f;
	}
	return NULL;
}

static __always_inline void frame_pop(struct task_state *st)
{
	st->migrations--;
	__sync_fetch_and_add(&control.migrations_open, -1);
}

/* Sends its record. */
static __noinline int frame_record(struct task_state *st, u64 now, u32 flags)
{
	u32 cpu = bpf_get_smp_processor_id(), n, parent = 0;
	struct mmuscope_cpu *c = bpf_map_lookup_elem(&cpus, &cpu);

	if (!st || !c)
		return 0;
	n = st->migrations;
	if (n > 1)
		parent = SLOT(st->migration, n - 2)->id;
	record_migration(c, SLOT(st->migration, n - 1), parent, now, flags);
	return 0;
}

/* Adds a migration that was completed at `now` to its row and closes the frame. */
static __always_inline void frame_complete(struct task_state *st, struct migration_frame *f, u64 now)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct mmuscope_cpu *c = bpf_map_lookup_elem(&cpus, &cpu);
	struct mmuscope_row *row = NULL;

	if (c)
		row = row_get(c, cpu, &rows, 0, f->start, f->key_word, f->owner);
	if (row) {
		row->count[MIGRATION_CALLS]++;
		row->count[MIGRATION_PAGES] += f->pages;
		row->count[MIGRATION_COLLECTED] += f->collected;
		row->count[MIGRATION_MIGRATED] += f->migrated;
		row->count[MIGRATION_COMPOUND] += f->compound;
		row->count[MIGRATION_TIME] += now - f->entered_ns;
		if (f->pages_performed > f->migrated)
			row->count[MIGRATION_EXCESS] += f->pages_performed - f->migrated;
		if (recorded(RECORD_MIGRATION))
			frame_record(st, now, 0);
	}
	frame_pop(st);
}

/* The fates of the pages that did not migrate, where records are taken. `dst_filled` as there. */
static __always_inline void frame_vma_fates(struct migration_frame *f, struct migrate_vma *args,
					    bool dst_filled, u64 now)
{
#ifdef MMUSCOPE_RECORDS
	struct vm_area_struct *vma = args->vma;

	if (recorded(RECORD_MIGRATION) && recorded(RECORD_PAGES))
		frame_fates(f, (u64)args->src, dst_filled ? (u64)args->dst : 0, args->npages,
			    (u64)vma->vm_mm, args->flags, !vma->vm_ops, now, 0);
#endif
}

static __always_inline void frame_evict_fates(struct migration_frame *f, u64 src, u64 dst, u64 n,
					      u64 now)
{
#ifdef MMUSCOPE_RECORDS
	if (!recorded(RECORD_MIGRATION) || !recorded(RECORD_PAGES))
		return;
	/* By far most of a device's pages are free. */
	if (f->collected == f->migrated)
		f->place[PAGE_NOT_COLLECTED - 1] = f->pages - f->migrated;
	else
		frame_fates(f, src, dst, n, 0, 0, 0, now, 1);
#endif
}

static __always_inline u8 direction_of(u64 flags)
{
	if (flags & SELECT_DEVICE)
		return flags & SELECT_SYSTEM ? DIR_MIXED : DIR_TO_SYSTEM;
	return DIR_TO_DEVICE;
}

SEC("?fentry/migrate_vma_setup")
int BPF_PROG(setup_enter, struct migrate_vma *args)
{
	struct migration_frame *f;
	struct task_state *st;
	struct process p;

	if (!control.enabled || !args->vma || !find_process(&p, args->vma->vm_mm))
		return 0;
	st = task_state(true);
	f = frame_push(st, (u64)args);
	if (!f)
		return 0;
	total_add(TOTAL_SETUPS, 1);
	f->pages = (args->end - args->start) >> PAGE_SHIFT;
	f->owner = (u64)args->pgmap_owner;
	if (recorded(RECORD_MIGRATION)) {
		f->from = args->start;
		f->to = args->end;
		if (recorded(RECORD_STACK))
			f->stack = stack_id(ctx);
	}
	f->phase = PHASE_SETUP;
	f->start = p.start;
	f->key_word = key_word(&p, ROW_MIGRATION, args->flags & ((1 << SELECT_BITS) - 1), 0,
			       direction_of(args->flags));
	return 0;
}

SEC("?fexit/migrate_vma_setup")
int BPF_PROG(setup_leave, struct migrate_vma *args, int ret)
{
	struct task_state *st = task_state(false);
	struct migration_frame *f = frame_find(st, (u64)args);
	u64 now;

	if (!f)
		return 0;
	now = bpf_ktime_get_ns();
	if (recorded(RECORD_MIGRATION))
		f->setup_left_ns = now;
	if (ret) {
		total_add(TOTAL_SETUPS_FAILED, 1);
		if (recorded(RECORD_MIGRATION))
			frame_record(st, now, RECORD_FAILED);
		frame_pop(st);
		return 0;
	}
	f->collected = args->cpages;
	/* Entries; a huge page's is followed by empty ones, so where none is empty none is huge. */
	if (has_compound() && args->flags & SELECT_COMPOUND && f->collected != args->npages)
		f->collected = count_migrating((u64)args->src, args->npages, 0, NULL);
	f->phase = PHASE_COPY;
	if (!f->collected) {
		total_add(TOTAL_SETUPS_EMPTY, 1);
		frame_vma_fates(f, args, false, now);
		frame_complete(st, f, now);
	}
	return 0;
}

SEC("?fentry/migrate_vma_pages")
int BPF_PROG(pages_enter, struct migrate_vma *args)
{
	struct migration_frame *f = frame_find(task_state(false), (u64)args);

	if (!f)
		return 0;
	f->phase = PHASE_PAGES;
	if (recorded(RECORD_MIGRATION))
		f->pages_entered_ns = bpf_ktime_get_ns();
	return 0;
}

/* What still has its MIGRATE bit now has moved; the source array is final. */
SEC("?fexit/migrate_vma_pages")
int BPF_PROG(pages_leave, struct migrate_vma *args)
{
	struct migration_frame *f = frame_find(task_state(false), (u64)args);

	if (!f)
		return 0;
	f->phase = PHASE_FINALIZE;
	if (recorded(RECORD_MIGRATION))
		f->pages_left_ns = bpf_ktime_get_ns();
	f->migrated = count_migrating((u64)args->src, args->npages, 0, &f->compound);
	return 0;
}

SEC("?fexit/migrate_vma_finalize")
int BPF_PROG(finalize_leave, struct migrate_vma *args)
{
	struct task_state *st = task_state(false);
	struct migration_frame *f = frame_find(st, (u64)args);
	u64 now;

	if (!f)
		return 0;
	now = bpf_ktime_get_ns();
	total_add(TOTAL_FINALIZES, 1);
	frame_vma_fates(f, args, true, now);
	frame_complete(st, f, now);
	return 0;
}

/* An eviction has no vma: it counts for the process that runs it. */
static __always_inline int evict_enter(u64 array, u64 npages)
{
	struct task_struct *cur = (void *)bpf_get_current_task();
	struct migration_frame *f;
	struct process p;

	if (!control.enabled)
		return 0;
	process_of_task(&p, cur);
	if (!in_scope(&p, cur))
		return 0;
	if (cfg.scope == SCOPE_PROCESS)
		p.start = 0;
	f = frame_push(task_state(true), array);
	if (!f)
		return 0;
	total_add(TOTAL_EVICTS, 1);
	f->pages = npages;
	f->phase = PHASE_EVICT;
	f->start = p.start;
	f->key_word = key_word(&p, ROW_MIGRATION, 0, 0, DIR_EVICT);
	return 0;
}

static __always_inline int evict_leave(u64 array, u64 npages)
{
	struct migration_frame *f = frame_find(task_state(false), array);

	if (!f)
		return 0;
	f->collected = count_migrating(array, npages, 1, NULL);
	if (recorded(RECORD_MIGRATION))
		f->setup_left_ns = f->pages_entered_ns = f->pages_left_ns =
			bpf_ktime_get_ns();
	return 0;
}

SEC("?fentry/migrate_device_range")
int BPF_PROG(evict_range_enter, unsigned long *src_pfns, unsigned long start, unsigned long npages)
{
	return evict_enter((u64)src_pfns, npages);
}

SEC("?fexit/migrate_device_range")
int BPF_PROG(evict_range_leave, unsigned long *src_pfns, unsigned long start, unsigned long npages,
	     int ret)
{
	return evict_leave((u64)src_pfns, npages);
}

/* 6.15+ */
SEC("?fentry/migrate_device_pfns")
int BPF_PROG(evict_pfns_enter, unsigned long *src_pfns, unsigned long npages)
{
	return evict_enter((u64)src_pfns, npages);
}

SEC("?fexit/migrate_device_pfns")
int BPF_PROG(evict_pfns_leave, unsigned long *src_pfns, unsigned long npages, int ret)
{
	return evict_leave((u64)src_pfns, npages);
}

/* migrate_vma_finalize() may call this too: no frame has its array then. */
SEC("?fexit/migrate_device_finalize")
int BPF_PROG(evict_finalize_leave, unsigned long *src_pfns, unsigned long *dst_pfns,
	     unsigned long npages)
{
	struct task_state *st = task_state(false);
	struct migration_frame *f = frame_find(st, (u64)src_pfns);
	u64 now;

	if (!f)
		return 0;
	now = bpf_ktime_get_ns();
	f->migrated = count_migrating((u64)src_pfns, npages, 1, &f->compound);
	total_add(TOTAL_EVICTS_FINALIZED, 1);
	frame_evict_fates(f, (u64)src_pfns, (u64)dst_pfns, npages, now);
	frame_complete(st, f, now);
	return 0;
}

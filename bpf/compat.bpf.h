/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every difference between kernels, one getter each, with the commit or the
 * release that made it. `direct` says that the pointer is a BTF pointer of a
 * fentry/fexit program: one load instead of a bpf_probe_read_kernel() call.
 */
#ifndef MMUSCOPE_COMPAT_BPF_H
#define MMUSCOPE_COMPAT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define barrier() asm volatile("" ::: "memory")
#define READ(direct, ptr, field) ((direct) ? (ptr)->field : BPF_CORE_READ(ptr, field))

/* MIGRATE_VMA_SELECT_*: an enum whose values never changed (5.9, 6.0, 6.19). */
#define SELECT_SYSTEM		(1UL << 0)
#define SELECT_DEVICE		(1UL << 1 | 1UL << 2)	/* _PRIVATE, _COHERENT (6.0) */
#define SELECT_COMPOUND		(1UL << 3)		/* 6.19 */
/* A macro in every kernel, therefore not in BTF; never changed. */
#define MIGRATE_PFN_MIGRATE	(1UL << 1)
#define MIGRATE_PFN_COMPOUND	(1UL << 4)	/* 6.19; of a huge page, never another size */
#define COMPOUND_PAGES		512

#define PAGE_SHIFT		12
#define PF_EXITING		0x4
#define PF_KTHREAD		0x00200000

struct mmu_notifier_range___before_5_14 {
	void *migrate_pgmap_owner;
} __attribute__((preserve_access_index));

struct mmu_notifier_range___since_5_14 {
	void *owner;
} __attribute__((preserve_access_index));

/*
 * The owner of a MIGRATE or EXCLUSIVE notification; other events leave the
 * field uninitialised. migrate_pgmap_owner became owner in 5.14 (6b49bf6ddbb0).
 */
static __always_inline u64 range_owner(const struct mmu_notifier_range *range)
{
	const struct mmu_notifier_range___since_5_14 *r = (const void *)range;
	const struct mmu_notifier_range___before_5_14 *old = (const void *)range;

	if (bpf_core_field_exists(r->owner))
		return (u64)BPF_CORE_READ(r, owner);
	if (bpf_core_field_exists(old->migrate_pgmap_owner))
		return (u64)BPF_CORE_READ(old, migrate_pgmap_owner);
	return 0;
}

enum migrate_vma_direction___compound {
	MIGRATE_VMA_SELECT_COMPOUND___compound = 1 << 3,
};

/* May an entry of a source array be a whole huge page? 6.19 */
static __always_inline bool has_compound(void)
{
	return bpf_core_enum_value_exists(enum migrate_vma_direction___compound,
					  MIGRATE_VMA_SELECT_COMPOUND___compound);
}

/* Two-pass invalidation, in 7.2 and not in 6.12. */
struct mmu_interval_notifier_ops___two_pass {
	void *invalidate_start;
	void *invalidate_finish;
} __attribute__((preserve_access_index));

/* The function of an interval notifier that the kernel calls. */
static __always_inline u64 interval_function(u64 ops)
{
	struct mmu_interval_notifier_ops *o = (void *)ops;
	struct mmu_interval_notifier_ops___two_pass *two = (void *)ops;
	u64 function = 0;

	/* Two passes: the second only finishes what the first began. 7.2 */
	if (bpf_core_field_exists(two->invalidate_start))
		function = (u64)BPF_CORE_READ(two, invalidate_start);
	return function ? function : (u64)BPF_CORE_READ(o, invalidate);
}

/* Its second pass; 0: it has none. */
static __always_inline u64 second_pass_function(u64 ops)
{
	struct mmu_interval_notifier_ops___two_pass *two = (void *)ops;

	if (bpf_core_field_exists(two->invalidate_start) && BPF_CORE_READ(two, invalidate_start))
		return (u64)BPF_CORE_READ(two, invalidate_finish);
	return 0;
}

/* invalidate_range became arch_invalidate_secondary_tlbs in 6.6 (1af5a8109904). */
struct mmu_notifier_ops___tlbs {
	void *invalidate_range;
	void *arch_invalidate_secondary_tlbs;
} __attribute__((preserve_access_index));

/* Not in every kernel. */
struct mmu_notifier_ops___change_pte {
	void *change_pte;
} __attribute__((preserve_access_index));

/* A function of mmu_notifier_ops, 0 where it has none or this kernel knows of none. */
#define NOTIFIER_OP(ops, field) \
	(bpf_core_field_exists((ops)->field) ? (u64)BPF_CORE_READ(ops, field) : 0)

/* The task whose memory this is; mm->owner exists with CONFIG_MEMCG only. */
static __always_inline struct task_struct *mm_owner(struct mm_struct *mm)
{
	if (bpf_core_field_exists(mm->owner))
		return BPF_CORE_READ(mm, owner);
	return NULL;
}

#endif

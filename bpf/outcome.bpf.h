/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a callback's row gets, whichever way the callback was seen. */
#ifndef MMUSCOPE_OUTCOME_BPF_H
#define MMUSCOPE_OUTCOME_BPF_H

#include "state.bpf.h"

static __always_inline bool may_decline(u32 declines, u32 event)
{
	return declines >> (event & (MMUSCOPE_EVENTS - 1)) & 1;
}

/*
 * Where nothing watched the entry of a callback: a sequence number that is current
 * proves nothing where another invalidation of this mm is open, or was open when
 * ours began: what a second thread may have done meanwhile leaves no trace
 * (measured with two threads: 110 of 10352 wrong if only the first is asked).
 */
static __noinline bool other_window_open(struct mm_struct *mm)
{
	struct task_struct *cur = (void *)bpf_get_current_task();

	return BPF_CORE_READ(mm, notifier_subscriptions, active_invalidate_ranges) > 1 ||
	       BPF_CORE_READ(cur, signal, nr_threads) > 1;
}

/*
 * The driver's structures around a subscription, by the BTF of its module. The
 * names are the kernel's, so that CO-RE finds them in whatever module has them.
 */
struct dmirror {			/* lib/test_hmm.c */
	struct mmu_interval_notifier notifier;
	void *mdevice;
} __attribute__((preserve_access_index));

struct nouveau_drm {			/* drivers/gpu/drm/nouveau, 5.9+ */
	void *dev;
} __attribute__((preserve_access_index));

struct nouveau_cli {
	struct nouveau_drm *drm;
} __attribute__((preserve_access_index));

struct nouveau_vmm {
	struct nouveau_cli *cli;
} __attribute__((preserve_access_index));

struct nouveau_svmm {
	struct mmu_notifier notifier;
	struct nouveau_vmm *vmm;
} __attribute__((preserve_access_index));

struct svm_notifier {			/* nouveau_svm.c: an interval for each fault */
	struct mmu_interval_notifier notifier;
	struct nouveau_svmm *svmm;
} __attribute__((preserve_access_index));

struct ttm_device {
} __attribute__((preserve_access_index));

struct ttm_buffer_object {
	struct ttm_device *bdev;
} __attribute__((preserve_access_index));

struct amdgpu_bo {			/* drivers/gpu/drm/amd, 5.14+ */
	struct ttm_buffer_object tbo;
} __attribute__((preserve_access_index));

struct amdgpu_mman {
	struct ttm_device bdev;
} __attribute__((preserve_access_index));

struct amdgpu_device {
	struct amdgpu_mman mman;
	void *hive;
} __attribute__((preserve_access_index));

struct svm_range_bo {
	struct amdgpu_bo *bo;
} __attribute__((preserve_access_index));

struct svm_range {
	struct mmu_interval_notifier notifier;
	struct svm_range_bo *svm_bo;
} __attribute__((preserve_access_index));

struct drm_pagemap_peer {		/* include/drm/drm_pagemap_util.h, in 7.2 */
	void *owner;
} __attribute__((preserve_access_index));

struct drm_gpuvm {
} __attribute__((preserve_access_index));

struct drm_gpuva {
	struct drm_gpuvm *vm;
} __attribute__((preserve_access_index));

struct xe_vm {				/* drivers/gpu/drm/xe */
	struct drm_gpuvm gpuvm;
	struct {
		struct drm_gpusvm gpusvm;
		struct drm_pagemap_peer peer;
	} svm;
} __attribute__((preserve_access_index));

struct xe_vma {
	struct drm_gpuva gpuva;
} __attribute__((preserve_access_index));

struct xe_userptr {
	struct mmu_interval_notifier notifier;
} __attribute__((preserve_access_index));

struct xe_userptr_vma {
	struct xe_vma vma;
	struct xe_userptr userptr;
} __attribute__((preserve_access_index));

/* The struct of this type around a member, 0 for none. */
#define AROUND(address, type, member) \
	((struct type *)((address) ? (address)-bpf_core_field_offset(struct type, member) : 0))

/* drm->dev, which nouveau has as its owner (nouveau_dmem.c). */
static __always_inline u64 owner_of_nouveau(struct nouveau_svmm *svmm)
{
	return (u64)BPF_CORE_READ(svmm, vmm, cli, drm, dev);
}

/*
 * SVM_ADEV_PGMAP_OWNER() of the device whose memory the range has, or is about to
 * have: svm_range_vram_node_new() comes before the migration (kfd_migrate.c). 0 where
 * all of it is in system memory: then no migration of this driver is going on.
 */
static __always_inline u64 owner_of_amdgpu(struct svm_range *range)
{
	u64 bdev = (u64)BPF_CORE_READ(range, svm_bo, bo, tbo.bdev);
	struct amdgpu_device *adev = AROUND(bdev, amdgpu_device, mman.bdev);
	u64 hive = (u64)BPF_CORE_READ(adev, hive);

	return hive ? hive : (u64)adev;
}

/* xe_svm_private_page_owner() (xe_svm.c). */
static __always_inline u64 owner_of_xe(struct xe_vm *vm)
{
	return (u64)BPF_CORE_READ(vm, svm.peer.owner);
}

/*
 * The owner that the driver compares range->owner with, or would if it opted in;
 * 0: not known. Where nobody has read its source it is that of the migration which
 * the task has open: right for the driver that migrates, and for others that
 * mirror the same memory it counts too much.
 */
static __always_inline u64 own_owner(u32 reader, u64 subscription, struct migration_frame *m)
{
	if (reader == OWNER_TEST_HMM && bpf_core_type_exists(struct dmirror)) {
		struct dmirror *d = AROUND(subscription, dmirror, notifier);

		return (u64)BPF_CORE_READ(d, mdevice);
	}
	if (reader == OWNER_NOUVEAU && bpf_core_type_exists(struct nouveau_svmm))
		return owner_of_nouveau(AROUND(subscription, nouveau_svmm, notifier));
	if (reader == OWNER_NOUVEAU_FAULT && bpf_core_type_exists(struct svm_notifier)) {
		struct svm_notifier *n = AROUND(subscription, svm_notifier, notifier);

		return owner_of_nouveau(BPF_CORE_READ(n, svmm));
	}
	if (reader == OWNER_AMDGPU && bpf_core_type_exists(struct svm_range_bo))
		return owner_of_amdgpu(AROUND(subscription, svm_range, notifier));
	/* The one user of drm_gpusvm in 7.2. */
	if (reader == OWNER_XE_SVM && bpf_core_type_exists(struct drm_pagemap_peer)) {
		struct drm_gpusvm_notifier *n =
			AROUND(subscription, drm_gpusvm_notifier, notifier);
		u64 gpusvm = (u64)BPF_CORE_READ(n, gpusvm);

		return owner_of_xe(AROUND(gpusvm, xe_vm, svm.gpusvm));
	}
	if (reader == OWNER_XE_USERPTR && bpf_core_type_exists(struct drm_pagemap_peer)) {
		struct xe_userptr_vma *v =
			AROUND(subscription, xe_userptr_vma, userptr.notifier);
		u64 vm = (u64)BPF_CORE_READ(v, vma.gpuva.vm);

		return owner_of_xe(AROUND(vm, xe_vm, gpuvm));
	}
	return m ? m->owner : 0;
}

/* Would the driver have declined this invalidation, had it opted in? */
static __noinline bool is_avoidable(u64 range, u32 reader, u64 subscription,
				    struct migration_frame *m)
{
	u64 owner = range_owner((const struct mmu_notifier_range *)range);

	return owner && owner == own_owner(reader, subscription, m);
}

static __noinline u32 size_of(u64 pages)
{
	u32 s = 0;

	/* Most are small, and the loop is shorter than a binary search for them. */
	for (int i = 0; i < MMUSCOPE_SIZES - 1 && pages; i++, s++)
		pages >>= 1;
	return s;
}

/* One callback on its way into its row. */
struct callback_event {
	u64 range;		/* struct mmu_notifier_range * */
	u64 subscription;
	u64 start, end;
	u64 time;		/* ns, 0: not measured */
	u32 event;
	u32 reader;		/* enum mmuscope_owner_reader */
};

/* Adds one callback; `m`: the migration that its task has open, or NULL. */
static __always_inline void count_callback(struct mmuscope_callback_row *row,
					  enum mmuscope_outcome outcome,
					  const struct callback_event *e, struct migration_frame *m)
{
	u64 pages = add_pages(&row->pages, &row->whole, e->start, e->end);

	/* Most are of one page: user space makes size[1] of what is left. */
	if (pages != 1 && (e->end != ~0ULL || e->start))
		(*SLOT(row->size, size_of(pages)))++;

	/* A store each: an index that is not constant would cost more. */
	if (outcome == OUTCOME_PERFORMED) {
		row->outcome[OUTCOME_PERFORMED]++;
		row->pages_performed += pages;
		if (m)
			m->pages_performed += pages;
		if (e->event == MMU_NOTIFY_MIGRATE &&
		    is_avoidable(e->range, e->reader, e->subscription, m)) {
			row->avoidable++;
			row->avoidable_pages += pages;
			row->avoidable_time += e->time;
		}
		barrier();
	} else if (outcome == OUTCOME_SKIPPED) {
		row->outcome[OUTCOME_SKIPPED]++;
		barrier();
	} else {
		(*SLOT(row->outcome, outcome))++;
	}
}

#endif

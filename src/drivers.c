// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "drivers.h"

#include <stdio.h>
#include <string.h>

#define OUT_OF_TREE "-"

/*
 * What a driver may decline, its work function and its owner, read in the sources of
 * Linux 6.1 and 7.2; nvidia-uvm and what is older than 6.1 are known by name only.
 * 5.10 is the oldest Linux that this tool is for: what is older than that has no
 * `since`.
 *
 * Subscribers that have no callback at the start of a notification are not here:
 * those of IOMMU SVA (mmu_notifier_ops.invalidate_range up to 6.5,
 * .arch_invalidate_secondary_tlbs since) are called where the CPU flushes its TLB,
 * with addresses instead of a notification, and SGX and amdkfd only at the end of
 * the address space. `mmuscope subscribers` shows them.
 */
const struct driver_callback driver_callbacks[] = {
	/*
	 * lib/test_hmm.c: up to 5.8 acts on all, later declines its own MIGRATE.
	 * dmirror_do_update() is inlined on a stock kernel.
	 */
	{ "dmirror_interval_invalidate", "test_hmm", KIND_INTERVAL,
	  .work = "dmirror_do_update", .declines = DECLINES_MIGRATE, .owner = OWNER_TEST_HMM },
	/* Short-lived, for HMM_DMIRROR_SNAPSHOT: only sets the sequence number, always. */
	{ "dmirror_snapshot_invalidate", "test_hmm", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .owner = OWNER_TEST_HMM },

	/* virt/kvm/kvm_main.c: takes every range on, whether a memslot is in it or not. */
	{ "kvm_mmu_notifier_invalidate_range_start", "kvm", KIND_NOTIFIER,
	  .declines = DECLINES_NOTHING },

	/*
	 * drivers/gpu/drm/nouveau/nouveau_svm.c: its own MIGRATE since 5.9. What it does
	 * is one nvif_object_mthd(), in nouveau_svmm_invalidate(), which the compiler
	 * inlines.
	 */
	{ "nouveau_svmm_invalidate_range_start", "nouveau", KIND_NOTIFIER,
	  .work = "nvif_object_mthd", .declines = DECLINES_MIGRATE, .owner = OWNER_NOUVEAU,
	  .option = "CONFIG_DRM_NOUVEAU_SVM" },
	/* For the length of a fault: its own EXCLUSIVE, 5.14+. */
	{ "nouveau_svm_range_invalidate", "nouveau", KIND_INTERVAL,
	  .declines = DECLINES_EXCLUSIVE, .owner = OWNER_NOUVEAU_FAULT,
	  .option = "CONFIG_DRM_NOUVEAU_SVM" },

	/* drivers/gpu/drm/amd/amdkfd/kfd_svm.c: nothing to do for a RELEASE. */
	{ "svm_range_cpu_invalidate_pagetables", "amdgpu", KIND_INTERVAL,
	  .declines = DECLINES_RELEASE, .owner = OWNER_AMDGPU, .since = "5.14",
	  .option = "CONFIG_HSA_AMD_SVM" },
	/* amdgpu_mn.c, amdgpu_hmm.c: fail where they may not block, take all else on. */
	{ "amdgpu_mn_invalidate_gfx", "amdgpu", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .until = "6.1" },
	{ "amdgpu_mn_invalidate_hsa", "amdgpu", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .until = "6.1" },
	{ "amdgpu_hmm_invalidate_gfx", "amdgpu", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = "6.2" },
	{ "amdgpu_hmm_invalidate_hsa", "amdgpu", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = "6.2" },

	/*
	 * drivers/gpu/drm/radeon/radeon_mn.c: nothing to do for what the GPU has not
	 * bound; else it moves the buffer out, with one call of the work function.
	 */
	{ "radeon_mn_invalidate", "radeon", KIND_INTERVAL,
	  .work = "radeon_ttm_placement_from_domain", .declines = DECLINES_UNKNOWN,
	  .no_sequence = true, .option = "CONFIG_DRM_RADEON_USERPTR" },

	/* drivers/gpu/drm/i915/gem/i915_gem_userptr.c */
	{ "i915_gem_userptr_invalidate", "i915", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = "5.13", .option = "CONFIG_DRM_I915_USERPTR" },
	{ "userptr_mn_invalidate_range_start", "i915", KIND_NOTIFIER,
	  .declines = DECLINES_UNKNOWN, .until = "5.12" },

	/* drivers/gpu/drm/xe/xe_userptr.c: the first pass sets the sequence number. */
	{ "vma_userptr_invalidate", "xe", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = "6.8", .until = "7.1" },
	{ "xe_vma_userptr_invalidate_start", "xe", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .owner = OWNER_XE_USERPTR,
	  .second_pass = "xe_vma_userptr_invalidate_finish", .since = "7.2" },
	/* drivers/gpu/drm/drm_gpusvm.c, for xe_svm_invalidate(). */
	{ "drm_gpusvm_notifier_invalidate", "drm_gpusvm_helper", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .owner = OWNER_XE_SVM, .since = "6.15" },

	/* uvm_hmm.c: MIGRATE and EXCLUSIVE of its own, and anything of a dead block. */
	{ "uvm_hmm_invalidate_entry", "nvidia_uvm", KIND_INTERVAL,
	  .declines = DECLINES_UNKNOWN, .since = OUT_OF_TREE },
	{ "hmm_split_invalidate_entry", "nvidia_uvm", KIND_INTERVAL,
	  .declines = DECLINES_UNKNOWN, .since = OUT_OF_TREE },
	/* uvm_ats_faults.c: only sets the sequence number, always. */
	{ "uvm_ats_invalidate_notifier_entry", "nvidia_uvm", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = OUT_OF_TREE },

	/* drivers/infiniband/hw/mlx5/odp.c, sw/rxe/rxe_odp.c: as amdgpu's userptr. */
	{ "mlx5_ib_invalidate_range", "mlx5_ib", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .option = "CONFIG_INFINIBAND_ON_DEMAND_PAGING" },
	{ "rxe_ib_invalidate_range", "rdma_rxe", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = "6.14",
	  .option = "CONFIG_INFINIBAND_ON_DEMAND_PAGING" },

	/* drivers/infiniband/hw/hfi1/mmu_rb.c: forgets what is in the range, if anything. */
	{ "mmu_notifier_range_start", "hfi1", KIND_NOTIFIER,
	  .declines = DECLINES_NOTHING },
	/*
	 * user_exp_rcv.c: both act on UNMAP alone. The first one's work is one
	 * hfi1_put_tid(), if that was not done before.
	 */
	{ "tid_rb_invalidate", "hfi1", KIND_INTERVAL,
	  .work = "hfi1_put_tid", .declines = DECLINES_UNKNOWN, .no_sequence = true },
	{ "tid_cover_invalidate", "hfi1", KIND_INTERVAL,
	  .declines = DECLINES_ALL_BUT_UNMAP, .since = "6.2" },

	/* drivers/accel/amdxdna/amdxdna_gem.c, drivers/hv/mshv_regions.c, read in 7.2. */
	{ "amdxdna_hmm_invalidate", "amdxdna", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = "6.14" },
	{ "mshv_region_interval_invalidate", "mshv_root", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .since = "7.0" },
	/* drivers/xen/gntdev.c: its range is the interval's, so nothing lies beside it. */
	{ "gntdev_invalidate", "xen_gntdev", KIND_INTERVAL,
	  .declines = DECLINES_NOTHING, .no_sequence = true },
	/* drivers/misc/sgi-gru/grutlbpurge.c */
	{ "gru_invalidate_range_start", "gru", KIND_NOTIFIER,
	  .declines = DECLINES_NOTHING },
};

const size_t driver_callback_count = sizeof(driver_callbacks) / sizeof(driver_callbacks[0]);

const struct driver_callback *driver__find(const char *symbol, const char *module)
{
	for (size_t i = 0; i < driver_callback_count; i++) {
		const struct driver_callback *d = &driver_callbacks[i];

		if (!strcmp(d->symbol, symbol) && (!module[0] || !strcmp(d->module, module)))
			return d;
	}
	return NULL;
}

void driver__kernels(const struct driver_callback *d, char *out, size_t size)
{
	const char *option = d->option ? d->option : "";
	const char *with = d->option ? "with " : "";
	const char *comma = d->option ? ", " : "";

	if (d->since && !strcmp(d->since, OUT_OF_TREE))
		snprintf(out, size, "out of tree%s%s%s", comma, with, option);
	else if (d->since && d->until)
		snprintf(out, size, "Linux %s to %s%s%s%s", d->since, d->until, comma, with,
			 option);
	else if (d->since)
		snprintf(out, size, "Linux %s and later%s%s%s", d->since, comma, with, option);
	else if (d->until)
		snprintf(out, size, "Linux up to %s%s%s%s", d->until, comma, with, option);
	else
		snprintf(out, size, "%s%s", with, option);
}

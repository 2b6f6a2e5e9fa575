// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "drivers.h"

#include <string.h>

/* What a driver may decline, and its work function, as of Linux 6.1 but where it says so. */
const struct driver_callback driver_callbacks[] = {
	/*
	 * lib/test_hmm.c, 5.8+: up to 5.8 acts on all, later declines its own MIGRATE.
	 * dmirror_do_update() is inlined on a stock kernel.
	 */
	{ "dmirror_interval_invalidate", "test_hmm", KIND_INTERVAL, "dmirror_do_update",
	  DECLINES_MIGRATE, OWNER_TEST_HMM, NULL },
	/* Short-lived, for HMM_DMIRROR_SNAPSHOT: only sets the sequence number, always. */
	{ "dmirror_snapshot_invalidate", "test_hmm", KIND_INTERVAL, NULL, DECLINES_NOTHING,
	  OWNER_TEST_HMM, NULL },
	/* virt/kvm/kvm_main.c: takes every range on, whether a memslot is in it or not. */
	{ "kvm_mmu_notifier_invalidate_range_start", "kvm", KIND_NOTIFIER, NULL, DECLINES_NOTHING,
	  OWNER_OF_MIGRATION, NULL },
	/* drivers/gpu/drm/nouveau/nouveau_svm.c: its own MIGRATE since 5.9. */
	{ "nouveau_svmm_invalidate_range_start", "nouveau", KIND_NOTIFIER,
	  "nouveau_svmm_invalidate", DECLINES_MIGRATE, OWNER_NOUVEAU, NULL },
	/* The same file: EXCLUSIVE of its own while it makes a page exclusive, 5.14+. */
	{ "nouveau_svm_range_invalidate", "nouveau", KIND_INTERVAL, NULL, DECLINES_EXCLUSIVE,
	  OWNER_OF_MIGRATION, NULL },
	/* drivers/gpu/drm/amd/amdkfd/kfd_svm.c, 5.14+: nothing to do for a RELEASE. */
	{ "svm_range_cpu_invalidate_pagetables", "amdgpu", KIND_INTERVAL, NULL, DECLINES_RELEASE,
	  OWNER_OF_MIGRATION, NULL },
	/* These may fail where they must not block, and take everything else on. */
	{ "amdgpu_mn_invalidate_gfx", "amdgpu", KIND_INTERVAL, NULL, DECLINES_NOTHING,
	  OWNER_OF_MIGRATION, NULL },
	{ "amdgpu_mn_invalidate_hsa", "amdgpu", KIND_INTERVAL, NULL, DECLINES_NOTHING,
	  OWNER_OF_MIGRATION, NULL },
	{ "i915_gem_userptr_invalidate", "i915", KIND_INTERVAL, NULL, DECLINES_NOTHING,
	  OWNER_OF_MIGRATION, NULL },
	{ "mlx5_ib_invalidate_range", "mlx5_ib", KIND_INTERVAL, NULL, DECLINES_NOTHING,
	  OWNER_OF_MIGRATION, NULL },
	/* drivers/infiniband/sw/rxe/rxe_odp.c, 6.15+; read in 7.2. */
	{ "rxe_ib_invalidate_range", "rdma_rxe", KIND_INTERVAL, NULL, DECLINES_NOTHING,
	  OWNER_OF_MIGRATION, NULL },
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

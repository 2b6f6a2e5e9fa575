// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "drivers.h"

#define EVENT_MIGRATE 6	/* MMU_NOTIFY_MIGRATE, include/linux/mmu_notifier.h, 5.9+ */

const struct driver_callback driver_callbacks[] = {
	/*
	 * lib/test_hmm.c, 5.8+: up to 5.8 acts on all, later declines its own MIGRATE.
	 * dmirror_do_update() is inlined on a stock kernel.
	 */
	{ "dmirror_interval_invalidate", "test_hmm", "interval", "dmirror_do_update",
	  1U << EVENT_MIGRATE },
	/* Short-lived, for HMM_DMIRROR_SNAPSHOT: only sets the sequence number, always. */
	{ "dmirror_snapshot_invalidate", "test_hmm", "interval", NULL, 0 },
};

const size_t driver_callback_count = sizeof(driver_callbacks) / sizeof(driver_callbacks[0]);

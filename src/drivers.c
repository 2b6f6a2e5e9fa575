// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "drivers.h"

const struct driver_callback driver_callbacks[] = {
	/* lib/test_hmm.c, 5.8+. dmirror_do_update() is inlined on a stock kernel. */
	{ "dmirror_interval_invalidate", "test_hmm", "interval", "dmirror_do_update" },
	/* Short-lived, for HMM_DMIRROR_SNAPSHOT: only sets the sequence number. */
	{ "dmirror_snapshot_invalidate", "test_hmm", "interval", NULL },
};

const size_t driver_callback_count = sizeof(driver_callbacks) / sizeof(driver_callbacks[0]);

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_DRIVERS_H
#define MMUSCOPE_DRIVERS_H

#include <stddef.h>

/*
 * A driver callback that can be watched by name. All are static data, owned by
 * the table.
 */
struct driver_callback {
	const char *symbol;
	const char *module;	/* where the symbol lives */
	const char *kind;	/* "interval": mmu_interval_notifier_ops.invalidate */
	const char *work;	/* touches the device; called inside the callback; or NULL */
	/*
	 * Events that it may decline, 1 << enum mmu_notifier_event: read from its
	 * source, all bits where nobody has. Used where there is no work function
	 * and the sequence number says nothing, see bpf/callbacks.bpf.c.
	 */
	unsigned int declines;
};

extern const struct driver_callback driver_callbacks[];
extern const size_t driver_callback_count;

#endif

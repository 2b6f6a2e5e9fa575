/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_DRIVERS_H
#define MMUSCOPE_DRIVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/mmuscope.h"

/*
 * What is known of a driver's callback from its source. All are static data,
 * owned by the table. A callback that is not here is found all the same when
 * something subscribes with it, and has the defaults.
 */
struct driver_callback {
	const char *symbol;
	const char *module;	/* where the symbol lives; "": the kernel itself */
	const char *kind;	/* KIND_INTERVAL or KIND_NOTIFIER */
	/*
	 * Touches the device; called inside the callback, once or more where it
	 * acts and never where it declines; or NULL. In another file of the driver
	 * than the callback, so that no compiler inlines it there.
	 */
	const char *work;
	/*
	 * Events that it may decline, 1 << enum mmu_notifier_event: read from its
	 * source, DECLINES_UNKNOWN where nobody has. Used where there is no work
	 * function and the sequence number says nothing, see bpf/callbacks.bpf.c.
	 */
	unsigned int declines;
	enum mmuscope_owner_reader owner;
	/* .invalidate_finish of a two-pass notifier, whose first pass `symbol` is; or NULL. */
	const char *second_pass;
	/* Releases of Linux that have it, both included; NULL: no end to that side. */
	const char *since, *until;
	const char *option;	/* of the kernel's configuration, without which it is not built */
	/* An interval notifier that never calls mmu_interval_set_seq(). */
	bool no_sequence;
};

#define KIND_INTERVAL "interval"	/* mmu_interval_notifier_ops.invalidate */
#define KIND_NOTIFIER "notifier"	/* mmu_notifier_ops.invalidate_range_start */

/* Of enum mmu_notifier_event, include/linux/mmu_notifier.h. */
#define DECLINES_NOTHING 0
#define DECLINES_RELEASE (1U << 5)
#define DECLINES_MIGRATE (1U << 6)	/* 5.9+ */
#define DECLINES_EXCLUSIVE (1U << 7)	/* 5.14+ */
#define DECLINES_ALL_BUT_UNMAP (~1U)
#define DECLINES_UNKNOWN (~0U)

extern const struct driver_callback driver_callbacks[];
extern const size_t driver_callback_count;

/* By name and module; the module is not asked for where `module` is "". NULL: unknown. */
const struct driver_callback *driver__find(const char *symbol, const char *module);

/*
 * Who has it: "Linux 5.14 and later", "Linux up to 6.1", "Linux 6.8 to 6.12"; "out of
 * tree" for what is in no Linux; "" where every release that this tool is for has it.
 * With an option ", with CONFIG_..." follows, or stands alone.
 */
void driver__kernels(const struct driver_callback *driver, char *out, size_t size);

#endif

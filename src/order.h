/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_ORDER_SESSION_H
#define MMUSCOPE_ORDER_SESSION_H

/* The order of migrations, notifications and device faults on a range of this process. */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/order.h"
#include "surface.h"

struct order;

/*
 * Loads and attaches what watches [from, to). 0; -errno where that cannot be seen here,
 * after one sentence where loader__check() has one. order__free() in any case.
 */
int order__open(struct order **out, __u64 from, __u64 to);
void order__free(struct order *o);

/* Records from now on, or no more. */
void order__record(struct order *o, bool on);

/*
 * The records since the last call, by time. Owned by `o`, until the next call. *lost:
 * how many there was no room for. -errno: out of memory.
 */
int order__take(struct order *o, const struct order_record **records, size_t *count, __u64 *lost);

/* Its programs, for surface__read(). */
void order__object(struct surface_object *object);

#endif

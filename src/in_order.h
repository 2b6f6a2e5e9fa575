/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_IN_ORDER_H
#define MMUSCOPE_IN_ORDER_H

/* Records of several CPUs, put into the order of their time. Plain data. */
#include "bpf/records.h"

/*
 * A program takes its time before it writes its record: what is older than this when the
 * rings are read is in them. A millisecond, where a program runs for one of a thousand.
 */
#define IN_ORDER_NS 1000000

struct in_order;

/* NULL: no memory. */
struct in_order *in_order__new(void);

/* Copies the record, all its slots. Those of equal time stay in the order of being added. */
int in_order__add(struct in_order *o, const struct mmuscope_record *rec);

/*
 * Gives all that ended at or before `until` (ns) by time, and forgets it. Returns 0, or
 * what take() returned: what follows that record stays.
 */
int in_order__give(struct in_order *o, __u64 until,
		   int (*take)(void *ctx, const struct mmuscope_record *rec), void *ctx);

/* How many slots of 64 bytes a record of this kind takes. */
unsigned int record__slots(unsigned int kind);

/* NULL is legal. */
void in_order__free(struct in_order *o);

#endif

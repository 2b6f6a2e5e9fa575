/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_REFAULTS_H
#define MMUSCOPE_REFAULTS_H

/*
 * Refault chains: a driver drops a range, and its device faults for it again. From each
 * performed callback to the first device fault of the same process that ended after it,
 * found pages, and overlaps its range. Only of interval notifiers: a fault is
 * hmm_range_fault(), and KVM and others with a plain notifier map again by ways of their own.
 */
#include "bpf/records.h"
#include "names.h"
#include "view.h"

/* One chain, as it is found. */
struct refault {
	__u64 dropped_ns;	/* the end of the callback, which with its task tells it from */
	__u32 dropped_by;	/* all others */
	__u64 dropped_begin;	/* and its begin, record__begin() */
	__u64 from, to;		/* that both have */
	__u64 ns;		/* until the fault began; 0 where it had begun before */
	const struct mmuscope_record *fault;
};

struct refaults;

/*
 * `names` tell the kind of a callback, and must outlive it. `found` may be NULL; a value
 * other than 0 ends refaults__add() with it.
 */
struct refaults *refaults__new(const struct names *names,
			       int (*found)(void *ctx, const struct refault *r), void *ctx);

/* Any record, in order of time. 0, -ENOMEM or what found() returned. */
int refaults__add(struct refaults *rf, const struct mmuscope_record *rec);

/* One row for each process and callback that dropped something. New; NULL: no memory. */
struct view *refaults__view(const struct refaults *rf);

/* NULL is legal. */
void refaults__free(struct refaults *rf);

#endif

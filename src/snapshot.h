/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SNAPSHOT_H
#define MMUSCOPE_SNAPSHOT_H

/*
 * What the counters said at one moment, summed over CPUs. Plain data: no BPF
 * behind it, so that what prints and checks it can be tested without a kernel.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bpf/mmuscope.h"

struct snapshot {
	struct mmuscope_row *rows;
	size_t row_count, row_room;
	struct mmuscope_callback_row *callbacks;
	size_t callback_count, callback_room;
	__u64 total[TOTAL_MAX];
	__u64 recursion;	/* runs that the kernel skipped because one was under way */
};

/* Frees what the snapshot owns and empties it. Legal on an empty (zeroed) one. */
void snapshot__clear(struct snapshot *snap);

/* Room for as many rows in all: what is known beforehand need not be moved. 0 or -ENOMEM. */
int snapshot__reserve(struct snapshot *snap, size_t rows, size_t callbacks);

/*
 * now - earlier into `diff`, which is overwritten: row by row and total by total, without
 * rows that come out without any count. Latency minimum and maximum cannot be subtracted
 * and become 0 where `earlier` had the row. `earlier` must be of the same session: its rows
 * are then among those of `now`, in the same order, which is what makes this linear.
 * Returns 0 or -ENOMEM.
 */
int snapshot__difference(struct snapshot *diff, const struct snapshot *now,
			 const struct snapshot *earlier);

/* Appends an empty row with this key (as the kernel side would). NULL: no memory. */
struct mmuscope_row *snapshot__add_row(struct snapshot *snap, const struct mmuscope_row_key *key);
struct mmuscope_callback_row *snapshot__add_callback(struct snapshot *snap,
						     const struct mmuscope_row_key *key);

/* Sum of all outcomes of a callback row: the callbacks delivered. */
__u64 callback_row__delivered(const struct mmuscope_callback_row *row);

/* Sums over all rows, what the workloads and the tables' last lines speak of. */
struct snapshot_sums {
	__u64 notifications, notification_pages;
	__u64 delivered, outcome[OUTCOME_MAX], callback_pages, pages_performed;
	__u64 avoidable, avoidable_pages;
	/* Inside migrations and of no owner: what no driver can decline. */
	__u64 ownerless, ownerless_pages;
	__u64 migrations, asked, collected, migrated, compound, excess;
	__u64 migration_time[DIR_MAX];	/* ns */
	__u64 faults, fault_pages, fault_retries;
};
void snapshot__sum(const struct snapshot *snap, struct snapshot_sums *sums);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECOUNT_H
#define MMUSCOPE_RECOUNT_H

/*
 * Counts records as the kernel side counts what they are of, so that a recording gives
 * the snapshot that its counters gave: bpf/outcome.bpf.h, callbacks.bpf.c,
 * notifications.bpf.c, migrations.bpf.c and faults.bpf.c say how. Pure functions.
 */
#include "bpf/records.h"
#include "keyed.h"
#include "names.h"
#include "snapshot.h"

struct recount {
	const struct names *names;	/* tell the whole start of a process */
	struct snapshot snap;		/* rows by their first record */
	__u64 kept[RECORD_KINDS];	/* records */
	__u64 failed;			/* migrations whose setup failed: they are in no row */
	__u64 first_ns, last_ns;
	/* Apart: a callback and its notification each find what was got last. */
	struct keyed starts, rows, callback_rows;
};

void recount__init(struct recount *rc, const struct names *names);

/* Returns 0 or -ENOMEM. */
int recount__add(struct recount *rc, const struct mmuscope_record *rec);

void recount__clear(struct recount *rc);

#endif

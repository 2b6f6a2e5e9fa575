/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_MOVES_H
#define MMUSCOPE_MOVES_H

/*
 * Migrations of a recording: the longest, those with the most excess pages, and the
 * reason for every page that did not migrate.
 */
#include "bpf/records.h"
#include "keyed.h"
#include "names.h"
#include "view.h"

enum moves_order {
	MOVES_BY_DURATION,
	MOVES_BY_EXCESS,
	MOVES_ORDERS,
};

struct moves {
	size_t top;		/* how many of each order are kept */
	struct mmuscope_record_migration *kept[MOVES_ORDERS]; /* the first in order first */
	size_t count[MOVES_ORDERS];
	struct keyed pages;	/* by direction and owner */
};

/* Returns 0 or -ENOMEM. */
int moves__init(struct moves *m, size_t top);

/* Those whose setup failed have no pages to speak of, and are passed over. 0 or -ENOMEM. */
int moves__add(struct moves *m, const struct mmuscope_record_migration *rec);

/* Pages in performed invalidations of a migration, less those that it migrated. */
__u64 migration__excess(const struct mmuscope_record_migration *rec);

/* `zero_ns`: the recording's beginning. Each is new; NULL: no memory. */
struct view *moves__top(const struct moves *m, enum moves_order order, struct names *names,
			__u64 zero_ns);
struct view *moves__unmoved(const struct moves *m, struct names *names);

struct moves_sum {
	__u64 asked, migrated, unmoved; /* the last with a reason */
};
struct moves_sum moves__sum(const struct moves *m);

void moves__clear(struct moves *m);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_GROUPS_H
#define MMUSCOPE_GROUPS_H

/* `report --by KEY,...`: the counts of a recording, for each group of its activities. */
#include <stdbool.h>

#include "activity.h"
#include "keyed.h"
#include "names.h"
#include "recording.h"
#include "view.h"

enum group_key {
	GROUP_PROCESS,
	GROUP_DRIVER,	/* a notification is in the group of each that it called */
	GROUP_EVENT,
	GROUP_PHASE,
	GROUP_CAUSE,
	GROUP_OWNER,	/* of the notification, else of the migration that it is in */
	GROUP_ADDRESS,	/* 2 MiB; what touches several is in the group of each */
	GROUP_SLICE,	/* of time, in which it ended */
	GROUP_KEYS,
};

/* "process", ...; GROUP_KEYS for a word that is none. */
enum group_key group_key__parse(const char *word, size_t len);
const char *group_key__name(enum group_key key);

struct groups {
	enum group_key by[GROUP_KEYS];
	size_t by_count;
	__u64 slice_ns;
	__u64 zero_ns;		/* where the first slice begins; set by the caller */
	const struct recording_info *info;
	struct keyed groups, causes, cause_names;
	struct view_column columns[GROUP_KEYS + 32];
};

/*
 * An address means nothing without its process, which is added to the keys. Each key at most
 * once. Returns 0 or -ENOMEM.
 */
int groups__init(struct groups *g, const enum group_key *by, size_t by_count, __u64 slice_ns,
		 const struct recording_info *info);

/* With all that is in it. Returns 0 or -ENOMEM. */
int groups__add(struct groups *g, const struct activity *a);

/*
 * Where slices are a key all in the order of the keys, else most notifications first; no
 * more than `top`. New; NULL: no memory. To be freed before the groups.
 */
struct view *groups__view(struct groups *g, struct names *names, size_t top);

void groups__clear(struct groups *g);

#endif

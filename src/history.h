/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_HISTORY_H
#define MMUSCOPE_HISTORY_H

/*
 * All that a recording says, from its records in order of time: the counters once more,
 * and the views. Pure functions over plain data.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "activity.h"
#include "groups.h"
#include "moves.h"
#include "pingpong.h"
#include "recording.h"
#include "recount.h"
#include "refaults.h"
#include "report.h"

/*
 * Who else makes something of what is put together here: a timeline, stacks. Records come
 * by time, as they are read. A refault is told as soon as its fault is there; the activity
 * that dropped the range may come later, with the migration that it is in.
 */
struct history_sink {
	/* Any may be NULL; a value other than 0 ends history__add() with it. */
	int (*record)(void *ctx, const struct mmuscope_record *rec);
	int (*activity)(void *ctx, const struct activity *a);	/* as activities__new() has it */
	int (*refault)(void *ctx, const struct refault *r);	/* as refaults__new() has it */
	void *ctx;
};

#define HISTORY_SINKS 4

struct history_options {
	enum group_key by[GROUP_KEYS];
	size_t by_count;	/* 0: no groups */
	__u64 slice_ns;
	size_t top;		/* rows of what has many */
	bool all_groups;	/* of groups all rows */
	struct history_sink sinks[HISTORY_SINKS];
	size_t sink_count;
};

struct history {
	const struct recording_info *info;
	struct history_options options;
	struct names names;	/* the recording's, and a number for each owner without a name */
	struct recount counts;
	struct activities *activities;
	struct refaults *refaults;
	struct pingpong pingpong;
	struct moves moves;
	struct groups groups;
	__u64 orphans;		/* activities whose parent is not there */
};

/* `info` must outlive it. Returns 0 or -ENOMEM; to be cleared either way. */
int history__init(struct history *h, const struct recording_info *info,
		  const struct history_options *options);

/* A record with all its slots, in order of time. Returns 0, -ENOMEM or what a sink returned. */
int history__add(struct history *h, const struct mmuscope_record *rec);

/* After the last. As history__add(). */
int history__finish(struct history *h);

void history__clear(struct history *h);

/* ---- what it comes to: history_check.c ---- */

struct history_result {
	struct report report;	/* its parts belong to the history, the recording and this */
	struct invariant invariants[INVARIANTS_MAX];
	size_t invariant_count, broken;
	char not_compared[200];	/* why with no counters; "" where it was */
	const struct recording_damage *damage;
};

/*
 * Compares what was kept and lost with what the counters said, and brings the rows into
 * their order. After history__finish(). Returns 0 or -ENOMEM.
 */
int history__check(struct history *h, const struct recording_damage *damage,
		   struct history_result *result);

/* ---- how it is told: history_report.c ---- */

enum history_view {
	HISTORY_UNMOVED,
	HISTORY_LONGEST,
	HISTORY_MOST_EXCESS,
	HISTORY_REFAULTS,
	HISTORY_PINGPONG,
	HISTORY_GROUPS,		/* only where there are keys */
	HISTORY_VIEWS,
};

/* The heading above its table. */
const char *history_view__title(enum history_view view);

/* Its rows. To be freed before the history; NULL: no memory. */
struct view *history__view(struct history *h, enum history_view view);

/* A mmuscope-report/1 object. New reference; NULL: no memory. */
json_t *history__json(struct history *h, const struct history_result *result);

/* The tables of stat, and behind them those of every view. Returns 0 or -errno. */
int history__print(struct history *h, const struct history_result *result, FILE *out);

/* The sections of mmuscope-stat/1 of these records. New reference; NULL: no memory. */
json_t *history__stat_json(const struct history *h, const struct report *report);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_METRICS_H
#define MMUSCOPE_METRICS_H

/*
 * Every count that a result holds, as data: where it stands in the JSON, what
 * it is called in a table and in an expression, and whether less is better.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parts of a mmuscope-stat/1 object that hold counts. */
enum metric_section {
	SECTION_NOTIFICATIONS,
	SECTION_CALLBACKS,
	SECTION_MIGRATIONS,
	SECTION_FAULTS,
	SECTION_COUNT,
};

enum metric_id {
	METRIC_NOTIFICATIONS,
	METRIC_NOTIFICATION_PAGES,
	METRIC_NOTIFICATIONS_FAILED,
	METRIC_DELIVERED,
	METRIC_PERFORMED,
	METRIC_SKIPPED,
	METRIC_FAILED,
	METRIC_UNDETERMINED,
	METRIC_AVOIDABLE,
	METRIC_CALLBACK_PAGES,
	METRIC_PAGES_PERFORMED,
	METRIC_MIGRATIONS,
	METRIC_MIGRATION_PAGES,
	METRIC_COLLECTED,
	METRIC_MIGRATED,
	METRIC_EXCESS,
	METRIC_REFAULTS,
	METRIC_FAULT_PAGES,
	METRIC_FAULT_RETRIES,
	METRIC_COUNT,
};

struct metric {
	const char *name;    /* in diff's JSON, in --fail-on and in a bench's checks */
	const char *heading; /* for a table; "\n" begins another heading line */
	const char *noun;    /* in a sentence: "excess pages fell from 2 to 0" */
	const char *unit;
	const char *better; /* "lower", "higher" or "none" */
	enum metric_section section;
	const char *field; /* its key in a row of that section */
	const char *ours;  /* its key in a bench sample's "ours"; NULL: not there */
	bool summary;	   /* a column of the summary table */
};

/* Indexed by enum metric_id. */
extern const struct metric metrics[METRIC_COUNT];

/* The section's key in the JSON ("callbacks"). */
const char *metric_section__name(enum metric_section section);

/* The metric with the JSON name `name`, or METRIC_COUNT where there is none. */
enum metric_id metric__find(const char *name);

/*
 * A count is 0 or more, or it could not be observed; the second is never 0.
 */
#define COUNT_UNKNOWN ((int64_t)-1)

/* The sum; unknown where either is, INT64_MAX where it would not fit. */
int64_t count__add(int64_t a, int64_t b);

#endif

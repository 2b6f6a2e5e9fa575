// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Works out again whatever can be, so that a result need not be believed. */
#include "result.h"

#include "result_observer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being verified, for the beginning of each sentence. */
struct verification {
	struct sentences *broken;
	const char *path;
	const char *title; /* of the case */
	int err; /* the first -ENOMEM */
};

__attribute__((format(printf, 2, 3))) static void complain(struct verification *v, const char *fmt,
							   ...)
{
	char *text = NULL;
	va_list ap;
	int len, err;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	err = len < 0 ? -ENOMEM : sentences__add(v->broken, "%s: %s: %s.", v->path, v->title, text);
	if (len >= 0)
		free(text);
	if (err && !v->err)
		v->err = err;
}

/* The sum of the four outcomes; unknown where one is. */
static int64_t outcomes(const int64_t *count)
{
	return count__add(count__add(count[METRIC_PERFORMED], count[METRIC_SKIPPED]),
			  count__add(count[METRIC_FAILED], count[METRIC_UNDETERMINED]));
}

static bool differ(int64_t a, int64_t b)
{
	return a != COUNT_UNKNOWN && b != COUNT_UNKNOWN && a != b;
}

static bool exceeds(int64_t a, int64_t b)
{
	return a != COUNT_UNKNOWN && b != COUNT_UNKNOWN && a > b;
}

/* delivered = performed + skipped + failed + undetermined, in row or sample `what`. */
static void verify_outcomes(struct verification *v, const int64_t *count, const char *what)
{
	if (!differ(count[METRIC_DELIVERED], outcomes(count)))
		return;
	complain(v,
		 "%s: delivered %" PRId64 " is not performed %" PRId64 " + skipped %" PRId64
		 " + failed %" PRId64 " + undetermined %" PRId64,
		 what, count[METRIC_DELIVERED], count[METRIC_PERFORMED], count[METRIC_SKIPPED],
		 count[METRIC_FAILED], count[METRIC_UNDETERMINED]);
}

static void verify_order(struct verification *v, const int64_t *count, enum metric_id less,
			 enum metric_id more, const char *what)
{
	if (exceeds(count[less], count[more]))
		complain(v, "%s: %s %" PRId64 " is more than %s %" PRId64, what,
			 metrics[less].field, count[less], metrics[more].field, count[more]);
}

static void verify_callback(struct verification *v, const struct result_row *row)
{
	const struct result_latency *latency = &row->latency;
	const int64_t *count = row->count;
	char *what;

	if (asprintf(&what, "callback %s in phase %s of process %" PRId64, row->symbol, row->phase,
		     row->pid) < 0) {
		v->err = -ENOMEM;
		return;
	}
	verify_outcomes(v, count, what);
	verify_order(v, count, METRIC_PAGES_PERFORMED, METRIC_CALLBACK_PAGES, what);
	verify_order(v, count, METRIC_AVOIDABLE, METRIC_PERFORMED, what);
	if (row->has_latency && differ(latency->count, count[METRIC_DELIVERED]))
		complain(v, "%s: %" PRId64 " latencies for %" PRId64 " callbacks delivered", what,
			 latency->count, count[METRIC_DELIVERED]);
	if (row->has_latency && differ(latency->buckets, latency->count))
		complain(v, "%s: its latency buckets hold %" PRId64 " of %" PRId64 " calls", what,
			 latency->buckets, latency->count);
	if (row->has_latency && latency->count && exceeds(latency->min, latency->max))
		complain(v, "%s: its least latency is more than its greatest", what);
	free(what);
}

static void verify_migration(struct verification *v, const struct result_row *row)
{
	char *what;

	if (asprintf(&what, "migration %s of process %" PRId64, row->direction, row->pid) < 0) {
		v->err = -ENOMEM;
		return;
	}
	verify_order(v, row->count, METRIC_COLLECTED, METRIC_MIGRATION_PAGES, what);
	verify_order(v, row->count, METRIC_MIGRATED, METRIC_MIGRATION_PAGES, what);
	free(what);
}

static void verify_losses(struct verification *v, const struct result_stat *stat)
{
	if (stat->lost_events)
		complain(v, "%" PRId64 " events were lost", stat->lost_events);
	if (stat->lost_counters)
		complain(v, "%" PRId64 " counters were lost: a map was full", stat->lost_counters);
	if (stat->lost_recursion)
		complain(v, "%" PRId64 " calls were missed by recursion", stat->lost_recursion);
}

static void verify_stat(struct verification *v, const struct result *result,
			const struct result_stat *stat)
{
	if (strcmp(stat->release, result->release))
		complain(v, "its 'stat' part is of kernel %s, the file of kernel %s", stat->release,
			 result->release);
	if (strcmp(stat->clock, result->clock))
		complain(v, "its 'stat' part has clock %s, the file %s", stat->clock,
			 result->clock);
	verify_losses(v, stat);
	for (size_t i = 0; i < stat->n_invariants; i++)
		if (!stat->invariants[i].holds)
			complain(v, "the invariant '%s' does not hold (%s)",
				 stat->invariants[i].name,
				 stat->invariants[i].detail ? stat->invariants[i].detail
							    : "no detail");
	for (size_t i = 0; i < stat->n_rows; i++) {
		const struct result_row *row = &stat->rows[i];

		if (row->section == SECTION_NOTIFICATIONS)
			verify_order(v, row->count, METRIC_NOTIFICATIONS_FAILED,
				     METRIC_NOTIFICATIONS, "notifications");
		else if (row->section == SECTION_CALLBACKS)
			verify_callback(v, row);
		else if (row->section == SECTION_MIGRATIONS)
			verify_migration(v, row);
	}
}

static const char *count_text(int64_t count, char *text, size_t size)
{
	if (count == COUNT_UNKNOWN)
		return "n/o";
	snprintf(text, size, "%" PRId64, count);
	return text;
}

static void verify_checks(struct verification *v, const struct result_case *c)
{
	char expected[24], measured[24];

	for (size_t i = 0; i < c->n_checks; i++) {
		const struct result_check *check = &c->checks[i];
		enum metric_id id = metric__find(check->metric);
		int64_t total = id == METRIC_COUNT ? COUNT_UNKNOWN : result_case__total(c, id);

		if (!check->holds)
			complain(v, "the check of '%s' failed: %s expects %s, measured %s",
				 check->metric, check->formula ? check->formula : "it",
				 count_text(check->expected, expected, sizeof(expected)),
				 count_text(check->measured, measured, sizeof(measured)));
		else if (check->holds == 1 && differ(check->expected, check->measured))
			complain(v,
				 "the check of '%s' claims to hold, but %" PRId64
				 " was expected and %" PRId64 " measured",
				 check->metric, check->expected, check->measured);
		if (differ(check->measured, total))
			complain(v,
				 "the check of '%s' has measured %" PRId64
				 ", but the total is %" PRId64,
				 check->metric, check->measured, total);
	}
}

static void verify_samples(struct verification *v, const struct result_case *c)
{
	const struct result_param *iterations = result_case__param(c, "iterations");
	char what[64];

	if (iterations && iterations->is_integer && (uint64_t)iterations->value != c->n_samples)
		complain(v, "%zu samples for %" PRId64 " iterations", c->n_samples,
			 iterations->value);
	for (size_t i = 0; i < c->n_samples; i++) {
		snprintf(what, sizeof(what), "iteration %" PRId64, c->samples[i].iteration);
		verify_outcomes(v, c->samples[i].ours, what);
		if (i && c->samples[i].iteration <= c->samples[i - 1].iteration)
			complain(v, "%s is there twice or out of order", what);
	}
	for (int i = 0; c->stat && i < METRIC_COUNT; i++) {
		enum metric_id id = (enum metric_id)i;
		int64_t total = result_case__total(c, id);
		int64_t sum = result_case__sum_ours(c, id);

		if (differ(sum, total))
			complain(v, "%s: the samples sum to %" PRId64 ", the total is %" PRId64,
				 metrics[id].noun, sum, total);
	}
}

static void verify_observer(struct verification *v, const struct result_case *c)
{
	for (size_t i = 0; c->effects && i < c->n_time_keys && !v->err; i++) {
		char *doubt = result_case__doubt_observer(c, i, &v->err);

		if (doubt)
			complain(v, "%s", doubt);
		free(doubt);
	}
}

int result__verify(const struct result *result, struct sentences *broken)
{
	struct verification v = {.broken = broken, .path = result->path};
	char *title;

	for (size_t i = 0; i < result->n_cases && !v.err; i++) {
		const struct result_case *c = &result->cases[i];

		title = result_case__title(c);
		if (!title)
			return -ENOMEM;
		v.title = title;
		if (c->stat)
			verify_stat(&v, result, c->stat);
		if (result->schema == RESULT_BENCH) {
			verify_samples(&v, c);
			verify_checks(&v, c);
			verify_observer(&v, c);
		}
		free(title);
	}
	return v.err;
}

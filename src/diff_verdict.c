// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The verdict of a comparison: one sentence, made from the numbers alone. */
#include "diff.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The counts that a verdict speaks of besides delivered and performed, the
 * most telling first. Pages invalidated is left out where excess pages, which
 * follow from it, have been said to change.
 */
static const enum metric_id told[] = {
	METRIC_EXCESS,	      METRIC_PAGES_PERFORMED, METRIC_REFAULTS,	   METRIC_MIGRATED,
	METRIC_NOTIFICATIONS, METRIC_FAILED,	      METRIC_UNDETERMINED,
};
#define N_TOLD (sizeof(told) / sizeof(told[0]))

/* What is being said about one workload. */
struct telling {
	const struct diff *diff;
	const struct diff_workload *workload;
	struct diff_count sum[METRIC_COUNT]; /* of one run, over the joined cases */
	struct sentences parts;
};

static bool constant(const struct diff_count *count)
{
	return diff_count__comparable(count) && !diff_count__varies(count);
}

static bool changed(const struct diff_count *count)
{
	return constant(count) && count->side[BASE].min != count->side[NEW].min;
}

static const char *both(const struct diff *diff)
{
	return diff->same_kernel ? "both sides" : "both kernels";
}

static int tell_delivered(struct telling *t)
{
	const struct diff_count *delivered = &t->sum[METRIC_DELIVERED];
	int64_t n = delivered->side[BASE].min;
	bool same_work = diff_count__equal(&t->sum[METRIC_MIGRATIONS]) &&
			 diff_count__equal(&t->sum[METRIC_MIGRATED]) &&
			 t->sum[METRIC_MIGRATED].side[BASE].min > 0;

	if (!constant(delivered))
		return 0;
	if (changed(delivered))
		return sentences__add(&t->parts,
				      "callbacks delivered %s from %" PRId64 " to %" PRId64,
				      delivered->side[NEW].min > n ? "rose" : "fell", n,
				      delivered->side[NEW].min);
	if (!n)
		return sentences__add(&t->parts, "%s delivered no callback", both(t->diff));
	return sentences__add(&t->parts, "%s delivered %" PRId64 " callbacks%s", both(t->diff), n,
			      same_work ? " for the same migrations" : "");
}

/* "all 800", "none", "3 of 800", "0 to 3 of 800" */
static void write_share(char *text, size_t size, const struct diff_value *part, int64_t whole)
{
	if (part->min != part->max)
		snprintf(text, size, "%" PRId64 " to %" PRId64 " of %" PRId64, part->min, part->max,
			 whole);
	else if (!part->min)
		snprintf(text, size, "none");
	else if (part->min == whole)
		snprintf(text, size, "all %" PRId64, whole);
	else
		snprintf(text, size, "%" PRId64 " of %" PRId64, part->min, whole);
}

static int tell_performed(struct telling *t)
{
	const struct diff_value *delivered = t->sum[METRIC_DELIVERED].side;
	const struct diff_value *performed = t->sum[METRIC_PERFORMED].side;
	char share[SIDES][80];

	if (!constant(&t->sum[METRIC_DELIVERED]) ||
	    !diff_count__comparable(&t->sum[METRIC_PERFORMED]) ||
	    (!delivered[BASE].min && !delivered[NEW].min))
		return 0;
	for (int side = 0; side < SIDES; side++)
		write_share(share[side], sizeof(share[side]), &performed[side],
			    delivered[side].min);
	if (!strcmp(share[BASE], share[NEW]))
		return sentences__add(&t->parts, "%s performed %s", both(t->diff), share[BASE]);
	return sentences__add(&t->parts, "%s performed %s, %s performed %s",
			      t->diff->side[BASE].label, share[BASE], t->diff->side[NEW].label,
			      share[NEW]);
}

/* "excess pages fell from 51200 to 0 and device refaults from 640 to 0" */
static int tell_direction(struct telling *t, bool rose)
{
	bool first = true, excess = false;
	char *text = NULL;
	size_t size;
	FILE *out;
	int err;

	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < N_TOLD; i++) {
		const struct diff_value *side = t->sum[told[i]].side;

		if (!changed(&t->sum[told[i]]) || (side[NEW].min > side[BASE].min) != rose ||
		    (told[i] == METRIC_PAGES_PERFORMED && excess))
			continue;
		excess |= told[i] == METRIC_EXCESS;
		fprintf(out, "%s%s%s from %" PRId64 " to %" PRId64, first ? "" : " and ",
			metrics[told[i]].noun,
			!first ? ""
			: rose ? " rose"
			       : " fell",
			side[BASE].min, side[NEW].min);
		first = false;
	}
	err = fclose(out) ? -ENOMEM : 0;
	if (!err && !first)
		err = sentences__add(&t->parts, "%s", text);
	free(text);
	return err;
}

/* Names the metrics of the summary for which `is` is true. */
static int tell_list(struct telling *t, bool (*is)(const struct diff_count *), const char *after)
{
	char *text = NULL;
	size_t size, n = 0;
	FILE *out;
	int err;

	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	for (int id = 0; id < METRIC_COUNT; id++)
		if (metrics[id].summary && is(&t->sum[id]))
			fprintf(out, "%s%s", n++ ? " and " : "", metrics[id].noun);
	err = fclose(out) ? -ENOMEM : 0;
	if (!err && n)
		err = sentences__add(&t->parts, "%s %s", text, after);
	free(text);
	return err;
}

static bool unobservable(const struct diff_count *count)
{
	return count->side[BASE].state == DIFF_UNKNOWN || count->side[NEW].state == DIFF_UNKNOWN;
}

static bool one_sided(const struct diff_count *count)
{
	return (count->side[BASE].state == DIFF_UNKNOWN) !=
	       (count->side[NEW].state == DIFF_UNKNOWN);
}

/* Differences that the sums above do not show, so that silence means none. */
static int tell_hidden(struct telling *t)
{
	size_t hidden = 0;
	bool shown = false;

	for (size_t i = 0; i < t->workload->n_cases; i++)
		hidden += diff_case__joined(t->workload->cases[i]) &&
			  !diff_case__equal(t->workload->cases[i]);
	for (size_t i = 0; i < N_TOLD; i++)
		shown |= changed(&t->sum[told[i]]);
	for (int id = 0; id < METRIC_COUNT; id++)
		shown |= metrics[id].summary &&
			 (diff_count__varies(&t->sum[id]) || one_sided(&t->sum[id]));
	shown |= changed(&t->sum[METRIC_DELIVERED]) || changed(&t->sum[METRIC_PERFORMED]);
	if (!hidden || shown)
		return 0;
	return sentences__add(&t->parts,
			      "these sums are equal, but other counts differ in %zu of %zu "
			      "parameter sets (--by-phase shows them)",
			      hidden, t->workload->n_joined);
}

/* How one key's time went over the cases of a workload. */
struct trend {
	const char *key;
	size_t n[DIFF_TOO_FEW + 1];
	double low[DIFF_TOO_FEW + 1], high[DIFF_TOO_FEW + 1]; /* per cent, unsigned */
};

static void follow_trend(const struct telling *t, struct trend *trend)
{
	for (size_t i = 0; i < t->workload->n_cases; i++) {
		const struct diff_case *c = t->workload->cases[i];

		for (size_t k = 0; k < c->n_times; k++) {
			const struct diff_time *time = &c->times[k];
			double percent = fabs(time->percent);
			enum diff_verdict v = time->verdict;

			if (strcmp(time->key, trend->key) || !diff_time__tested(time))
				continue;
			if (!trend->n[v]++)
				trend->low[v] = trend->high[v] = percent;
			trend->low[v] = fmin(trend->low[v], percent);
			trend->high[v] = fmax(trend->high[v], percent);
		}
	}
}

/* "15.3", "0.16": as in the table, but without a sign. */
static void write_percent(char *text, size_t size, double percent)
{
	snprintf(text, size, "%.*f", percent < 1 ? 2 : 1, percent);
}

static void write_trend(FILE *out, const struct trend *trend, enum diff_verdict v, size_t n_cases)
{
	char low[32], high[32];

	write_percent(low, sizeof(low), trend->low[v]);
	write_percent(high, sizeof(high), trend->high[v]);
	fputs(diff_verdict__words(v), out);
	if (n_cases > 1)
		fprintf(out, " in %zu of %zu parameter sets", trend->n[v], n_cases);
	fprintf(out, " (by %s", low);
	if (strcmp(low, high))
		fprintf(out, " to %s", high);
	fputs(" %)", out);
}

static int tell_time(struct telling *t, const char *key)
{
	struct trend trend = {.key = key};
	char *text = NULL;
	size_t size;
	FILE *out;
	int err;

	follow_trend(t, &trend);
	if (!trend.n[DIFF_FASTER] && !trend.n[DIFF_SLOWER])
		return 0;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	fprintf(out, "%s is ", key);
	if (trend.n[DIFF_FASTER])
		write_trend(out, &trend, DIFF_FASTER, t->workload->n_joined);
	if (trend.n[DIFF_FASTER] && trend.n[DIFF_SLOWER])
		fputs(" and ", out);
	if (trend.n[DIFF_SLOWER])
		write_trend(out, &trend, DIFF_SLOWER, t->workload->n_joined);
	err = fclose(out) ? -ENOMEM : sentences__add(&t->parts, "%s", text);
	free(text);
	return err;
}

static int tell_times(struct telling *t)
{
	int err = 0;

	/* A key that several cases have tells the same, and is then added once. */
	for (size_t i = 0; i < t->workload->n_cases; i++) {
		const struct diff_case *c = t->workload->cases[i];

		for (size_t k = 0; k < c->n_times && !err; k++)
			err = tell_time(t, c->times[k].key);
	}
	return err;
}

static bool times_same(const struct diff_case *c)
{
	for (size_t i = 0; i < c->n_times; i++)
		if (c->times[i].verdict == DIFF_FASTER || c->times[i].verdict == DIFF_SLOWER)
			return false;
	return true;
}

/* Is that true of every joined case of the workload? */
static bool all_are(const struct diff_workload *w, bool (*is)(const struct diff_case *))
{
	for (size_t i = 0; i < w->n_cases; i++)
		if (diff_case__joined(w->cases[i]) && !is(w->cases[i]))
			return false;
	return true;
}

static bool differs(const struct diff_workload *w)
{
	return !all_are(w, diff_case__equal) || !all_are(w, times_same);
}

static int tell_parts(struct telling *t)
{
	int err;

	if (all_are(t->workload, diff_case__equal)) {
		err = sentences__add(&t->parts, "every count is equal");
		return err ? err : tell_times(t);
	}
	for (int id = 0; id < METRIC_COUNT; id++)
		t->sum[id] = diff__sum(t->diff, t->workload, (enum metric_id)id);
	if ((err = tell_delivered(t)) || (err = tell_performed(t)) ||
	    (err = tell_direction(t, false)) || (err = tell_direction(t, true)) ||
	    (err = tell_list(t, diff_count__varies, "vary between runs")) ||
	    (err = tell_list(t, unobservable, "cannot be compared (not observable)")) ||
	    (err = tell_hidden(t)))
		return err;
	return tell_times(t);
}

/* "NAME: part; part" */
static int tell_workload(FILE *out, const struct diff *diff, const struct diff_workload *w)
{
	struct telling t = {.diff = diff, .workload = w};
	int err = 0;

	fprintf(out, "%s: ", w->name);
	if (!differs(w)) {
		fputs("no difference", out);
		return 0;
	}
	err = tell_parts(&t);
	for (size_t i = 0; i < t.parts.n; i++)
		fprintf(out, "%s%s", i ? "; " : "", t.parts.text[i]);
	sentences__clear(&t.parts);
	return err;
}

static void tell_no_difference(FILE *out, const struct diff *diff)
{
	bool blind = false, times = false, few = false;

	for (size_t i = 0; i < diff->n_cases; i++) {
		const struct diff_case *c = &diff->cases[i];

		for (int id = 0; id < METRIC_COUNT && diff_case__joined(c); id++)
			blind |= metrics[id].summary && unobservable(&c->total.count[id]);
		for (size_t k = 0; k < c->n_times; k++) {
			times |= diff_time__tested(&c->times[k]);
			few |= c->times[k].verdict == DIFF_TOO_FEW;
		}
	}
	fprintf(out, "no difference: every count%s is equal",
		blind ? " that both sides could observe" : "");
	if (few)
		fputs(", and there are too few samples to tell times apart", out);
	else if (times)
		fputs(" and no time differs", out);
}

static size_t unmatched(const struct diff *diff)
{
	size_t n = 0;

	for (size_t i = 0; i < diff->n_cases; i++)
		n += !diff_case__joined(&diff->cases[i]);
	return n;
}

char *diff__verdict(const struct diff *diff)
{
	bool any = false, first = true;
	char *text = NULL;
	size_t size;
	FILE *out;
	int err = 0;

	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fputs("Verdict: ", out);
	if (diff->warnings.n)
		fprintf(out, "not to be trusted, %zu check%s broken; ", diff->warnings.n,
			diff->warnings.n == 1 ? " is" : "s are");
	for (size_t i = 0; i < diff->n_workloads; i++)
		any |= differs(&diff->workloads[i]);
	if (!any)
		tell_no_difference(out, diff);
	for (size_t i = 0; any && i < diff->n_workloads && !err; i++) {
		if (!diff->workloads[i].n_joined)
			continue;
		fputs(first ? "" : "; ", out);
		err = tell_workload(out, diff, &diff->workloads[i]);
		first = false;
	}
	if (unmatched(diff))
		fprintf(out, "; %zu of %zu parameter sets are on one side only", unmatched(diff),
			diff->n_cases);
	if (diff->times_forbidden)
		fprintf(out, "; times were not compared, because %s", diff->times_forbidden);
	fputc('.', out);
	if (fclose(out) || err) {
		free(text);
		return NULL;
	}
	sentence__make_printable(text);
	return text;
}

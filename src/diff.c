// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In diff_row.runs: that run has no such row, which is not yet known to be 0. */
#define NO_ROW ((int64_t)-2)

bool diff_count__comparable(const struct diff_count *count)
{
	return count->side[BASE].state == DIFF_KNOWN && count->side[NEW].state == DIFF_KNOWN;
}

bool diff_count__varies(const struct diff_count *count)
{
	for (int side = 0; side < SIDES; side++)
		if (count->side[side].state == DIFF_KNOWN &&
		    count->side[side].min != count->side[side].max)
			return true;
	return false;
}

bool diff_count__equal(const struct diff_count *count)
{
	return diff_count__comparable(count) && !diff_count__varies(count) &&
	       count->side[BASE].min == count->side[NEW].min;
}

void diff_count__difference(const struct diff_count *count, int64_t *min, int64_t *max)
{
	/* Both are 0 or more, so that no difference leaves int64_t. */
	*min = count->side[NEW].min - count->side[BASE].max;
	*max = count->side[NEW].max - count->side[BASE].min;
}

bool diff_row__has(const struct diff_row *row, enum metric_id id)
{
	return row->total || metrics[id].section == row->section;
}

bool diff_row__equal(const struct diff_row *row)
{
	for (int i = 0; i < METRIC_COUNT; i++) {
		enum metric_id id = (enum metric_id)i;
		const struct diff_value *side = row->count[id].side;

		if (!diff_row__has(row, id) || diff_count__equal(&row->count[id]))
			continue;
		/* What neither side can see is no difference between them. */
		if (side[BASE].state != DIFF_UNKNOWN || side[NEW].state != DIFF_UNKNOWN)
			return false;
	}
	return true;
}

bool diff_case__joined(const struct diff_case *c)
{
	return c->n_in[BASE] && c->n_in[NEW];
}

bool diff_case__equal(const struct diff_case *c)
{
	if (!diff_row__equal(&c->total))
		return false;
	for (size_t i = 0; i < c->n_rows; i++)
		if (!diff_row__equal(&c->rows[i]))
			return false;
	return true;
}

const char *diff__time_unit(const struct diff *diff, const struct diff_case *c)
{
	bool ns = !strcmp(diff->clock, "ns");

	if (c->per_page)
		return ns ? "ns/page" : "insn/page";
	return ns ? "ns" : "insn";
}

static int by_name(const void *a, const void *b)
{
	const struct result_param *const *p = a, *const *q = b;

	return strcmp((*p)->name, (*q)->name);
}

/* Name and parameters, whatever the order they were written in. */
static char *join_key(const struct result_case *c)
{
	const struct result_param **sorted;
	char *key = NULL;
	size_t size;
	FILE *out;

	sorted = calloc(c->n_params + 1, sizeof(*sorted));
	if (!sorted)
		return NULL;
	for (size_t i = 0; i < c->n_params; i++)
		sorted[i] = &c->params[i];
	qsort(sorted, c->n_params, sizeof(*sorted), by_name);
	out = open_memstream(&key, &size);
	if (out) {
		fputs(c->name, out);
		for (size_t i = 0; i < c->n_params; i++)
			fprintf(out, "\n%s=%s", sorted[i]->name, sorted[i]->text);
		if (fclose(out)) {
			free(key);
			key = NULL;
		}
	}
	free(sorted);
	return key;
}

static int init_row(struct diff_row *row, const struct diff *diff)
{
	for (int side = 0; side < SIDES; side++) {
		size_t n = diff->side[side].set->n_runs * METRIC_COUNT;

		row->runs[side] = calloc(n, sizeof(*row->runs[side]));
		if (!row->runs[side])
			return -ENOMEM;
		for (size_t i = 0; i < n; i++)
			row->runs[side][i] = NO_ROW;
	}
	return 0;
}

static void free_row(struct diff_row *row)
{
	for (int side = 0; side < SIDES; side++)
		free(row->runs[side]);
	free(row->driver);
}

/* The case with that key, made if it is new. */
static struct diff_case *get_case(struct diff *diff, const struct result_case *from)
{
	char *key = join_key(from);
	struct diff_case *grown, *c;

	if (!key)
		return NULL;
	for (size_t i = 0; i < diff->n_cases; i++) {
		if (!strcmp(diff->cases[i].key, key)) {
			free(key);
			return &diff->cases[i];
		}
	}
	grown = reallocarray(diff->cases, diff->n_cases + 1, sizeof(*grown));
	if (!grown) {
		free(key);
		return NULL;
	}
	diff->cases = grown;
	c = &grown[diff->n_cases++];
	*c = (struct diff_case){.any = from, .key = key, .total.total = true};
	for (int side = 0; side < SIDES; side++) {
		c->in_run[side] = calloc(diff->side[side].set->n_runs, sizeof(*c->in_run[side]));
		if (!c->in_run[side])
			return NULL;
	}
	return init_row(&c->total, diff) ? NULL : c;
}

/* The case's row for this driver and phase, or direction; made if it is new. */
static struct diff_row *get_row(struct diff_case *c, const struct diff *diff,
				const struct result_row *from)
{
	const char *key = from->phase ? from->phase : from->direction;
	struct diff_row *grown, *row;
	char *driver = NULL;

	if (from->symbol &&
	    asprintf(&driver, from->module ? "%s [%s]" : "%s", from->symbol, from->module) < 0)
		return NULL;
	for (size_t i = 0; i < c->n_rows; i++) {
		row = &c->rows[i];
		if (row->section == from->section && result__same(row->driver, driver) &&
		    result__same(row->key, key)) {
			free(driver);
			return row;
		}
	}
	grown = reallocarray(c->rows, c->n_rows + 1, sizeof(*grown));
	if (!grown) {
		free(driver);
		return NULL;
	}
	c->rows = grown;
	row = &grown[c->n_rows++];
	*row = (struct diff_row){.section = from->section, .driver = driver, .key = key};
	return init_row(row, diff) ? NULL : row;
}

/* Adds the counts of one run of a case: rows differ in process and event only. */
static int add_rows(struct diff_case *c, const struct diff *diff, int side, size_t run)
{
	const struct result_case *from = c->in_run[side][run];
	int64_t *total = &c->total.runs[side][run * METRIC_COUNT];

	for (int id = 0; id < METRIC_COUNT; id++)
		total[id] = result_case__total(from, (enum metric_id)id);
	for (size_t i = 0; from->stat && i < from->stat->n_rows; i++) {
		const struct result_row *source = &from->stat->rows[i];
		struct diff_row *row = get_row(c, diff, source);

		if (!row)
			return -ENOMEM;
		for (int id = 0; id < METRIC_COUNT; id++) {
			int64_t *sum = &row->runs[side][run * METRIC_COUNT + (size_t)id];

			if (metrics[id].section == source->section)
				*sum = *sum == NO_ROW ? source->count[id]
						      : count__add(*sum, source->count[id]);
		}
	}
	return 0;
}

static int add_cases(struct diff *diff, int side, char *error)
{
	const struct result_set *set = diff->side[side].set;
	char *title;

	for (size_t run = 0; run < set->n_runs; run++) {
		for (size_t i = 0; i < set->runs[run]->n_cases; i++) {
			const struct result_case *from = &set->runs[run]->cases[i];
			struct diff_case *c = get_case(diff, from);

			if (!c)
				return -ENOMEM;
			if (c->in_run[side][run]) {
				title = result_case__title(from);
				snprintf(error, RESULT_ERROR_SIZE,
					 "cannot compare: '%s' holds %s twice; "
					 "keep one of them, or measure again.",
					 set->runs[run]->path, title ? title : from->name);
				free(title);
				return -EINVAL;
			}
			c->in_run[side][run] = from;
			c->n_in[side]++;
			if (add_rows(c, diff, side, run))
				return -ENOMEM;
		}
	}
	return 0;
}

/*
 * Turns a row's runs into values. A row that no run of this side has is
 * absent; one that some have was 0 in the others, where it would be seen.
 */
static void settle_row(struct diff_row *row, const struct diff_case *c, const struct diff *diff,
		       int side)
{
	size_t n_runs = diff->side[side].set->n_runs;

	for (size_t id = 0; id < METRIC_COUNT; id++) {
		struct diff_value *value = &row->count[id].side[side];
		bool any = false;

		for (size_t run = 0; run < n_runs; run++)
			any |= row->runs[side][run * METRIC_COUNT + id] != NO_ROW;
		for (size_t run = 0; any && run < n_runs; run++) {
			const struct result_case *from = c->in_run[side][run];
			int64_t v = row->runs[side][run * METRIC_COUNT + id];

			if (!from)
				continue;
			if (v == NO_ROW)
				v = from->stat && from->stat->observed[row->section]
					    ? 0
					    : COUNT_UNKNOWN;
			diff_value__add(value, v, result_case__reason(from, (enum metric_id)id));
		}
	}
}

/* A folder with a file for each workload has nothing twice, and nothing is missing in it. */
bool diff__repeats(const struct diff *diff, int side)
{
	for (size_t i = 0; i < diff->n_cases; i++)
		if (diff->cases[i].n_in[side] > 1)
			return true;
	return false;
}

static int note_partial(struct diff *diff, const char *title, const struct diff_case *c, int side)
{
	size_t n_runs = diff->side[side].set->n_runs;

	if (!c->n_in[side] || c->n_in[side] == n_runs || !diff__repeats(diff, side))
		return 0;
	return sentences__add(&diff->notes, "%s is in %zu of the %zu runs of %s only.", title,
			      c->n_in[side], n_runs, diff->side[side].label);
}

/* Lines of kernels differ in it: that the same work counts otherwise is the answer then. */
static int note_chunks(struct diff *diff)
{
	const struct result *base = diff->side[BASE].first, *new = diff->side[NEW].first;

	if (base->chunk_pages == new->chunk_pages)
		return 0;
	return sentences__add(&diff->notes,
			      "The device migrates %" PRId64 " pages at a time on base and %" PRId64
			      " on new, so that the same work makes other counts.",
			      base->chunk_pages, new->chunk_pages);
}

/* A watched time that differs makes counts differ that have no other cause. */
static int note_durations(struct diff *diff)
{
	const struct result_stat *base = diff->side[BASE].first->cases[0].stat;
	const struct result_stat *new = diff->side[NEW].first->cases[0].stat;
	double ratio;

	if (diff->side[BASE].first->schema != RESULT_STAT || base->is_command || !base->duration_ns)
		return 0;
	ratio = (double)new->duration_ns / (double)base->duration_ns;
	if (ratio > 0.95 && ratio < 1.05)
		return 0;
	return sentences__add(&diff->notes,
			      "%s was watched for %.1f s and %s for %.1f s: the counts are as "
			      "they were, not scaled.",
			      diff->side[BASE].label, (double)base->duration_ns / 1e9,
			      diff->side[NEW].label, (double)new->duration_ns / 1e9);
}

/* The spread between boots is not in the samples of one: see mmuscope-diff(1). */
static int note_boots(struct diff *diff)
{
	if (strcmp(diff->clock, "ns") || diff->times_forbidden ||
	    diff->side[BASE].first->schema != RESULT_BENCH || diff__repeats(diff, BASE) ||
	    diff__repeats(diff, NEW))
		return 0;
	return sentences__add(&diff->notes,
			      "Times are of one boot of each kernel, and two boots of one kernel "
			      "may differ as much%s: compare the counts, or several runs of each.",
			      diff->side[BASE].first->accel &&
					      !strcmp(diff->side[BASE].first->accel, "tcg") ?
				      ", the more so in an emulator" :
				      "");
}

static bool value_varies(const struct diff_value *value)
{
	return value->state == DIFF_KNOWN && value->min != value->max;
}

/* One sentence with every count of the row that differs between a side's runs. */
static int note_variation(struct diff *diff, const char *title, const struct diff_case *c,
			  const struct diff_row *row, int side)
{
	char *list = NULL;
	size_t size, n = 0;
	FILE *out;
	int err;

	out = open_memstream(&list, &size);
	if (!out)
		return -ENOMEM;
	for (int i = 0; i < METRIC_COUNT; i++) {
		const struct diff_value *value = &row->count[i].side[side];

		/* Where the total varies too, that says it. */
		if (!diff_row__has(row, (enum metric_id)i) || !value_varies(value) ||
		    (!row->total && value_varies(&c->total.count[i].side[side])))
			continue;
		fprintf(out, "%s%s (%" PRId64 " to %" PRId64 ")", n++ ? ", " : "", metrics[i].noun,
			value->min, value->max);
	}
	err = fclose(out) ? -ENOMEM : 0;
	if (!err && n)
		err = sentences__add(&diff->notes,
				     "%s%s%s%s%s: between the %zu runs of %s vary: %s; "
				     "%s never called equal.",
				     title, row->driver ? ", " : "", row->driver ? row->driver : "",
				     row->key ? ", " : "", row->key ? row->key : "", c->n_in[side],
				     diff->side[side].label, list, n == 1 ? "it is" : "they are");
	free(list);
	return err;
}

static int note_case(struct diff *diff, const struct diff_workload *w, const struct diff_case *c)
{
	char *title = diff_workload__title(w, c);
	int err = title ? 0 : -ENOMEM;

	for (int side = 0; side < SIDES && !err; side++) {
		err = note_partial(diff, title, c, side);
		if (!err)
			err = note_variation(diff, title, c, &c->total, side);
		for (size_t i = 0; i < c->n_rows && !err; i++)
			err = note_variation(diff, title, c, &c->rows[i], side);
	}
	free(title);
	return err;
}

static int note_cases(struct diff *diff)
{
	int err = 0;

	for (size_t i = 0; i < diff->n_workloads; i++)
		for (size_t k = 0; k < diff->workloads[i].n_cases && !err; k++)
			err = note_case(diff, &diff->workloads[i], diff->workloads[i].cases[k]);
	return err;
}

static int rank(const char *key)
{
	/* The order in which a migration goes through them. */
	static const char *const keys[] = {"setup", "copy",    "pages",	    "finalize",
					   "evict", "outside", "to_device", "to_system"};
	const int n = sizeof(keys) / sizeof(keys[0]);
	int i = 0;

	while (i < n && (!key || strcmp(keys[i], key)))
		i++;
	return i;
}

static int by_section(const void *a, const void *b)
{
	const struct diff_row *p = a, *q = b;
	int order = (int)p->section - (int)q->section;

	if (!order)
		order = strcmp(p->driver ? p->driver : "", q->driver ? q->driver : "");
	return order ? order : rank(p->key) - rank(q->key);
}

/* Everything about a case once all runs of both sides are in. */
static int settle_case(struct diff *diff, struct diff_case *c)
{
	if (c->n_rows)
		qsort(c->rows, c->n_rows, sizeof(*c->rows), by_section);
	for (int side = 0; side < SIDES; side++) {
		settle_row(&c->total, c, diff, side);
		for (size_t i = 0; i < c->n_rows; i++)
			settle_row(&c->rows[i], c, diff, side);
	}
	return diff_case__compare_times(c, diff);
}

/* Why the two cannot be compared at all: a sentence in `error` and -EINVAL. */
static int refuse(const struct diff *diff, char *error)
{
	const struct result *base = diff->side[BASE].first, *new = diff->side[NEW].first;

	if (base->schema != new->schema)
		snprintf(error, RESULT_ERROR_SIZE,
			 "cannot compare: base is a %s result and new a %s result; "
			 "give two of one kind.",
			 result_schema__name(base->schema), result_schema__name(new->schema));
	else if (strcmp(base->clock, new->clock))
		snprintf(error, RESULT_ERROR_SIZE,
			 "cannot compare: base has the clock '%s' and new '%s'; "
			 "measure both with the same one.",
			 base->clock, new->clock);
	else if (base->driver && new->driver && strcmp(base->driver, new->driver))
		snprintf(error, RESULT_ERROR_SIZE,
			 "cannot compare: base was measured on %s and new on %s; "
			 "give results of one workload.",
			 base->driver, new->driver);
	else
		return 0;
	return -EINVAL;
}

static int refuse_disjoint(const struct diff *diff, char *error)
{
	char *title[SIDES] = {NULL};

	for (size_t i = 0; i < diff->n_cases; i++)
		if (diff_case__joined(&diff->cases[i]))
			return 0;
	for (int side = 0; side < SIDES; side++) {
		const struct result *first = diff->side[side].first;

		if (first->n_cases)
			title[side] = result_case__title(&first->cases[0]);
	}
	snprintf(error, RESULT_ERROR_SIZE,
		 "cannot compare: the two have no workload with the same parameters in common; "
		 "base has %s%s, new has %s%s; run the same on both.",
		 title[BASE] ? title[BASE] : "none",
		 diff->side[BASE].first->n_cases > 1 ? " and others" : "",
		 title[NEW] ? title[NEW] : "none",
		 diff->side[NEW].first->n_cases > 1 ? " and others" : "");
	free(title[BASE]);
	free(title[NEW]);
	return -EINVAL;
}

static int forbid_times(struct diff *diff)
{
	const struct result *base = diff->side[BASE].first, *new = diff->side[NEW].first;
	const char *a = base->accel, *b = new->accel;

	if (!result__same(base->machine, new->machine)) {
		a = base->machine;
		b = new->machine;
	} else if (result__same(base->accel, new->accel)) {
		return 0;
	}
	if (asprintf(&diff->times_forbidden, "base ran on %s and new on %s",
		     a ? a : "an unknown accelerator", b ? b : "an unknown accelerator") < 0) {
		diff->times_forbidden = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int init_sides(struct diff *diff, const struct result_set *base,
		      const struct result_set *new)
{
	const struct result *a = base->runs[0], *b = new->runs[0];
	bool told_apart = a->variant && b->variant && strcmp(a->variant, b->variant);

	diff->side[BASE].set = base;
	diff->side[BASE].first = a;
	diff->side[BASE].label = strdup(told_apart ? a->variant : "base");
	diff->side[NEW].set = new;
	diff->side[NEW].first = b;
	diff->side[NEW].label = strdup(told_apart ? b->variant : "new");
	diff->clock = a->clock;
	diff->same_kernel = result__same(a->release, b->release) &&
			    result__same(a->version, b->version) &&
			    result__same(a->variant, b->variant) &&
			    result__same(a->config_sha256, b->config_sha256);
	return diff->side[BASE].label && diff->side[NEW].label ? 0 : -ENOMEM;
}

static int verify_sides(struct diff *diff)
{
	int err = 0;

	for (int side = 0; side < SIDES; side++)
		for (size_t run = 0; run < diff->side[side].set->n_runs && !err; run++)
			err = result__verify(diff->side[side].set->runs[run], &diff->warnings);
	return err;
}

int diff__new(const struct result_set *base, const struct result_set *new, struct diff **out,
	      char *error)
{
	struct diff *diff = calloc(1, sizeof(*diff));
	int err = -ENOMEM;

	error[0] = '\0';
	if (!diff)
		goto cleanup;
	if ((err = init_sides(diff, base, new)) || (err = refuse(diff, error)) ||
	    (err = add_cases(diff, BASE, error)) || (err = add_cases(diff, NEW, error)) ||
	    (err = refuse_disjoint(diff, error)) || (err = forbid_times(diff)) ||
	    (err = verify_sides(diff)) || (err = note_chunks(diff)) || (err = note_durations(diff)))
		goto cleanup;
	for (size_t i = 0; i < diff->n_cases && !err; i++)
		err = settle_case(diff, &diff->cases[i]);
	if (err || (err = diff__group_cases(diff)) || (err = note_boots(diff)) ||
	    (err = note_cases(diff)))
		goto cleanup;
	err = diff__judge_times(diff);
	if (!err)
		err = diff__note_observers(diff);
cleanup:
	if (err) {
		if (!error[0])
			snprintf(error, RESULT_ERROR_SIZE, "cannot compare: out of memory.");
		sentence__make_printable(error);
		diff__free(diff);
		diff = NULL;
	}
	*out = diff;
	return err;
}

void diff__free(struct diff *diff)
{
	if (!diff)
		return;
	for (size_t i = 0; i < diff->n_cases; i++) {
		struct diff_case *c = &diff->cases[i];

		for (int side = 0; side < SIDES; side++)
			free(c->in_run[side]);
		for (size_t row = 0; row < c->n_rows; row++)
			free_row(&c->rows[row]);
		free_row(&c->total);
		free(c->rows);
		free(c->key);
		diff_case__free_times(c);
	}
	free(diff->cases);
	diff__ungroup_cases(diff);
	for (int side = 0; side < SIDES; side++)
		free(diff->side[side].label);
	free(diff->times_forbidden);
	sentences__clear(&diff->warnings);
	sentences__clear(&diff->notes);
	free(diff);
}

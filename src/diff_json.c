// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope-diff/1: everything that a comparison found, for programs. */
#include "diff_print.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/*
 * All helpers here return new references, NULL where memory is short;
 * json_pack() with "o" passes that on.
 */

/* A real number; null where JSON has none for it. */
static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *side_json(const struct diff_side *side)
{
	const struct result *run = side->first;
	json_t *device = json_null();

	if (run->driver)
		device = json_pack("{s:s, s:o}", "driver", run->driver, "chunk_pages",
				   run->chunk_pages ? json_integer(run->chunk_pages) : json_null());

	return json_pack("{s:s, s:s, s:i, s:{s:s, s:s, s:s, s:s?, s:s?, s:s?}, s:o}", "label",
			 side->label, "path", side->set->path, "runs", (int)side->set->n_runs,
			 "kernel", "release", run->release, "version", run->version, "machine",
			 run->machine, "variant", run->variant, "accel", run->accel,
			 "config_sha256", run->config_sha256, "device", device);
}

/* A known count that does not vary; else null. */
static json_t *value_json(const struct diff_value *value)
{
	if (value->state != DIFF_KNOWN || value->min != value->max)
		return json_null();
	return json_integer(value->min);
}

static json_t *range_json(const struct diff_value *value)
{
	return value->state == DIFF_KNOWN
		       ? json_pack("[I, I]", (json_int_t)value->min, (json_int_t)value->max)
		       : json_null();
}

/* Why base, new or difference is null; NULL where none is. */
static const char *why_null(const struct diff_count *count)
{
	static const char *const absent[SIDES] = {"not in base", "not in new"};

	for (int side = 0; side < SIDES; side++)
		if (count->side[side].state == DIFF_ABSENT)
			return absent[side];
	for (int side = 0; side < SIDES; side++)
		if (count->side[side].state == DIFF_UNKNOWN)
			return count->side[side].reason;
	return diff_count__varies(count) ? "it varies between the runs of one side" : NULL;
}

static json_t *count_json(const struct diff_count *count)
{
	bool comparable = diff_count__comparable(count), varies = diff_count__varies(count);
	json_t *difference, *equal, *json;
	int64_t min, max;

	if (comparable && !varies) {
		diff_count__difference(count, &min, &max);
		difference = json_integer(min);
	} else {
		difference = json_null();
	}
	equal = comparable ? json_boolean(diff_count__equal(count)) : json_null();
	json = json_pack("{s:o, s:o, s:o, s:o, s:b}", "base", value_json(&count->side[BASE]), "new",
			 value_json(&count->side[NEW]), "difference", difference, "equal", equal,
			 "varies", varies);
	if (json && varies &&
	    (json_object_set_new(json, "base_range", range_json(&count->side[BASE])) ||
	     json_object_set_new(json, "new_range", range_json(&count->side[NEW])))) {
		json_decref(json);
		return NULL;
	}
	if (json && why_null(count) &&
	    json_object_set_new(json, "reason", json_string(why_null(count)))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static const char *sides_of(const struct diff_case *c)
{
	return diff_case__joined(c) ? "both" : c->n_in[BASE] ? "base" : "new";
}

static json_t *params_json(const struct diff_case *c)
{
	return c->any->json_params ? json_incref(c->any->json_params) : json_object();
}

static json_t *row_json(const struct diff_case *c, const struct diff_row *row)
{
	const char *level = row->total ? "total" : metric_section__name(row->section);
	bool direction = !row->total && row->section == SECTION_MIGRATIONS;
	json_t *counts = json_object();

	for (int i = 0; i < METRIC_COUNT; i++) {
		enum metric_id id = (enum metric_id)i;

		if (diff_row__has(row, id) &&
		    json_object_set_new(counts, metrics[id].name, count_json(&row->count[id]))) {
			json_decref(counts);
			return NULL;
		}
	}
	return json_pack("{s:s, s:o, s:s, s:s, s:s?, s:s?, s:s?, s:o}", "workload", c->any->name,
			 "params", params_json(c), "on", sides_of(c), "level", level, "driver",
			 row->driver, "phase", direction ? NULL : row->key, "direction",
			 direction ? row->key : NULL, "counts", counts);
}

static json_t *summary_json(const struct stats_summary *s)
{
	if (!s->n)
		return json_null();
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "n", (json_int_t)s->n, "median",
			 s->median, "mad", s->mad, "q1", s->q1, "q3", s->q3, "min", s->min, "max",
			 s->max);
}

static json_t *time_json(const struct diff *diff, const struct diff_case *c,
			 const struct diff_time *time)
{
	bool whole = diff_time__tested(time);

	return json_pack(
		"{s:s, s:o, s:s, s:s, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:b, s:s?}",
		"workload",
		c->any->name, "params", params_json(c), "key", time->key, "unit",
		diff__time_unit(diff, c), "base", summary_json(&time->summary[BASE]), "new",
		summary_json(&time->summary[NEW]), "ours", "base",
		real(time->ours[BASE]), "new", real(time->ours[NEW]), "difference",
		whole ? real(time->difference) : json_null(), "percent",
		whole ? real(time->percent) : json_null(), "ci95",
		whole ? json_pack("[f, f]", time->ci_low, time->ci_high) : json_null(), "p",
		whole ? real(time->p) : json_null(), "p_adjusted",
		whole ? real(time->p_adjusted) : json_null(), "runs_overlap", time->runs_overlap,
		"verdict", whole ? diff_verdict__words(time->verdict) : NULL);
}

static json_t *sentences_json(const struct sentences *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		if (json_array_append_new(array, json_string(list->text[i])))
			goto fail;
	return array;
fail:
	json_decref(array);
	return NULL;
}

static json_t *metrics_json(void)
{
	json_t *array = json_array();

	for (size_t id = 0; id < METRIC_COUNT; id++)
		if (json_array_append_new(
			    array, json_pack("{s:s, s:s, s:s, s:s}", "name", metrics[id].name,
					     "unit", metrics[id].unit, "better", metrics[id].better,
					     "meaning", metrics[id].noun)))
			goto fail;
	return array;
fail:
	json_decref(array);
	return NULL;
}

static json_t *rows_json(const struct diff *diff)
{
	json_t *array = json_array();

	for (size_t i = 0; i < diff->n_cases; i++) {
		const struct diff_case *c = &diff->cases[i];

		if (json_array_append_new(array, row_json(c, &c->total)))
			goto fail;
		for (size_t row = 0; row < c->n_rows; row++)
			if (json_array_append_new(array, row_json(c, &c->rows[row])))
				goto fail;
	}
	return array;
fail:
	json_decref(array);
	return NULL;
}

static json_t *times_json(const struct diff *diff)
{
	json_t *array = json_array();

	for (size_t i = 0; i < diff->n_cases; i++)
		for (size_t k = 0; k < diff->cases[i].n_times; k++)
			if (json_array_append_new(array, time_json(diff, &diff->cases[i],
								   &diff->cases[i].times[k])))
				goto fail;
	return array;
fail:
	json_decref(array);
	return NULL;
}

static json_t *limits_json(const struct limit *limits, const struct limit_result *results, size_t n)
{
	static const char *const outcomes[] = {
		[LIMIT_KEPT] = "kept",
		[LIMIT_EXCEEDED] = "exceeded",
		[LIMIT_UNKNOWN] = "not observable",
		[LIMIT_NO_SUCH_TIME] = "no such time",
	};
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(array,
					  json_pack("{s:s, s:s, s:s}", "limit", limits[i].text,
						    "outcome", outcomes[results[i].outcome],
						    "detail", results[i].say)))
			goto fail;
	return array;
fail:
	json_decref(array);
	return NULL;
}

int diff__write_json(const struct diff *diff, const char *verdict, const struct limit *limits,
		     const struct limit_result *results, size_t n, FILE *out)
{
	json_t *json;
	int err;

	json = json_pack("{s:s, s:{s:s}, s:o, s:o, s:s, s:b, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:s}",
			 "schema", "mmuscope-diff/1", "tool", "version", MMUSCOPE_VERSION, "base",
			 side_json(&diff->side[BASE]), "new", side_json(&diff->side[NEW]), "clock",
			 diff->clock, "same_kernel", diff->same_kernel, "times_forbidden",
			 diff->times_forbidden, "metrics", metrics_json(), "rows", rows_json(diff),
			 "times", times_json(diff), "notes", sentences_json(&diff->notes),
			 "warnings", sentences_json(&diff->warnings), "limits",
			 limits_json(limits, results, n), "verdict", verdict);
	if (!json)
		return -ENOMEM;
	err = json_dumpf(json, out, JSON_INDENT(1)) || fputc('\n', out) == EOF ? -EIO : 0;
	json_decref(json);
	return err;
}

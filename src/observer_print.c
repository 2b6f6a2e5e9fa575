// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The observer's effect as people read it: a row for each step. */
#include "observer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "table.h"

enum { COL_RESIDENT, COL_STEP, COL_COST, COL_UNWATCHED, COL_OURS, COL_CI, COL_OF_IT, COL_EACH,
       COLUMNS };

struct printer {
	struct table *table;
	bool resident;		/* the workload has the first column */
	const char *share;	/* of resident pages, in the first row of its steps; else "" */
	bool noise, too_few, whole_call, unknown; /* to be explained */
};

static int add_row(struct printer *p, const char *cells[COLUMNS])
{
	int err;

	cells[COL_RESIDENT] = p->share;
	p->share = "";
	err = table__add_row(p->table, cells + !p->resident);
	return err;
}

/* A difference; what rounds to nothing has no sign. */
static void write_difference(char *text, size_t size, double v)
{
	if (fabs(v) < 0.5)
		snprintf(text, size, "0");
	else
		snprintf(text, size, "%+.0f", v);
}

static double number_at(const json_t *json, const char *object, const char *key)
{
	return json_number_value(
		json_object_get(object ? json_object_get(json, object) : json, key));
}

/* Of a step a summary, of all a number. */
static double cost_at(const json_t *effect, const char *side)
{
	const json_t *cost = json_object_get(effect, side);

	return json_is_object(cost) ? number_at(cost, NULL, "median") : json_number_value(cost);
}

/* How much of it is ours: a share, or why that cannot be said. */
static void write_share(struct printer *p, const json_t *effect, char *text, size_t size)
{
	const char *verdict = json_string_value(json_object_get(effect, "verdict"));
	double percent = number_at(effect, NULL, "percent");

	if (verdict && !strcmp(verdict, "noise")) {
		p->noise = true;
		snprintf(text, size, "noise");
	} else if (verdict && !strcmp(verdict, "too few samples")) {
		p->too_few = true;
		snprintf(text, size, "too few");
	} else {
		snprintf(text, size, "%.*f %%", fabs(percent) < 1 ? 2 : 1, percent);
	}
}

static int add_effect(struct printer *p, const char *name, const json_t *effect)
{
	const json_t *each = json_object_get(effect, "per_notification");
	const json_t *ci = json_object_get(effect, "ci95");
	char cost[32], unwatched[32], ours[32], low[32], high[32], range[72], share[32], text[32];
	const char *cells[COLUMNS] = { [COL_STEP] = name,   [COL_COST] = cost,
				       [COL_UNWATCHED] = unwatched, [COL_OURS] = ours,
				       [COL_CI] = "",	    [COL_OF_IT] = share,
				       [COL_EACH] = "" };

	snprintf(cost, sizeof(cost), "%.0f", cost_at(effect, "watched"));
	snprintf(unwatched, sizeof(unwatched), "%.0f", cost_at(effect, "unwatched"));
	write_difference(ours, sizeof(ours), number_at(effect, NULL, "ours"));
	if (ci) {
		write_difference(low, sizeof(low), json_number_value(json_array_get(ci, 0)));
		write_difference(high, sizeof(high), json_number_value(json_array_get(ci, 1)));
		snprintf(range, sizeof(range), "%s..%s", low, high);
		cells[COL_CI] = range;
	}
	write_share(p, effect, share, sizeof(share));
	if (json_is_number(each)) {
		write_difference(text, sizeof(text), json_number_value(each));
		cells[COL_EACH] = text;
	}
	return add_row(p, cells);
}

/* The cost of a step in the samples, of which nothing is known without our programs. */
static int add_cost(struct printer *p, const json_t *samples, const char *step)
{
	size_t n = json_array_size(samples);
	double *costs = calloc(n + 1, sizeof(*costs));
	struct stats_summary summary;
	char text[32];
	const char *cells[COLUMNS] = { [COL_STEP] = step,     [COL_COST] = text,
				       [COL_UNWATCHED] = "n/o", [COL_OURS] = "n/o",
				       [COL_CI] = "n/o",      [COL_OF_IT] = "n/o",
				       [COL_EACH] = "" };
	int err = costs ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		costs[i] = number_at(json_array_get(samples, i), "times", step);
	err = err ? err : stats__summarize(costs, n, &summary);
	free(costs);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%.0f", summary.median);
	return add_row(p, cells);
}

static int add_steps(struct printer *p, const json_t *result)
{
	const json_t *observer = json_object_get(result, "observer");
	const json_t *samples = json_object_get(result, "samples");
	json_t *times = json_object_get(json_array_get(samples, 0), "times"), *step, *cost;
	const char *name;
	size_t i;
	int err = 0;

	if (json_is_string(json_object_get(observer, "reason"))) {
		p->unknown = true;
		json_object_foreach(times, name, cost)
			err = err ? err : add_cost(p, samples, name);
		return err;
	}
	json_array_foreach(json_object_get(observer, "steps"), i, step) {
		char call[64];

		name = json_string_value(json_object_get(step, "step"));
		if (json_is_true(json_object_get(step, "whole_call"))) {
			p->whole_call = true;
			err = err ? err : add_cost(p, samples, name);
			snprintf(call, sizeof(call), "%s, call", name);
			name = call;
		}
		err = err ? err : add_effect(p, name, step);
	}
	return err ? err : add_effect(p, "all", json_object_get(observer, "all"));
}

static void explain(const struct printer *p, const json_t *doc, FILE *out)
{
	const json_t *first = json_array_get(json_object_get(doc, "results"), 0);
	const json_t *observer = json_object_get(first, "observer");

	if (p->unknown) {
		fprintf(out, "n/o: not measured unwatched: %s.\n",
			json_string_value(json_object_get(observer, "reason")));
		return;
	}
	fputs("OURS: what watching adds; OF IT: that of COST; EACH: of it for a notification.\n",
	      out);
	if (p->whole_call)
		fputs("n/o: counted from setup to finalize, by the watching itself; compare the "
		      "call.\n", out);
	if (p->noise)
		fputs("noise: OURS is not told apart from noise.\n", out);
	if (p->too_few)
		fputs("too few: of so few iterations OURS is not told apart from noise.\n", out);
}

int observer__print(const json_t *doc, FILE *out)
{
	static const struct table_column columns[COLUMNS] = {
		[COL_RESIDENT] = { "RESIDENT", true }, [COL_STEP] = { "STEP", false },
		[COL_COST] = { "COST", true },	       [COL_UNWATCHED] = { "UNWATCHED", true },
		[COL_OURS] = { "OURS", true },	       [COL_CI] = { "95 % CI", true },
		[COL_OF_IT] = { "OF IT", true },       [COL_EACH] = { "EACH", true },
	};
	const char *clock = json_string_value(json_object_get(doc, "clock"));
	json_t *results = json_object_get(doc, "results"), *result;
	struct printer p = {};
	int err = 0;
	size_t i;

	json_array_foreach(results, i, result) {
		const json_t *params =
			json_object_get(json_object_get(result, "workload"), "params");
		const json_t *resident = json_object_get(params, "resident_pct");
		char share[32];

		if (!p.table) {
			p.resident = resident;
			p.table = table__new(columns + !resident, (size_t)(COLUMNS - !resident));
		}
		if (!p.table)
			return -ENOMEM;
		snprintf(share, sizeof(share), "%jd %%", (intmax_t)json_integer_value(resident));
		p.share = share;
		err = err ? err : add_steps(&p, result);
	}
	fprintf(out, "\n%s of one iteration, medians\n",
		clock && !strcmp(clock, "ns") ? "ns" : "Guest instructions");
	err = err || !p.table ? err : table__print(p.table, out);
	table__free(p.table);
	if (!err)
		explain(&p, doc, out);
	return err;
}

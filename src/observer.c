// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "observer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

/* As in mmuscope-diff(1): a difference is told from chance below this. */
#define OBSERVER_P 0.01

static int add_cost(struct observer_costs *costs, double cost)
{
	double *grown = reallocarray(costs->v, costs->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	costs->v = grown;
	grown[costs->n++] = cost;
	return 0;
}

int observer__add(struct observer *o, enum observer_side side, const char *step, bool whole_call,
		  uint64_t cost)
{
	size_t i = 0;

	while (i < o->steps && strcmp(o->step[i].name, step))
		i++;
	if (i == OBSERVER_STEPS)
		return -E2BIG;
	if (i == o->steps)
		o->step[o->steps++] = (struct observer_step){ .name = step };
	o->step[i].whole_call = whole_call;
	return add_cost(&o->step[i].costs[side], (double)cost);
}

void observer__clear(struct observer *o)
{
	for (int side = 0; side < OBSERVER_SIDES; side++)
		for (size_t i = 0; i < o->steps; i++)
			free(o->step[i].costs[side].v);
	memset(o, 0, sizeof(*o));
}

/* ---- JSON ---- */

/* Seen where both say so: costs with and without a timer tick in them may deceive one. */
static const char *verdict_of(const struct observer_costs costs[OBSERVER_SIDES], double p,
			      double low, double high)
{
	if (p < OBSERVER_P && (low > 0 || high < 0))
		return "seen";
	return stats__least_p(costs[OBSERVER_UNWATCHED].n, costs[OBSERVER_WATCHED].n) < OBSERVER_P ?
		       "noise" :
		       "too few samples";
}

static json_t *summary_json(const struct stats_summary *s)
{
	return json_pack("{s:I, s:f, s:f}", "n", (json_int_t)s->n, "median", s->median, "mad",
			 s->mad);
}

/* Those while it was watched are in the samples. */
static json_t *unwatched_json(const struct stats_summary *s, const struct observer_costs *costs)
{
	json_t *json = summary_json(s), *list = json_array();

	for (size_t i = 0; i < costs->n; i++)
		json_array_append_new(list, json_integer((json_int_t)costs->v[i]));
	json_object_set_new(json, "costs", list);
	return json;
}

static json_t *share_json(double ours, double watched)
{
	return watched > 0 ? json_real(100 * ours / watched) : json_null();
}

/* What is known of one cost on both sides, without its name. */
static json_t *effect_json(const struct observer_costs costs[OBSERVER_SIDES])
{
	const struct observer_costs *without = &costs[OBSERVER_UNWATCHED];
	const struct observer_costs *with = &costs[OBSERVER_WATCHED];
	struct stats_summary base, watched;
	double ours, low, high, p;

	if (stats__summarize(without->v, without->n, &base) ||
	    stats__summarize(with->v, with->n, &watched) ||
	    stats__mann_whitney(without->v, without->n, with->v, with->n, &p) ||
	    stats__median_difference_ci(without->v, without->n, with->v, with->n, &low, &high))
		return NULL;
	ours = watched.median - base.median;
	return json_pack("{s:o, s:o, s:f, s:[f, f], s:o, s:s}", "watched",
			 summary_json(&watched), "unwatched", unwatched_json(&base, without),
			 "ours", ours, "ci95", low, high, "percent",
			 share_json(ours, watched.median), "verdict",
			 verdict_of(costs, p, low, high));
}

static json_t *step_json(const struct observer_step *step)
{
	json_t *json = effect_json(step->costs);

	if (json && (json_object_set_new(json, "step", json_string(step->name)) ||
		     json_object_set_new(json, "whole_call", json_boolean(step->whole_call)))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static double median_of(const json_t *effect, const char *side)
{
	return json_number_value(json_object_get(json_object_get(effect, side), "median"));
}

/* How far the interval goes from the figure, on its longer side. */
static double reach_of(const json_t *step)
{
	const json_t *ci = json_object_get(step, "ci95");
	double ours = json_number_value(json_object_get(step, "ours"));

	return fmax(ours - json_number_value(json_array_get(ci, 0)),
		    json_number_value(json_array_get(ci, 1)) - ours);
}

/*
 * Sums of the steps' medians. In a median of sums a timer tick that every second
 * iteration has, in one step or another, would weigh as much as what is ours. They are
 * told apart from noise where a step is, and the reach of all intervals is less.
 */
static json_t *all_json(const json_t *steps, double notifications)
{
	double watched = 0, unwatched = 0, squares = 0, ours;
	bool seen = false, too_few = true;
	json_t *step;
	size_t i;

	json_array_foreach(steps, i, step) {
		const char *verdict = json_string_value(json_object_get(step, "verdict"));

		watched += median_of(step, "watched");
		unwatched += median_of(step, "unwatched");
		squares += pow(reach_of(step), 2);
		seen |= verdict && !strcmp(verdict, "seen");
		too_few &= verdict && !strcmp(verdict, "too few samples");
	}
	ours = watched - unwatched;
	seen &= fabs(ours) > sqrt(squares);
	return json_pack("{s:f, s:f, s:f, s:o, s:o, s:s}", "watched", watched, "unwatched",
			 unwatched, "ours", ours, "percent", share_json(ours, watched),
			 "per_notification",
			 notifications > 0 ? json_real(ours / notifications) : json_null(),
			 "verdict", seen ? "seen" : too_few ? "too few samples" : "noise");
}

json_t *observer__json(const struct observer *o, double notifications, const char *reason)
{
	json_t *steps = json_array(), *all;

	if (reason)
		return json_pack("{s:o, s:n, s:s}", "steps", steps, "all", "reason", reason);
	for (size_t i = 0; i < o->steps; i++) {
		if (json_array_append_new(steps, step_json(&o->step[i]))) {
			json_decref(steps);
			return NULL;
		}
	}
	all = all_json(steps, notifications);
	return json_pack("{s:o, s:o, s:n}", "steps", steps, "all", all, "reason");
}

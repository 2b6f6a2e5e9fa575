// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "result_observer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

/* Written with 17 digits, and a median of two is half of their sum. */
#define ROUNDING 1e-6

static int read_median(const struct json_at *step, const char *side, double *median)
{
	struct json_at at;
	int err = json_at__object(step, side, false, &at);

	return err ? err : json_at__number(&at, "median", median);
}

static int read_step(const struct json_at *at, struct result_case *c)
{
	const json_t *ours = json_object_get(at->json, "ours");
	struct result_effect *effect;
	const char *name;
	size_t key = 0;
	int err, whole;

	err = json_at__string(at, "step", false, &name);
	if (err)
		return err;
	while (key < c->n_time_keys && strcmp(c->time_keys[key], name))
		key++;
	if (key == c->n_time_keys)
		return json_at__wrong(at, "step", "one of the samples' times");
	effect = &c->effects[key];
	if ((err = json_at__bool(at, "whole_call", false, &whole)) ||
	    (err = read_median(at, "watched", &effect->watched)) ||
	    (err = read_median(at, "unwatched", &effect->unwatched)))
		return err;
	if (!json_is_number(ours))
		return json_at__wrong(at, "ours", "a number");
	/* Below 0 where it is noise. */
	effect->ours = json_number_value(ours);
	effect->whole_call = whole;
	effect->known = true;
	return 0;
}

int result_case__read_observer(const struct json_at *result, struct result_case *c)
{
	struct json_at at, list, element;
	int err;

	if (!json_object_get(result->json, "observer"))
		return 0;
	err = json_at__object(result, "observer", false, &at);
	err = err ? err : json_at__array(&at, "steps", false, &list);
	if (err)
		return err;
	c->effects = calloc(c->n_time_keys + 1, sizeof(*c->effects));
	if (!c->effects)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(list.json) && !err; i++) {
		err = json_at__element(&list, i, &element);
		err = err ? err : read_step(&element, c);
	}
	return err;
}

static char *clause(int *err, const char *key, const char *what, double got, double expected)
{
	char *text;

	if (asprintf(&text, "observer: %s: %s is %.1f, but %.1f was worked out", key, what, got,
		     expected) >= 0)
		return text;
	*err = -ENOMEM;
	return NULL;
}

char *result_case__doubt_observer(const struct result_case *c, size_t key, int *err)
{
	const struct result_effect *effect = &c->effects[key];
	double difference = effect->watched - effect->unwatched, *costs;
	struct stats_summary summary;

	if (!effect->known)
		return NULL;
	if (fabs(effect->ours - difference) > ROUNDING)
		return clause(err, c->time_keys[key], "what is ours", effect->ours, difference);
	/* Of a whole call the samples have another cost. */
	if (effect->whole_call || !c->n_samples)
		return NULL;
	costs = calloc(c->n_samples, sizeof(*costs));
	if (!costs) {
		*err = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < c->n_samples; i++)
		costs[i] = c->samples[i].times[key];
	*err = stats__summarize(costs, c->n_samples, &summary);
	free(costs);
	if (*err || fabs(summary.median - effect->watched) <= ROUNDING)
		return NULL;
	return clause(err, c->time_keys[key], "the watched median", effect->watched,
		      summary.median);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The cases of a comparison put together by workload, in the order of their parameters. */
#include "diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct diff_workload *get_workload(struct diff *diff, const char *name)
{
	struct diff_workload *grown;

	for (size_t i = 0; i < diff->n_workloads; i++)
		if (!strcmp(diff->workloads[i].name, name))
			return &diff->workloads[i];
	grown = reallocarray(diff->workloads, diff->n_workloads + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	diff->workloads = grown;
	grown[diff->n_workloads] = (struct diff_workload){.name = name};
	return &grown[diff->n_workloads++];
}

static int add_case(struct diff_workload *w, struct diff_case *c)
{
	struct diff_case **grown = reallocarray(w->cases, w->n_cases + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	w->cases = grown;
	grown[w->n_cases++] = c;
	w->n_joined += diff_case__joined(c);
	return 0;
}

/* Is the parameter the same in all cases? */
static bool is_constant(const struct diff_workload *w, const struct result_param *param)
{
	for (size_t i = 0; i < w->n_cases; i++) {
		const struct result_param *other =
			result_case__param(w->cases[i]->any, param->name);

		if (!other || strcmp(other->text, param->text))
			return false;
	}
	return true;
}

bool diff_workload__varies(const struct diff_workload *w, const char *name)
{
	for (size_t i = 0; i < w->n_varying; i++)
		if (!strcmp(w->varying[i]->name, name))
			return true;
	return false;
}

static int find_varying(struct diff_workload *w)
{
	size_t room = 0;

	for (size_t i = 0; i < w->n_cases; i++)
		room += w->cases[i]->any->n_params;
	w->varying = calloc(room + 1, sizeof(*w->varying));
	if (!w->varying)
		return -ENOMEM;
	for (size_t i = 0; i < w->n_cases; i++) {
		const struct result_case *c = w->cases[i]->any;

		for (size_t p = 0; p < c->n_params; p++)
			if (!diff_workload__varies(w, c->params[p].name) &&
			    !is_constant(w, &c->params[p]))
				w->varying[w->n_varying++] = &c->params[p];
	}
	return 0;
}

/* By the varying parameters; numbers as numbers, and what has none last. */
static int by_params(const void *a, const void *b, void *arg)
{
	const struct diff_case *const *p = a, *const *q = b;
	const struct diff_workload *w = arg;

	for (size_t i = 0; i < w->n_varying; i++) {
		const struct result_param *x = result_case__param((*p)->any, w->varying[i]->name);
		const struct result_param *y = result_case__param((*q)->any, w->varying[i]->name);
		int order;

		if (!x || !y)
			order = !x - !y;
		else if (x->is_integer && y->is_integer)
			order = (x->value > y->value) - (x->value < y->value);
		else
			order = strcmp(x->text, y->text);
		if (order)
			return order;
	}
	return 0;
}

int diff__group_cases(struct diff *diff)
{
	int err = 0;

	for (size_t i = 0; i < diff->n_cases && !err; i++) {
		struct diff_workload *w = get_workload(diff, diff->cases[i].any->name);

		err = w ? add_case(w, &diff->cases[i]) : -ENOMEM;
	}
	for (size_t i = 0; i < diff->n_workloads && !err; i++) {
		struct diff_workload *w = &diff->workloads[i];

		err = find_varying(w);
		if (!err)
			qsort_r(w->cases, w->n_cases, sizeof(*w->cases), by_params, w);
	}
	return err;
}

void diff__ungroup_cases(struct diff *diff)
{
	for (size_t i = 0; i < diff->n_workloads; i++) {
		free(diff->workloads[i].cases);
		free(diff->workloads[i].varying);
	}
	free(diff->workloads);
}

char *diff_workload__title(const struct diff_workload *w, const struct diff_case *c)
{
	char *title = NULL;
	size_t size, n = 0;
	FILE *out;

	out = open_memstream(&title, &size);
	if (!out)
		return NULL;
	fputs(w->name, out);
	for (size_t i = 0; i < c->any->n_params; i++) {
		const struct result_param *param = &c->any->params[i];

		if (diff_workload__varies(w, param->name))
			fprintf(out, "%s%s %s", n++ ? ", " : " (", param->label, param->text);
	}
	if (n)
		fputc(')', out);
	if (fclose(out)) {
		free(title);
		return NULL;
	}
	return title;
}

void diff_value__add(struct diff_value *value, int64_t v, const char *reason)
{
	if (v == COUNT_UNKNOWN) {
		value->state = DIFF_UNKNOWN;
		value->reason = reason;
	} else if (value->state == DIFF_ABSENT) {
		*value = (struct diff_value){.state = DIFF_KNOWN, .min = v, .max = v};
	} else if (value->state == DIFF_KNOWN) {
		value->min = v < value->min ? v : value->min;
		value->max = v > value->max ? v : value->max;
	}
}

/* Adds the cases of one workload to the sum of one run; false where the run lacks one. */
static bool add_run(const struct diff_workload *w, int side, size_t run, enum metric_id id,
		    bool joined_only, int64_t *sum, const char **reason)
{
	for (size_t i = 0; i < w->n_cases; i++) {
		const struct diff_case *c = w->cases[i];

		if ((joined_only && !diff_case__joined(c)) || !c->n_in[side])
			continue;
		if (!c->in_run[side][run])
			return false;
		*sum = count__add(*sum, result_case__total(c->in_run[side][run], id));
		if (*sum == COUNT_UNKNOWN && !*reason)
			*reason = result_case__reason(c->in_run[side][run], id);
	}
	return true;
}

struct diff_value diff__sum_side(const struct diff *diff, const struct diff_workload *only,
				 int side, enum metric_id id, bool joined_only)
{
	struct diff_value value = {.state = DIFF_ABSENT};

	for (size_t run = 0; run < diff->side[side].set->n_runs; run++) {
		const char *reason = NULL;
		bool whole = true;
		int64_t sum = 0;

		for (size_t i = 0; i < diff->n_workloads && whole; i++)
			if (!only || only == &diff->workloads[i])
				whole = add_run(&diff->workloads[i], side, run, id, joined_only,
						&sum, &reason);
		/* A run that lacks a case would only seem to vary. */
		if (whole)
			diff_value__add(&value, sum, reason);
	}
	return value;
}

struct diff_count diff__sum(const struct diff *diff, const struct diff_workload *only,
			    enum metric_id id)
{
	struct diff_count count;

	for (int side = 0; side < SIDES; side++)
		count.side[side] = diff__sum_side(diff, only, side, id, true);
	return count;
}

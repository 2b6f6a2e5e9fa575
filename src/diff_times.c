// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The part of a comparison that is statistical: times and instruction costs. */
#include "diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *diff_verdict__words(enum diff_verdict verdict)
{
	static const char *const words[] = {
		[DIFF_SAME] = "no difference seen",
		[DIFF_FASTER] = "faster",
		[DIFF_SLOWER] = "slower",
		[DIFF_TOO_FEW] = "too few samples",
	};

	return words[verdict];
}

const struct diff_time *diff_case__time(const struct diff_case *c, const char *key)
{
	for (size_t i = 0; i < c->n_times; i++)
		if (!strcmp(c->times[i].key, key))
			return &c->times[i];
	return NULL;
}

/* The index of the key in this result's samples, or -1. */
static int find_key(const struct result_case *c, const char *key)
{
	for (size_t i = 0; i < c->n_time_keys; i++)
		if (!strcmp(c->time_keys[i], key))
			return (int)i;
	return -1;
}

/* Appends the samples of one run, in units of 1 / `divisor`. */
static int add_samples(struct diff_time *time, int side, const struct result_case *from,
		       size_t index, double divisor)
{
	size_t n = time->summary[side].n;
	double *grown;

	if (!from->n_samples)
		return 0;
	grown = reallocarray(time->samples[side], n + from->n_samples, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	time->samples[side] = grown;
	for (size_t i = 0; i < from->n_samples; i++)
		grown[n++] = from->samples[i].times[index] / divisor;
	time->summary[side].n = n;
	return 0;
}

/* The samples of a run are kin: do the runs' own medians set the sides apart? */
static int check_runs(struct diff_time *time, const size_t *run_sizes[SIDES],
		      const size_t n_runs[SIDES])
{
	double low[SIDES] = {INFINITY, INFINITY}, high[SIDES] = {-INFINITY, -INFINITY};
	struct stats_summary summary;
	int err;

	for (int side = 0; side < SIDES; side++) {
		const double *samples = time->samples[side];

		for (size_t run = 0; run < n_runs[side]; run++) {
			if (!run_sizes[side][run])
				continue;
			err = stats__summarize(samples, run_sizes[side][run], &summary);
			if (err)
				return err;
			low[side] = fmin(low[side], summary.median);
			high[side] = fmax(high[side], summary.median);
			samples += run_sizes[side][run];
		}
	}
	time->runs_overlap = (n_runs[BASE] > 1 || n_runs[NEW] > 1) && low[BASE] <= high[NEW] &&
			     low[NEW] <= high[BASE];
	return 0;
}

static int test(struct diff_time *time)
{
	const struct stats_summary *base = &time->summary[BASE], *new = &time->summary[NEW];
	int err;

	time->difference = new->median - base->median;
	time->percent = time->difference == 0 ? 0 : 100 * time->difference / base->median;
	err = stats__mann_whitney(time->samples[BASE], base->n, time->samples[NEW], new->n,
				  &time->p);
	return err ? err
		   : stats__median_difference_ci(time->samples[BASE], base->n, time->samples[NEW],
						 new->n, &time->ci_low, &time->ci_high);
}

static void judge(struct diff_time *time, size_t n_tests)
{
	double least = stats__least_p(time->summary[BASE].n, time->summary[NEW].n);
	bool likely = time->difference != 0 && time->p_adjusted < DIFF_P;

	/* Only worth saying where the test alone would have seen a difference. */
	time->runs_overlap &= likely;
	if (likely && !time->runs_overlap)
		time->verdict = time->difference < 0 ? DIFF_FASTER : DIFF_SLOWER;
	else if (!likely && time->difference != 0 && least * (double)n_tests >= DIFF_P)
		time->verdict = DIFF_TOO_FEW;
	else
		time->verdict = DIFF_SAME;
}

bool diff_time__tested(const struct diff_time *time)
{
	return time->summary[BASE].n && time->summary[NEW].n;
}

/* Copies p of every tested time to or from an array; returns how many. */
static size_t exchange_p(struct diff *diff, double *p, bool store)
{
	size_t n = 0;

	for (size_t i = 0; i < diff->n_cases; i++) {
		for (size_t k = 0; k < diff->cases[i].n_times; k++) {
			struct diff_time *time = &diff->cases[i].times[k];

			if (!diff_time__tested(time))
				continue;
			if (store)
				time->p_adjusted = p[n];
			else if (p)
				p[n] = time->p;
			n++;
		}
	}
	return n;
}

int diff__judge_times(struct diff *diff)
{
	double *p, *adjusted;
	int err = -ENOMEM;

	diff->n_tests = exchange_p(diff, NULL, false);
	p = calloc(diff->n_tests + 1, sizeof(*p));
	adjusted = calloc(diff->n_tests + 1, sizeof(*adjusted));
	if (!p || !adjusted)
		goto cleanup;
	exchange_p(diff, p, false);
	err = stats__holm(p, diff->n_tests, adjusted);
	if (err)
		goto cleanup;
	exchange_p(diff, adjusted, true);
	for (size_t i = 0; i < diff->n_cases; i++)
		for (size_t k = 0; k < diff->cases[i].n_times; k++)
			if (diff_time__tested(&diff->cases[i].times[k]))
				judge(&diff->cases[i].times[k], diff->n_tests);
cleanup:
	free(p);
	free(adjusted);
	return err;
}

static bool same_samples(const struct result_case *a, size_t ia, const struct result_case *b,
			 size_t ib)
{
	if (a->n_samples != b->n_samples)
		return false;
	for (size_t i = 0; i < a->n_samples; i++)
		if (a->samples[i].times[ia] != b->samples[i].times[ib])
			return false;
	return true;
}

/* Has an earlier run of this side the same samples, one by one? */
static bool repeats_a_run(const struct result_case *const *in_run, size_t run, size_t index,
			  const char *key)
{
	for (size_t i = 0; i < run; i++) {
		int other = in_run[i] ? find_key(in_run[i], key) : -1;

		if (other >= 0 && same_samples(in_run[i], (size_t)other, in_run[run], index))
			return true;
	}
	return false;
}

/* Sums what is ours over the runs of a side; returns how many know it. */
static size_t sum_ours(struct diff_time *time, const struct diff_case *c, size_t n_runs, int side)
{
	size_t n = 0;

	for (size_t run = 0; run < n_runs; run++) {
		const struct result_case *from = c->in_run[side][run];
		int index = from && from->effects ? find_key(from, time->key) : -1;
		const struct result_effect *effect = index < 0 ? NULL : &from->effects[index];

		if (!effect || !effect->known)
			continue;
		time->ours[side] += effect->ours;
		if (effect->watched > 0)
			time->ours_percent[side] += 100 * effect->ours / effect->watched;
		time->ours_of_call |= effect->whole_call;
		n++;
	}
	return n;
}

static void compare_ours(struct diff_time *time, const struct diff_case *c, const struct diff *diff,
			 double divisor)
{
	for (int side = 0; side < SIDES; side++) {
		size_t n = sum_ours(time, c, diff->side[side].set->n_runs, side);

		time->ours[side] = n ? time->ours[side] / (double)n / divisor : NAN;
		time->ours_percent[side] = n ? time->ours_percent[side] / (double)n : NAN;
	}
}

static int note_observer(struct diff *diff, const struct diff_workload *w,
			 const struct diff_case *c, const struct diff_time *time)
{
	double more = time->ours[NEW] - time->ours[BASE];
	char *title;
	int err;

	if ((time->verdict != DIFF_FASTER && time->verdict != DIFF_SLOWER) || !isfinite(more) ||
	    fabs(more) <= fabs(time->difference))
		return 0;
	title = diff_workload__title(w, c);
	if (!title)
		return -ENOMEM;
	err = sentences__add(&diff->notes,
			     "%s: the %s differs by %+.2f %s, but mmuscope's own part of it by "
			     "%+.2f: the difference may be that of the watching.",
			     title, time->key, time->difference, diff__time_unit(diff, c), more);
	free(title);
	return err;
}

int diff__note_observers(struct diff *diff)
{
	int err = 0;

	for (size_t i = 0; i < diff->n_workloads; i++) {
		const struct diff_workload *w = &diff->workloads[i];

		for (size_t k = 0; k < w->n_cases; k++)
			for (size_t t = 0; t < w->cases[k]->n_times && !err; t++)
				err = note_observer(diff, w, w->cases[k], &w->cases[k]->times[t]);
	}
	return err;
}

static int compare_time(struct diff_time *time, const struct diff_case *c, const struct diff *diff,
			double divisor)
{
	const size_t n_runs[SIDES] = {diff->side[BASE].set->n_runs, diff->side[NEW].set->n_runs};
	size_t *sizes[SIDES] = {NULL};
	int err = 0;

	for (int side = 0; side < SIDES && !err; side++) {
		sizes[side] = calloc(n_runs[side], sizeof(*sizes[side]));
		if (!sizes[side])
			err = -ENOMEM;
		for (size_t run = 0; run < n_runs[side] && !err; run++) {
			const struct result_case *from = c->in_run[side][run];
			int index = from ? find_key(from, time->key) : -1;

			if (index < 0)
				continue;
			/*
			 * A guest that counts instructions may repeat a run to the last
			 * one: the same samples again are no new evidence.
			 */
			if (repeats_a_run(c->in_run[side], run, (size_t)index, time->key))
				continue;
			sizes[side][run] = from->n_samples;
			err = add_samples(time, side, from, (size_t)index, divisor);
		}
		if (!err && time->summary[side].n)
			err = stats__summarize(time->samples[side], time->summary[side].n,
					       &time->summary[side]);
	}
	if (!err && diff_time__tested(time)) {
		err = check_runs(time, (const size_t **)sizes, n_runs);
		if (!err)
			err = test(time);
	}
	free(sizes[BASE]);
	free(sizes[NEW]);
	return err;
}

/* Makes an entry for each key that any run of either side has. */
static int collect_keys(struct diff_case *c, const struct diff *diff)
{
	struct diff_time *grown;

	for (int side = 0; side < SIDES; side++) {
		for (size_t run = 0; run < diff->side[side].set->n_runs; run++) {
			const struct result_case *from = c->in_run[side][run];

			for (size_t i = 0; from && i < from->n_time_keys; i++) {
				if (diff_case__time(c, from->time_keys[i]))
					continue;
				grown = reallocarray(c->times, c->n_times + 1, sizeof(*grown));
				if (!grown)
					return -ENOMEM;
				c->times = grown;
				grown[c->n_times++] = (struct diff_time){.key = from->time_keys[i]};
			}
		}
	}
	return 0;
}

int diff_case__compare_times(struct diff_case *c, const struct diff *diff)
{
	const struct result_param *pages = result_case__param(c->any, "pages");
	int err;

	c->per_page = pages && pages->is_integer && pages->value > 0;
	if (diff->times_forbidden)
		return 0;
	err = collect_keys(c, diff);
	for (size_t i = 0; i < c->n_times && !err; i++) {
		double divisor = c->per_page ? (double)pages->value : 1;

		compare_ours(&c->times[i], c, diff, divisor);
		err = compare_time(&c->times[i], c, diff, divisor);
	}
	return err;
}

void diff_case__free_times(struct diff_case *c)
{
	for (size_t i = 0; i < c->n_times; i++)
		for (int side = 0; side < SIDES; side++)
			free(c->times[i].samples[side]);
	free(c->times);
}

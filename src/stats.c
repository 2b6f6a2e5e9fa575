// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

/* The largest side for which the exact distribution of U is counted out. */
#define EXACT_MAX 20

#define RESAMPLES 2000
#define SEED 20200723

int stats__summarize(const double *v, size_t n, struct stats_summary *out)
{
	double *sorted, *work;
	int err = 0;

	if (!n)
		return -EINVAL;
	sorted = calloc(n, sizeof(*sorted));
	work = calloc(n, sizeof(*work));
	if (!sorted || !work) {
		err = -ENOMEM;
		goto cleanup;
	}
	memcpy(sorted, v, n * sizeof(*sorted));
	gsl_sort(sorted, 1, n);
	out->n = n;
	out->min = sorted[0];
	out->q1 = gsl_stats_quantile_from_sorted_data(sorted, 1, n, 0.25);
	out->median = gsl_stats_median_from_sorted_data(sorted, 1, n);
	out->q3 = gsl_stats_quantile_from_sorted_data(sorted, 1, n, 0.75);
	out->max = sorted[n - 1];
	out->mad = gsl_stats_mad0(sorted, 1, n, work);
cleanup:
	free(sorted);
	free(work);
	return err;
}

/*
 * The exact probability of at most `u` in the distribution of U, by the
 * recurrence f(m, n, u) = f(m - 1, n, u - n) + f(m, n - 1, u): the largest
 * sample is either of the first side, and beats all n, or of the second.
 */
static double exact_tail(size_t n_a, size_t n_b, size_t u)
{
	static double ways[EXACT_MAX + 1][EXACT_MAX * EXACT_MAX + 1];
	double tail = 0;

	memset(ways, 0, sizeof(ways));
	/* After step n, ways[m][x] is f(m, n, x). */
	for (size_t m = 0; m <= n_a; m++)
		ways[m][0] = 1;
	for (size_t n = 1; n <= n_b; n++)
		for (size_t m = 1; m <= n_a; m++)
			for (size_t x = m * n; x >= n; x--)
				ways[m][x] += ways[m - 1][x - n];
	for (size_t x = 0; x <= u; x++)
		tail += ways[n_a][x];
	return tail / gsl_sf_choose((unsigned int)(n_a + n_b), (unsigned int)n_a);
}

/* The sum of side a's ranks in `all` (a's first), and sum of t^3 - t over ties. */
static int rank_sum(const double *all, size_t n_a, size_t n, double *sum, double *ties)
{
	size_t *order = calloc(n, sizeof(*order));

	if (!order)
		return -ENOMEM;
	gsl_sort_index(order, all, 1, n);
	*sum = *ties = 0;
	for (size_t from = 0, to; from < n; from = to) {
		size_t of_a = 0;
		double t;

		for (to = from; to < n && all[order[to]] == all[order[from]]; to++)
			of_a += order[to] < n_a;
		t = (double)(to - from);
		/* Tied samples share the mean of the ranks from + 1 ... to. */
		*sum += (double)of_a * (double)(from + 1 + to) / 2;
		*ties += t * t * t - t;
	}
	free(order);
	return 0;
}

int stats__mann_whitney(const double *a, size_t n_a, const double *b, size_t n_b, double *p)
{
	double na = (double)n_a, nb = (double)n_b, n = na + nb;
	double sum, ties, u, variance, distance;
	double *all;
	int err;

	if (!n_a || !n_b)
		return -EINVAL;
	all = calloc(n_a + n_b, sizeof(*all));
	if (!all)
		return -ENOMEM;
	memcpy(all, a, n_a * sizeof(*all));
	memcpy(all + n_a, b, n_b * sizeof(*all));
	err = rank_sum(all, n_a, n_a + n_b, &sum, &ties);
	free(all);
	if (err)
		return err;

	u = sum - na * (na + 1) / 2;
	u = fmin(u, na * nb - u);
	if (ties == 0 && n_a <= EXACT_MAX && n_b <= EXACT_MAX) {
		*p = fmin(1, 2 * exact_tail(n_a, n_b, (size_t)u));
		return 0;
	}
	variance = na * nb / 12 * (n + 1 - ties / (n * (n - 1)));
	distance = na * nb / 2 - u - 0.5;
	/* All equal: rounding may leave the variance a hair above or below zero. */
	if (variance < 1e-9 || distance <= 0)
		*p = 1;
	else
		*p = fmin(1, 2 * gsl_cdf_ugaussian_Q(distance / sqrt(variance)));
	return 0;
}

double stats__least_p(size_t n_a, size_t n_b)
{
	if (!n_a || !n_b)
		return 1;
	return fmin(1, 2 * exp(-gsl_sf_lnchoose((unsigned int)(n_a + n_b), (unsigned int)n_a)));
}

int stats__holm(const double *p, size_t n, double *adjusted)
{
	size_t *order = calloc(n + 1, sizeof(*order));
	double highest = 0;

	if (!order)
		return -ENOMEM;
	gsl_sort_index(order, p, 1, n);
	for (size_t i = 0; i < n; i++) {
		highest = fmax(highest, fmin(1, p[order[i]] * (double)(n - i)));
		adjusted[order[i]] = highest;
	}
	free(order);
	return 0;
}

static double resampled_median(gsl_rng *rng, const double *v, size_t n, double *work)
{
	gsl_ran_sample(rng, work, n, (void *)(uintptr_t)v, n, sizeof(*v));
	return gsl_stats_median(work, 1, n);
}

int stats__median_difference_ci(const double *a, size_t n_a, const double *b, size_t n_b,
				double *low, double *high)
{
	double *differences = NULL, *work = NULL;
	gsl_rng *rng = NULL;
	int err = 0;

	if (!n_a || !n_b)
		return -EINVAL;
	differences = calloc(RESAMPLES, sizeof(*differences));
	work = calloc(n_a > n_b ? n_a : n_b, sizeof(*work));
	rng = gsl_rng_alloc(gsl_rng_mt19937);
	if (!differences || !work || !rng) {
		err = -ENOMEM;
		goto cleanup;
	}
	gsl_rng_set(rng, SEED);
	for (size_t i = 0; i < RESAMPLES; i++) {
		double median_a = resampled_median(rng, a, n_a, work);

		differences[i] = resampled_median(rng, b, n_b, work) - median_a;
	}
	gsl_sort(differences, 1, RESAMPLES);
	*low = gsl_stats_quantile_from_sorted_data(differences, 1, RESAMPLES, 0.025);
	*high = gsl_stats_quantile_from_sorted_data(differences, 1, RESAMPLES, 0.975);
cleanup:
	gsl_rng_free(rng);
	free(work);
	free(differences);
	return err;
}

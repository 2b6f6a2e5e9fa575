/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_STATS_H
#define MMUSCOPE_STATS_H

/*
 * Statistics of measured times, on GSL. They are skewed and have outliers, so
 * medians and ranks are used and never a normal distribution of the values.
 * Samples need not be sorted and are not changed; their unit is the caller's.
 */
#include <stddef.h>

struct stats_summary {
	size_t n;
	double min, q1, median, q3, max;
	double mad; /* median absolute deviation from the median, not scaled */
};

/* Returns 0, -EINVAL where n is 0, or -ENOMEM. */
int stats__summarize(const double *v, size_t n, struct stats_summary *out);

/*
 * Mann-Whitney U test, two-sided: the probability, 0 < p <= 1, of ranks at
 * least as uneven as these if both came from one distribution. Exact for up
 * to 20 samples a side without ties, else the normal approximation with
 * corrections for ties and continuity. All samples equal: 1.
 * Returns 0, -EINVAL where either is empty, or -ENOMEM.
 */
int stats__mann_whitney(const double *a, size_t n_a, const double *b, size_t n_b, double *p);

/*
 * The least p that so many samples can give, however far apart they are:
 * below about 5 a side no difference can be told from chance at p < 0.01.
 */
double stats__least_p(size_t n_a, size_t n_b);

/*
 * Holm's correction of `n` tests made at once: among ten comparisons of a
 * thing with itself one comes out below p = 0.01 every tenth time, unless the
 * p of each is raised. Returns 0 or -ENOMEM.
 */
int stats__holm(const double *p, size_t n, double *adjusted);

/*
 * 95 % confidence interval for median(b) - median(a): percentile bootstrap,
 * with a fixed seed so that the same samples always give the same interval.
 * Returns 0, -EINVAL where either is empty, or -ENOMEM.
 */
int stats__median_difference_ci(const double *a, size_t n_a, const double *b, size_t n_b,
				double *low, double *high);

#endif

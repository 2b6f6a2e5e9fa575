// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "stats.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void check_close(double got, double expected)
{
	if (fabs(got - expected) > 1e-6 * fmax(1, fabs(expected)))
		fail_msg("%.10g is not %.10g", got, expected);
}

static void check_p(const double *a, size_t n_a, const double *b, size_t n_b, double expected)
{
	double p = -1;

	assert_int_equal(stats__mann_whitney(a, n_a, b, n_b, &p), 0);
	check_close(p, expected);
	assert_int_equal(stats__mann_whitney(b, n_b, a, n_a, &p), 0);
	check_close(p, expected);
}

static void summary_is_of_the_samples(void **state)
{
	const double odd[] = { 9, 1, 5, 3, 7 }, even[] = { 4, 1, 2, 3 }, one[] = { 6 };
	struct stats_summary s;

	(void)state;
	assert_int_equal(stats__summarize(odd, 5, &s), 0);
	assert_int_equal(s.n, 5);
	check_close(s.min, 1);
	check_close(s.q1, 3);
	check_close(s.median, 5);
	check_close(s.q3, 7);
	check_close(s.max, 9);
	check_close(s.mad, 2);
	check_close(odd[0], 9);
	assert_int_equal(stats__summarize(even, 4, &s), 0);
	check_close(s.median, 2.5);
	assert_int_equal(stats__summarize(one, 1, &s), 0);
	check_close(s.median, 6);
	check_close(s.mad, 0);
	assert_int_equal(stats__summarize(one, 0, &s), -EINVAL);
}

/* Expected: how many of all orders of the samples are as uneven, counted one by one. */
static void small_samples_are_counted_exactly(void **state)
{
	const double low3[] = { 1, 2, 3 }, high3[] = { 4, 5, 6 };
	const double low5[] = { 1, 2, 3, 4, 5 }, high5[] = { 6, 7, 8, 9, 10 };
	const double mixed[] = { 1.5, 4.5, 5.5, 9.5 };

	(void)state;
	check_p(low3, 3, high3, 3, 2.0 / 20);
	check_p(low5, 5, high5, 5, 2.0 / 252);
	check_p(low5, 5, mixed, 4, 2 * 18.0 / 126);
	check_p(low3, 1, high3, 1, 1);
}

static void ties_are_corrected(void **state)
{
	const double a[] = { 1, 2, 2, 3 }, b[] = { 2, 3, 4, 5 };
	/* U = 2.5, ties of 3 and 2: variance 16/12 * (9 - 30/56), z = 5/sqrt(variance). */
	double z = (8 - 2.5 - 0.5) / sqrt(16.0 / 12 * (9 - 30.0 / 56));

	(void)state;
	check_p(a, 4, b, 4, erfc(z / sqrt(2)));
}

static void equal_samples_differ_in_nothing(void **state)
{
	const double same[] = { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 };
	double low, high;

	(void)state;
	check_p(same, COUNT(same), same, COUNT(same), 1);
	check_p(same, 1, same, COUNT(same), 1);
	assert_int_equal(stats__median_difference_ci(same, 22, same, 22, &low, &high), 0);
	check_close(low, 0);
	check_close(high, 0);
}

static void exact_and_normal_meet(void **state)
{
	double a[21], b[21], exact, normal;

	(void)state;
	for (int i = 0; i < 21; i++) {
		a[i] = i;
		b[i] = i + 6.5;
	}
	assert_int_equal(stats__mann_whitney(a, 20, b, 20, &exact), 0);
	assert_int_equal(stats__mann_whitney(a, 21, b, 21, &normal), 0);
	assert_true(exact > 0 && exact < 0.01);
	assert_true(normal > 0 && normal < 0.01);
	assert_true(fabs(exact - normal) < 0.002);
}

static void nothing_is_refused(void **state)
{
	const double one[] = { 1 };
	double x, y;

	(void)state;
	assert_int_equal(stats__mann_whitney(one, 0, one, 1, &x), -EINVAL);
	assert_int_equal(stats__mann_whitney(one, 1, one, 0, &x), -EINVAL);
	assert_int_equal(stats__median_difference_ci(one, 0, one, 1, &x, &y), -EINVAL);
}

static void least_p_is_of_complete_separation(void **state)
{
	(void)state;
	check_close(stats__least_p(3, 3), 0.1);
	check_close(stats__least_p(5, 5), 2.0 / 252);
	check_close(stats__least_p(1, 1), 1);
	check_close(stats__least_p(0, 5), 1);
	assert_true(stats__least_p(4, 4) >= 0.01);
}

static void holm_raises_each_p(void **state)
{
	const double p[] = { 0.01, 0.04, 0.03, 0.9 };
	double adjusted[4];

	(void)state;
	assert_int_equal(stats__holm(p, 4, adjusted), 0);
	check_close(adjusted[0], 0.04);
	check_close(adjusted[2], 0.09);
	check_close(adjusted[1], 0.09);
	check_close(adjusted[3], 0.9);
	assert_int_equal(stats__holm(p, 0, adjusted), 0);
}

static void interval_covers_the_shift_and_repeats(void **state)
{
	double a[40], b[40], low, high, low2, high2;

	(void)state;
	for (int i = 0; i < 40; i++) {
		a[i] = 100 + (i * 17) % 40 * 0.1;
		b[i] = 110 + (i * 23) % 40 * 0.1;
	}
	assert_int_equal(stats__median_difference_ci(a, 40, b, 40, &low, &high), 0);
	assert_true(low < 10 && 10 < high);
	assert_true(high - low < 3);
	assert_int_equal(stats__median_difference_ci(a, 40, b, 40, &low2, &high2), 0);
	assert_true(low == low2 && high == high2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary_is_of_the_samples),
		cmocka_unit_test(small_samples_are_counted_exactly),
		cmocka_unit_test(ties_are_corrected),
		cmocka_unit_test(equal_samples_differ_in_nothing),
		cmocka_unit_test(exact_and_normal_meet),
		cmocka_unit_test(nothing_is_refused),
		cmocka_unit_test(least_p_is_of_complete_separation),
		cmocka_unit_test(holm_raises_each_p),
		cmocka_unit_test(interval_covers_the_shift_and_repeats),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}

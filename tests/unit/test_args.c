// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>

#include "args.h"

static void takes_whole_numbers_in_range(void **state)
{
	static const struct {
		const char *text;
		unsigned long long min, max, n;
	} good[] = {
		{ "0", 0, 0, 0 },
		{ "1", 1, 10, 1 },
		{ "10", 1, 10, 10 },
		{ "007", 1, 10, 7 },
		{ "18446744073709551615", 0, ULLONG_MAX, ULLONG_MAX },
	};
	unsigned long long n;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		n = 99;
		assert_true(parse_number(good[i].text, good[i].min, good[i].max, &n));
		assert_true(n == good[i].n);
	}
}

static void refuses_what_is_no_number(void **state)
{
	static const char *const bad[] = {
		"", " ", " 1", "1 ", "+1", "-1", "-", "a", "1a", "0x10", "1.5", "1e3", "1,2", "\n1",
		"1\n", "--5", "\xd9\xa1", "18446744073709551616", "99999999999999999999999",
		/* -2^64 + 1, which strtoull() takes for 1. */
		"-18446744073709551615",
	};
	unsigned long long n = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_number(bad[i], 0, ULLONG_MAX, &n))
			fail_msg("takes '%s'", bad[i]);
	assert_false(parse_number("0", 1, 10, &n));
	assert_false(parse_number("11", 1, 10, &n));
	/* Untouched all the while. */
	assert_int_equal(n, 42);
}

static void takes_lists(void **state)
{
	unsigned int out[4] = { 9, 9, 9, 9 };

	(void)state;
	assert_int_equal(parse_numbers("5", 0, 100, out, 4), 1);
	assert_int_equal(out[0], 5);
	assert_int_equal(out[1], 9);
	assert_int_equal(parse_numbers("0,25,50,100", 0, 100, out, 4), 4);
	assert_int_equal(out[0], 0);
	assert_int_equal(out[1], 25);
	assert_int_equal(out[2], 50);
	assert_int_equal(out[3], 100);
	assert_int_equal(parse_numbers("4294967295", 0, UINT_MAX, out, 4), 1);
	assert_int_equal(out[0], UINT_MAX);
	assert_int_equal(parse_numbers("7,7", 0, 100, out, 4), 2);
}

static void refuses_bad_lists(void **state)
{
	static const char *const bad[] = {
		"", ",", "1,", ",1", "1,,2", "1, 2", "1;2", "1,2,x", "101", "0,101", "-1",
		"1,2,3,4,5",
	};
	/* One more than the limit, to see that it stays as it is. */
	unsigned int out[5] = { 0, 0, 0, 0, 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_numbers(bad[i], 0, 100, out, 4))
			fail_msg("takes '%s'", bad[i]);
	assert_int_equal(out[4], 77);
	assert_int_equal(parse_numbers("1", 0, 100, out, 0), 0);
}

static void rows_are_powers_of_two(void **state)
{
	static const char *const bad[] = { "", "0", "3", "4095", "4097", "65537", "131072", "-2",
					   "2k", "65535" };
	unsigned int shift;
	char text[16];

	(void)state;
	/* 0 would mean the default. */
	assert_true(rows_to_shift("1", &shift));
	assert_int_equal(shift, 1);
	for (unsigned int i = 1; i <= 16; i++) {
		snprintf(text, sizeof(text), "%u", 1U << i);
		assert_true(rows_to_shift(text, &shift));
		assert_int_equal(shift, i);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (rows_to_shift(bad[i], &shift))
			fail_msg("takes '%s'", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_whole_numbers_in_range),
		cmocka_unit_test(refuses_what_is_no_number),
		cmocka_unit_test(takes_lists),
		cmocka_unit_test(refuses_bad_lists),
		cmocka_unit_test(rows_are_powers_of_two),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fixture.h"

#include <errno.h>
#include <math.h>

#include "observer.h"

/* `n` iterations of a step that costs `cost`, now and then a little more. */
static void add(struct observer *o, enum observer_side side, const char *step, bool whole_call,
		int n, uint64_t cost, uint64_t jitter)
{
	for (int i = 0; i < n; i++) {
		uint64_t more = jitter * (uint64_t)(i % 3);

		assert_int_equal(observer__add(o, side, step, whole_call, cost + more), 0);
	}
}

static double number(json_t *json, const char *path)
{
	json_t *found = at(json, path);

	assert_true(json_is_number(found));
	return json_number_value(found);
}

static const char *string(json_t *json, const char *path)
{
	json_t *found = at(json, path);

	assert_true(json_is_string(found));
	return json_string_value(found);
}

static void what_is_ours_is_the_difference_of_the_medians(void **state)
{
	struct observer o = {};
	json_t *json;

	(void)state;
	add(&o, OBSERVER_UNWATCHED, "cow", false, 11, 90000, 1);
	add(&o, OBSERVER_WATCHED, "cow", false, 23, 100000, 1);
	json = must(observer__json(&o, 10, NULL));
	assert_string_equal(string(json, "steps.0.step"), "cow");
	assert_true(json_is_false(at(json, "steps.0.whole_call")));
	assert_int_equal(number(json, "steps.0.watched.n"), 23);
	assert_int_equal(number(json, "steps.0.unwatched.n"), 11);
	assert_true(number(json, "steps.0.ours") == 10000);
	assert_true(fabs(number(json, "steps.0.percent") - 10) < 0.001);
	assert_string_equal(string(json, "steps.0.verdict"), "seen");
	assert_true(number(json, "steps.0.ci95.0") <= 10000);
	assert_true(number(json, "steps.0.ci95.1") >= 10000);
	assert_true(number(json, "all.ours") == 10000);
	assert_true(number(json, "all.per_notification") == 1000);
	assert_true(json_is_null(at(json, "reason")));
	json_decref(json);
	observer__clear(&o);
	assert_int_equal(o.steps, 0);
}

static void all_is_the_sum_of_the_steps(void **state)
{
	struct observer o = {};
	json_t *json;

	(void)state;
	for (int i = 0; i < 7; i++) {
		for (int side = 0; side < OBSERVER_SIDES; side++) {
			enum observer_side s = (enum observer_side)side;
			uint64_t more = side == OBSERVER_WATCHED ? 5 : 0;

			assert_int_equal(observer__add(&o, s, "migrate", true, 100 + more), 0);
			assert_int_equal(observer__add(&o, s, "read", false, 30 + more), 0);
		}
	}
	json = must(observer__json(&o, 0, NULL));
	assert_int_equal(json_array_size(at(json, "steps")), 2);
	assert_true(json_is_true(at(json, "steps.0.whole_call")));
	assert_true(number(json, "all.unwatched") == 130);
	assert_true(number(json, "all.watched") == 140);
	assert_true(number(json, "all.ours") == 10);
	assert_string_equal(string(json, "all.verdict"), "seen");
	/* Nothing is divided by no notifications. */
	assert_true(json_is_null(at(json, "all.per_notification")));
	json_decref(json);
	observer__clear(&o);
}

/* Below zero it stays as it is, and is called what it is. */
static void noise_is_told_and_not_clipped(void **state)
{
	struct observer o = {};
	json_t *json;

	(void)state;
	add(&o, OBSERVER_UNWATCHED, "read", false, 10, 100001, 500);
	add(&o, OBSERVER_WATCHED, "read", false, 20, 100000, 500);
	json = must(observer__json(&o, 8, NULL));
	assert_true(number(json, "steps.0.ours") == -1);
	assert_true(number(json, "steps.0.percent") < 0);
	assert_string_equal(string(json, "steps.0.verdict"), "noise");
	assert_string_equal(string(json, "all.verdict"), "noise");
	assert_true(number(json, "all.per_notification") < 0);
	json_decref(json);
	observer__clear(&o);
}

/* One step is told from noise, and another is noise that is larger. */
static void all_is_noise_where_a_step_is_more_of_it(void **state)
{
	struct observer o = {};
	json_t *json;

	(void)state;
	add(&o, OBSERVER_UNWATCHED, "cow", false, 10, 90000, 1);
	add(&o, OBSERVER_WATCHED, "cow", false, 20, 90100, 1);
	add(&o, OBSERVER_UNWATCHED, "ksm", false, 10, 9000000, 500000);
	add(&o, OBSERVER_WATCHED, "ksm", false, 20, 8900000, 600000);
	json = must(observer__json(&o, 10, NULL));
	assert_string_equal(string(json, "steps.0.verdict"), "seen");
	assert_string_equal(string(json, "steps.1.verdict"), "noise");
	assert_string_equal(string(json, "all.verdict"), "noise");
	json_decref(json);
	observer__clear(&o);
}

static void few_samples_tell_nothing(void **state)
{
	struct observer o = {};
	json_t *json;

	(void)state;
	add(&o, OBSERVER_UNWATCHED, "read", false, 2, 100, 0);
	add(&o, OBSERVER_WATCHED, "read", false, 2, 9000, 0);
	json = must(observer__json(&o, 8, NULL));
	assert_true(number(json, "steps.0.ours") == 8900);
	assert_string_equal(string(json, "steps.0.verdict"), "too few samples");
	assert_string_equal(string(json, "all.verdict"), "too few samples");
	json_decref(json);
	observer__clear(&o);
}

static void too_many_steps_are_refused(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i",
					     "j", "k", "l", "m", "n", "o", "p", "q" };
	struct observer o = {};

	(void)state;
	for (size_t i = 0; i < OBSERVER_STEPS; i++)
		assert_int_equal(observer__add(&o, OBSERVER_WATCHED, names[i], false, 1), 0);
	assert_int_equal(observer__add(&o, OBSERVER_WATCHED, names[OBSERVER_STEPS], false, 1),
			 -E2BIG);
	observer__clear(&o);
}

/* A document as bench writes it, as far as it is printed. */
static json_t *document(json_t *observer, const char *clock)
{
	return must(json_pack("{s:s, s:[{s:{s:{s:i}}, s:[{s:{s:i, s:i}}, {s:{s:i, s:i}}], s:o}]}",
			      "clock", clock, "results", "workload", "params", "resident_pct", 50,
			      "samples", "times", "migrate", 700, "read", 300, "times", "migrate",
			      702, "read", 302, "observer", observer));
}

static void check_printed(json_t *doc, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(observer__print(doc, out), 0);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, expected);
	free(text);
	json_decref(doc);
}

static void the_table_has_the_figures_of_the_json(void **state)
{
	struct observer o = {};

	(void)state;
	for (int i = 0; i < 9; i++) {
		for (int side = 0; side < OBSERVER_SIDES; side++) {
			enum observer_side s = (enum observer_side)side;
			uint64_t more = side == OBSERVER_WATCHED ? 8000 : 0;

			assert_int_equal(observer__add(&o, s, "migrate", true, 92000 + more), 0);
			assert_int_equal(observer__add(&o, s, "read", false, 301), 0);
		}
	}
	check_printed(document(must(observer__json(&o, 8, NULL)), "guest-insn"),
		      "\n"
		      "Guest instructions of one iteration, medians\n"
		      "RESIDENT STEP            COST UNWATCHED  OURS      95 % CI OF IT  EACH\n"
		      "    50 % migrate          701       n/o   n/o          n/o   n/o\n"
		      "         migrate, call 100000     92000 +8000 +8000..+8000 8.0 %\n"
		      "         read             301       301     0         0..0 noise\n"
		      "         all           100301     92301 +8000              8.0 % +1000\n"
		      "OURS: what watching adds; OF IT: that of COST; EACH: of it for a "
		      "notification.\n"
		      "n/o: counted from setup to finalize, by the watching itself; compare the "
		      "call.\n"
		      "noise: OURS is not told apart from noise.\n");
	observer__clear(&o);
}

static void costs_are_printed_without_a_calibration(void **state)
{
	struct observer o = {};

	(void)state;
	check_printed(document(must(observer__json(&o, 8, "nobody asked")), "ns"),
		      "\n"
		      "ns of one iteration, medians\n"
		      "RESIDENT STEP    COST UNWATCHED OURS 95 % CI OF IT EACH\n"
		      "    50 % migrate  701       n/o  n/o     n/o   n/o\n"
		      "         read     301       n/o  n/o     n/o   n/o\n"
		      "n/o: not measured unwatched: nobody asked.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_ours_is_the_difference_of_the_medians),
		cmocka_unit_test(all_is_the_sum_of_the_steps),
		cmocka_unit_test(noise_is_told_and_not_clipped),
		cmocka_unit_test(all_is_noise_where_a_step_is_more_of_it),
		cmocka_unit_test(few_samples_tell_nothing),
		cmocka_unit_test(too_many_steps_are_refused),
		cmocka_unit_test(the_table_has_the_figures_of_the_json),
		cmocka_unit_test(costs_are_printed_without_a_calibration),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("observer", tests, NULL, NULL);
}

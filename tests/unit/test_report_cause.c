// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measurement.h"

#include <stdio.h>
#include <unistd.h>

/* The measurement's 11 notifications: 8 migrations, 2 of munmap(), 1 of nobody knows what. */
static struct causes causes;

static void add_cause(struct measurement *m, unsigned int event, unsigned int phase, __u64 stack,
		      __u64 samples, __u64 pages)
{
	struct mmuscope_row_key key = row_key(42, ROW_CAUSE, event, phase);

	key.what = stack;
	add_row(&m->snap, &key, (const __u64[]){ samples, pages }, 2);
}

static int set_up(void **state)
{
	static const __u64 stacks[][MMUSCOPE_STACK_DEPTH] = {
		{ 0x1001, 0x2001 }, { 0x1001, 0x3001 }, { 0x1001, 0x4001, 0x5001, 0x6001, 0x7001 },
	};
	char path[] = "/tmp/report-cause-XXXXXX";
	struct measurement *m;
	FILE *f = fdopen(mkstemp(path), "w");

	assert_non_null(f);
	fputs("1000 T __mmu_notifier_invalidate_range_start\n2000 T migrate_vma_setup\n"
	      "3000 T __x64_sys_munmap\n4000 T one\n5000 T two\n6000 T three\n7000 T four\n", f);
	fclose(f);
	set_up_measurement(state);
	m = *state;
	causes = (struct causes){ .every = 1 };
	assert_int_equal(ksyms__read(&causes.ksyms, path, KSYMS_FUNCTIONS), 0);
	unlink(path);
	for (__u32 i = 0; i < 3; i++)
		assert_int_equal(causes__add_stack(&causes, i, stacks[i]), 0);
	add_cause(m, 6, PHASE_SETUP, 0, 8, 512);
	add_cause(m, 0, PHASE_OUTSIDE, 1, 2, 10);
	add_cause(m, 0, PHASE_OUTSIDE, 2, 1, 0);
	m->report.causes = &causes;
	return 0;
}

static int tear_down(void **state)
{
	causes__clear(&causes);
	return tear_down_measurement(state);
}

static json_int_t number_of(const json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static const char *text_of(const json_t *o, const char *key)
{
	assert_true(json_is_string(json_object_get(o, key)));
	return json_string_value(json_object_get(o, key));
}

static void json_has_each_cause(void **state)
{
	struct measurement *m = *state;
	json_t *doc = report__json(&m->report);
	const json_t *list = json_object_get(doc, "causes"), *row;

	assert_int_equal(json_array_size(list), 3);
	row = json_array_get(list, 0);
	assert_string_equal(text_of(row, "cause"), "migration");
	assert_string_equal(text_of(row, "event"), "MIGRATE");
	assert_string_equal(text_of(row, "phase"), "setup");
	assert_string_equal(text_of(row, "comm"), "prog");
	assert_int_equal(number_of(row, "pid"), 42);
	assert_int_equal(number_of(row, "calls"), 8);
	assert_int_equal(number_of(row, "pages"), 512);
	assert_int_equal(number_of(row, "samples"), 8);
	assert_int_equal(json_array_size(json_object_get(row, "stack")), 1);
	row = json_array_get(list, 2);
	assert_string_equal(text_of(row, "cause"), "other");
	assert_int_equal(json_array_size(json_object_get(row, "stack")), 4);
	row = json_object_get(doc, "sampling");
	assert_int_equal(number_of(row, "every"), 1);
	assert_int_equal(number_of(row, "samples"), 11);
	/* They are no notifications. */
	assert_int_equal(json_array_size(json_object_get(doc, "notifications")), 2);
	json_decref(doc);
}

static void json_is_null_where_nobody_asked(void **state)
{
	struct measurement *m = *state;
	json_t *doc;

	m->report.causes = NULL;
	doc = report__json(&m->report);
	assert_true(json_is_null(json_object_get(doc, "causes")));
	assert_true(json_is_null(json_object_get(doc, "sampling")));
	json_decref(doc);
}

static void estimates_are_multiplied(void **state)
{
	struct measurement *m = *state;
	const json_t *row;
	json_t *doc;

	causes.every = 64;
	doc = report__json(&m->report);
	row = json_array_get(json_object_get(doc, "causes"), 1);
	assert_string_equal(text_of(row, "cause"), "munmap");
	assert_int_equal(number_of(row, "calls"), 128);
	assert_int_equal(number_of(row, "pages"), 640);
	assert_int_equal(number_of(row, "samples"), 2);
	json_decref(doc);
}

/* The invariant, and whether it holds; NULL: is not checked. */
static const struct invariant *invariant(const struct measurement *m,
					 struct invariant inv[INVARIANTS_MAX])
{
	size_t broken, n = report__invariants(&m->report, inv, &broken);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(inv[i].name, "causes sum to the notifications"))
			return &inv[i];
	return NULL;
}

static void every_notification_has_a_cause(void **state)
{
	struct invariant inv[INVARIANTS_MAX];
	struct measurement *m = *state;

	assert_true(invariant(m, inv)->holds);
	m->snap.rows[m->snap.row_count - 1].count[CAUSE_SAMPLES]++;
	assert_false(invariant(m, inv)->holds);
	m->report.interval = true;
	assert_null(invariant(m, inv));
	m->report.interval = false;
	causes.every = 2;
	assert_null(invariant(m, inv));
	m->report.causes = NULL;
	assert_null(invariant(m, inv));
}

static void prints(const struct measurement *m, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(report__print(&m->report, f), 0);
	fclose(f);
	if (!strstr(text, expected))
		fail_msg("%s\nis not in:\n%s", expected, text);
	free(text);
}

static void prints_a_table(void **state)
{
	struct measurement *m = *state;

	prints(m, "Causes, of every notification\n"
		  "CAUSE                    EVENT   PHASE   CALLS PAGES\n"
		  "migration                MIGRATE setup       8   512\n"
		  "munmap                   UNMAP   outside     2    10\n"
		  "other: one < two < three UNMAP   outside     1     0\n\n");
	causes.every = 64;
	prints(m, "Causes, estimated from 11 samples, one in 64 notifications\n"
		  "CAUSE                    EVENT   PHASE   CALLS PAGES\n"
		  "migration                MIGRATE setup     512 32768\n");
	m->snap.row_count -= 3;
	prints(m, "Causes, estimated from 0 samples, one in 64 notifications: none\n\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(json_has_each_cause),
		TEST(json_is_null_where_nobody_asked),
		TEST(estimates_are_multiplied),
		TEST(every_notification_has_a_cause),
		TEST(prints_a_table),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("report_cause", tests, NULL, NULL);
}

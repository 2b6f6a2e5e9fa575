// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measurement.h"

#include <stdio.h>
#include <unistd.h>

#include "report_windows.h"

/* Of the measurement's 10 windows 2 were open too long, and 3 more were never ended. */
static struct causes stacks;
static struct windows windows;

static void add_window(__u64 open_ns, enum mmuscope_window_fate fate, __s32 stack, __u32 task)
{
	struct mmuscope_window w = {
		.open_ns = open_ns,
		.from = 0x10000,
		.to = 0x17000,
		.start = 7,
		.tgid = 42,
		.task = task,
		.stack = stack,
		.event = 1,
		.fate = fate,
		.comm = "worker",
	};

	assert_int_equal(windows__add(&windows, &w), 0);
	windows.still_open += fate == WINDOW_OPEN;
}

static int set_up(void **state)
{
	static const __u64 ip[MMUSCOPE_STACK_DEPTH] = { 0x1001, 0x2001, 0x900001, 0x2001, 0x4001, 0x5001 };
	char path[] = "/tmp/report-windows-XXXXXX";
	struct measurement *m;
	FILE *f = fdopen(mkstemp(path), "w");

	assert_non_null(f);
	/* Near 0x900000 is no function: the trampoline of one that is watched. */
	fputs("1000 T __mmu_notifier_invalidate_range_start\n2000 T one\n4000 T two\n5000 T three\n",
	      f);
	fclose(f);
	set_up_measurement(state);
	m = *state;
	stacks = (struct causes){};
	windows = (struct windows){ .limit_ns = 1000000 };
	assert_int_equal(ksyms__read(&stacks.ksyms, path, KSYMS_FUNCTIONS), 0);
	unlink(path);
	assert_int_equal(causes__add_stack(&stacks, 5, ip), 0);
	add_window(2000000, WINDOW_ENDED, 5, 43);
	add_window(3000000, WINDOW_ENDED, -1, 44);
	add_window(500, WINDOW_TASK_EXITED, 5, 45);
	add_window(600, WINDOW_OVERRUN, 5, 46);
	add_window(9000000, WINDOW_OPEN, 5, 47);
	windows__sort(&windows);
	m->snap.total[TOTAL_LONG_WINDOWS] = 2;
	m->snap.total[TOTAL_ABANDONED_WINDOWS] = 1;
	m->snap.total[TOTAL_OVERRUN_WINDOWS] = 1;
	m->snap.total[TOTAL_ENDS] = 7;
	m->report.windows = &windows;
	m->report.stacks = &stacks;
	return 0;
}

static int tear_down(void **state)
{
	windows__clear(&windows);
	causes__clear(&stacks);
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

static char *printed(const struct report *r)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_windows__print(r, false, out), 0);
	fclose(out);
	return text;
}

static void sorts_by_time(void **state)
{
	static const __u64 expected[] = { 9000000, 3000000, 2000000, 600, 500 };

	(void)state;
	assert_int_equal(windows.count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(windows.items[i].open_ns, expected[i]);
}

static void json_has_all(void **state)
{
	static const char *const fates[] = { "still open", "ended", "ended", "overrun",
					     "task exited" };
	struct measurement *m = *state;
	json_t *doc = report__json(&m->report), *w = json_object_get(doc, "windows");
	json_t *items = json_object_get(w, "items"), *first = json_array_get(items, 0);

	assert_int_equal(number_of(w, "limit_ns"), 1000000);
	assert_int_equal(number_of(w, "longer"), 2);
	assert_int_equal(number_of(w, "unended"), 3);
	assert_int_equal(number_of(w, "unlisted"), 0);
	assert_int_equal(json_array_size(items), 5);
	for (size_t i = 0; i < 5; i++) {
		json_t *item = json_array_get(items, i);

		assert_string_equal(text_of(item, "fate"), fates[i]);
		assert_int_equal(json_is_true(json_object_get(item, "ended")),
				 !strcmp(fates[i], "ended"));
	}
	assert_int_equal(number_of(first, "pid"), 42);
	assert_string_equal(text_of(first, "comm"), "prog");
	assert_int_equal(number_of(first, "tid"), 47);
	assert_string_equal(text_of(first, "task"), "worker");
	assert_string_equal(text_of(first, "event"), "CLEAR");
	assert_string_equal(text_of(first, "start"), "0x10000");
	assert_string_equal(text_of(first, "end"), "0x17000");
	assert_int_equal(number_of(first, "open_ns"), 9000000);
	assert_int_equal(json_array_size(json_object_get(first, "stack")), 5);
	/* A stack that could not be taken is no stack. */
	assert_int_equal(json_array_size(json_object_get(json_array_get(items, 1), "stack")), 0);
	json_decref(doc);
}

static void null_where_not_asked_for(void **state)
{
	struct measurement *m = *state;
	json_t *doc;

	m->report.windows = NULL;
	doc = report__json(&m->report);
	assert_true(json_is_null(json_object_get(doc, "windows")));
	json_decref(doc);
}

static void prints_a_table(void **state)
{
	struct measurement *m = *state;
	char *text;

	m->snap.total[TOTAL_UNLISTED_WINDOWS] = 4;
	text = printed(&m->report);
	assert_string_equal(text,
			    "Windows open for more than 1000 us: 2; never ended: 3\n"
			    "TASK      EVENT PAGES OPEN us FATE        STACK\n"
			    "worker:47 CLEAR     7    9000 still open  one < two < three\n"
			    "worker:44 CLEAR     7    3000 ended       -\n"
			    "worker:43 CLEAR     7    2000 ended       one < two < three\n"
			    "worker:46 CLEAR     7       0 overrun     one < two < three\n"
			    "worker:45 CLEAR     7       0 task exited one < two < three\n"
			    "Not listed: 4 (--max-rows)\n\n");
	free(text);
}

static void prints_a_line_where_not_asked_for(void **state)
{
	struct measurement *m = *state;
	char *text;

	m->report.windows = NULL;
	text = printed(&m->report);
	assert_string_equal(text, "Windows that never ended: 2; --windows tells whose.\n\n");
	free(text);
	m->snap.total[TOTAL_ABANDONED_WINDOWS] = m->snap.total[TOTAL_OVERRUN_WINDOWS] = 0;
	text = printed(&m->report);
	assert_string_equal(text, "");
	free(text);
}

static struct invariant balance(const struct measurement *m)
{
	struct invariant inv[INVARIANTS_MAX];
	size_t broken, n = report__invariants(&m->report, inv, &broken);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(inv[i].name, "starts = ends + failed starts"))
			return inv[i];
	fail();
	return inv[0];
}

static void unended_are_in_the_balance(void **state)
{
	struct measurement *m = *state;
	struct invariant i = balance(m);

	assert_true(i.holds);
	assert_string_equal(i.detail, "11 = 7 + 1, and 1 abandoned by a dying task, 2 left open");
	m->snap.total[TOTAL_ENDS]--;
	assert_false(balance(m).holds);
}

static void without_windows_the_balance_breaks(void **state)
{
	struct measurement *m = *state;
	struct invariant i;

	m->report.windows = NULL;
	m->snap.total[TOTAL_OVERRUN_WINDOWS] = 0;
	i = balance(m);
	assert_false(i.holds);
	assert_string_equal(i.detail, "11 = 7 + 1, and 1 abandoned by a dying task, 2 without an "
				      "end: --windows tells whose");
}

static void grows(void **state)
{
	(void)state;
	for (__u32 i = 0; i < 997; i++)
		add_window(i, WINDOW_ENDED, 5, i);
	assert_int_equal(windows.count, 1002);
	assert_int_equal(windows.items[1001].task, 996);
	windows__clear(&windows);
	assert_int_equal(windows.count, 0);
	assert_int_equal(windows.limit_ns, 1000000);
	assert_string_equal(window_fate_name(WINDOW_FATE_MAX), "?");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sorts_by_time),
		TEST(json_has_all),
		TEST(null_where_not_asked_for),
		TEST(prints_a_table),
		TEST(prints_a_line_where_not_asked_for),
		TEST(unended_are_in_the_balance),
		TEST(without_windows_the_balance_breaks),
		TEST(grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "records.h"

#include <errno.h>
#include <stdio.h>

#include "in_order.h"

/* What take() was given. */
struct given {
	struct mmuscope_record_migration last;
	__u64 ns[4096];
	__u32 task[4096];
	size_t count, stop_at;	/* stop_at 0: never */
};

static int take(void *ctx, const struct mmuscope_record *rec)
{
	struct given *g = ctx;

	g->ns[g->count] = rec->ns;
	g->task[g->count++] = rec->task;
	memcpy(&g->last, rec, record__slots(rec->kind) * sizeof(*rec));
	return g->stop_at && g->count == g->stop_at ? 7 : 0;
}

static void add(struct in_order *o, enum mmuscope_record_kind kind, __u64 ns, __u32 task)
{
	const size_t size = record__slots(kind) * sizeof(struct mmuscope_record);
	/* No slot more than there are: the sanitizers watch. */
	struct mmuscope_record *rec = calloc(1, size);

	assert_non_null(rec);
	rec->kind = (__u8)kind;
	rec->ns = ns;
	rec->task = task;
	if (kind == RECORD_MIGRATION)
		((struct mmuscope_record_migration *)rec)->place[PAGE_MAX - 2] = task;
	assert_int_equal(in_order__add(o, rec), 0);
	memset(rec, 0xff, size);
	free(rec);
}

static void nothing_is_nothing(void **state)
{
	struct in_order *o = in_order__new();
	struct given g = {};

	(void)state;
	assert_non_null(o);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 0);
	assert_int_equal(g.count, 0);
	in_order__free(o);
	in_order__free(NULL);
}

static void records_have_their_slots(void **state)
{
	(void)state;
	assert_int_equal(record__slots(RECORD_NOTIFICATION), 1);
	assert_int_equal(record__slots(RECORD_CALLBACK), 1);
	assert_int_equal(record__slots(RECORD_FAULT), 1);
	assert_int_equal(record__slots(RECORD_STACK), 1);
	assert_int_equal(record__slots(RECORD_PAGES), 2);
	assert_int_equal(record__slots(RECORD_MIGRATION), 3);
}

/* Two CPUs, each in its own order. */
static void time_decides(void **state)
{
	struct in_order *o = in_order__new();
	struct given g = {};

	(void)state;
	assert_non_null(o);
	for (__u64 i = 0; i < 997; i++)
		add(o, RECORD_NOTIFICATION, 2 * i, 1);
	for (__u64 i = 0; i < 997; i++)
		add(o, i % 2 ? RECORD_MIGRATION : RECORD_PAGES, 2 * i + 1, 2);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 0);
	assert_int_equal(g.count, 2 * 997);
	for (size_t i = 0; i < g.count; i++) {
		assert_int_equal(g.ns[i], i);
		assert_int_equal(g.task[i], i % 2 + 1);
	}
	in_order__free(o);
}

static void equal_times_stay_as_they_came(void **state)
{
	struct in_order *o = in_order__new();
	struct given g = {};

	(void)state;
	assert_non_null(o);
	for (__u32 i = 0; i < 300; i++)
		add(o, RECORD_CALLBACK, 1000 - i / 100, i);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 0);
	for (__u32 i = 0; i < 300; i++) {
		assert_int_equal(g.ns[i], 998 + i / 100);
		assert_int_equal(g.task[i], (2 - i / 100) * 100 + i % 100);
	}
	in_order__free(o);
}

/* What is given is gone; what is younger waits, and what comes later goes before it. */
static void only_what_is_old_enough(void **state)
{
	struct in_order *o = in_order__new();
	struct given g = {};

	(void)state;
	assert_non_null(o);
	add(o, RECORD_NOTIFICATION, 30, 3);
	add(o, RECORD_NOTIFICATION, 10, 1);
	add(o, RECORD_NOTIFICATION, 20, 2);
	assert_int_equal(in_order__give(o, 9, take, &g), 0);
	assert_int_equal(g.count, 0);
	assert_int_equal(in_order__give(o, 20, take, &g), 0);
	assert_int_equal(g.count, 2);
	assert_int_equal(g.task[1], 2);
	add(o, RECORD_NOTIFICATION, 25, 4);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 0);
	assert_int_equal(g.count, 4);
	assert_int_equal(g.task[2], 4);
	assert_int_equal(g.task[3], 3);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 0);
	assert_int_equal(g.count, 4);
	in_order__free(o);
}

static void whoever_takes_may_stop(void **state)
{
	struct in_order *o = in_order__new();
	struct given g = { .stop_at = 2 };

	(void)state;
	assert_non_null(o);
	for (__u32 i = 1; i <= 5; i++)
		add(o, RECORD_FAULT, i, i);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 7);
	assert_int_equal(g.count, 2);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 0);
	assert_int_equal(g.count, 5);
	assert_int_equal(g.task[2], 3);
	in_order__free(o);
}

static void all_slots_are_copied(void **state)
{
	struct in_order *o = in_order__new();
	struct given g = {};

	(void)state;
	assert_non_null(o);
	add(o, RECORD_MIGRATION, 1, 4711);
	assert_int_equal(in_order__give(o, ~0ULL, take, &g), 0);
	assert_int_equal(g.last.place[PAGE_MAX - 2], 4711);
	/* What is left is freed. */
	add(o, RECORD_MIGRATION, 2, 1);
	in_order__free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(records_have_their_slots),
		cmocka_unit_test(time_decides),
		cmocka_unit_test(equal_times_stay_as_they_came),
		cmocka_unit_test(only_what_is_old_enough),
		cmocka_unit_test(whoever_takes_may_stop),
		cmocka_unit_test(all_slots_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measurement.h"

static void clears_an_empty_one(void **state)
{
	struct snapshot snap = {};

	(void)state;
	snapshot__clear(&snap);
	assert_null(snap.rows);
	assert_null(snap.callbacks);
}

/* Of any number of rows, with room or without; the sanitizers watch it. */
static void grows(void **state)
{
	(void)state;
	for (__u32 n = 0; n <= 17; n++) {
		struct snapshot snap = {};

		assert_int_equal(snapshot__reserve(&snap, n, n / 2), 0);
		assert_int_equal(snap.row_count, 0);
		for (__u32 i = 0; i < 2 * n + 3; i++) {
			struct mmuscope_row_key key = row_key(i + 1, ROW_NOTIFICATION, 0, 0);

			assert_non_null(snapshot__add_row(&snap, &key));
			assert_non_null(snapshot__add_callback(&snap, &key));
		}
		/* What there is stays, whatever is reserved. */
		assert_int_equal(snapshot__reserve(&snap, 1, 100), 0);
		assert_int_equal(snap.row_count, 2 * n + 3);
		for (__u32 i = 0; i < snap.row_count; i++) {
			assert_int_equal(snap.rows[i].key.tgid, i + 1);
			assert_int_equal(snap.callbacks[i].key.tgid, i + 1);
		}
		snapshot__clear(&snap);
		assert_int_equal(snap.row_room, 0);
	}
}

static void a_new_row_is_empty(void **state)
{
	struct mmuscope_row_key key = row_key(1, ROW_CALLBACK, 6, PHASE_PAGES);
	static const struct mmuscope_callback_row zero;
	struct mmuscope_callback_row *row;
	struct snapshot snap = {};

	(void)state;
	row = snapshot__add_callback(&snap, &key);
	assert_non_null(row);
	assert_memory_equal(&row->key, &key, sizeof(key));
	assert_memory_equal(row->outcome, zero.outcome,
			    sizeof(zero) - offsetof(struct mmuscope_callback_row, outcome));
	assert_int_equal(callback_row__delivered(row), 0);
	snapshot__clear(&snap);
}

static void subtracts_row_by_row(void **state)
{
	struct mmuscope_row_key late = row_key(43, ROW_NOTIFICATION, 0, PHASE_OUTSIDE);
	struct measurement *m = *state;
	struct snapshot now = {}, diff;

	fill_snapshot(&now);
	/* One row and one callback more than before, one of each as before, one new. */
	now.rows[1].count[NOTIFICATION_CALLS] += 2;
	now.rows[1].count[NOTIFICATION_PAGES] += 9;
	now.rows[1].count[NOTIFICATION_FAILED] += 1;
	now.callbacks[1].outcome[OUTCOME_PERFORMED] += 5;
	now.callbacks[1].pages += 320;
	now.callbacks[1].pages_performed += 320;
	now.callbacks[1].latency_sum += 1000;
	now.callbacks[1].bucket[8] += 5;
	now.callbacks[1].whole += 1;
	now.total[TOTAL_STARTS] += 2;
	now.recursion += 4;
	add_row(&now, &late, (const __u64[]){ 3, 30 }, 2);
	late.kind = ROW_CALLBACK;
	add_callback(&now, &late, (const __u64[]){ 0, 1, 0, 0 });

	assert_int_equal(snapshot__difference(&diff, &now, &m->snap), 0);
	assert_int_equal(diff.row_count, 2);
	assert_int_equal(diff.rows[0].key.tgid, 42);
	assert_int_equal(diff.rows[0].key.phase, PHASE_OUTSIDE);
	assert_int_equal(diff.rows[0].count[NOTIFICATION_CALLS], 2);
	assert_int_equal(diff.rows[0].count[NOTIFICATION_PAGES], 9);
	assert_int_equal(diff.rows[0].count[NOTIFICATION_FAILED], 1);
	assert_int_equal(diff.rows[0].count[NOTIFICATION_WHOLE], 0);
	assert_int_equal(diff.rows[1].key.tgid, 43);
	assert_int_equal(diff.rows[1].count[NOTIFICATION_CALLS], 3);
	assert_int_equal(diff.callback_count, 2);
	assert_int_equal(callback_row__delivered(&diff.callbacks[0]), 5);
	assert_int_equal(diff.callbacks[0].outcome[OUTCOME_PERFORMED], 5);
	assert_int_equal(diff.callbacks[0].pages, 320);
	assert_int_equal(diff.callbacks[0].pages_performed, 320);
	assert_int_equal(diff.callbacks[0].latency_sum, 1000);
	assert_int_equal(diff.callbacks[0].bucket[8], 5);
	assert_int_equal(diff.callbacks[0].bucket[10], 0);
	assert_int_equal(diff.callbacks[0].whole, 1);
	assert_int_equal(diff.total[TOTAL_STARTS], 2);
	assert_int_equal(diff.total[TOTAL_ENDS], 0);
	assert_int_equal(diff.recursion, 4);
	snapshot__clear(&diff);
	snapshot__clear(&now);
}

static void extremes_are_of_new_rows_only(void **state)
{
	struct mmuscope_row_key late = row_key(43, ROW_CALLBACK, 0, PHASE_OUTSIDE);
	struct measurement *m = *state;
	struct snapshot now = {}, diff;

	fill_snapshot(&now);
	now.callbacks[0].outcome[OUTCOME_SKIPPED]++;
	now.callbacks[0].latency_min = ~100ULL;
	now.callbacks[0].latency_max = 9000;
	add_callback(&now, &late, (const __u64[]){ 0, 1, 0, 0 });
	assert_int_equal(snapshot__difference(&diff, &now, &m->snap), 0);
	assert_int_equal(diff.callback_count, 2);
	assert_int_equal(diff.callbacks[0].latency_min, 0);
	assert_int_equal(diff.callbacks[0].latency_max, 0);
	assert_true(diff.callbacks[1].latency_min == ~500ULL);
	assert_int_equal(diff.callbacks[1].latency_max, 700);
	snapshot__clear(&diff);
	snapshot__clear(&now);
}

static void nothing_new_leaves_nothing(void **state)
{
	struct measurement *m = *state;
	struct snapshot now = {}, diff;

	fill_snapshot(&now);
	assert_int_equal(snapshot__difference(&diff, &now, &m->snap), 0);
	assert_int_equal(diff.row_count, 0);
	assert_int_equal(diff.callback_count, 0);
	for (int t = 0; t < TOTAL_MAX; t++)
		assert_int_equal(diff.total[t], 0);
	snapshot__clear(&diff);
	snapshot__clear(&now);
}

/* Every field of the key tells rows apart: a pid that came again is another process. */
static void keys_that_differ_are_not_subtracted(void **state)
{
	struct mmuscope_row_key keys[] = {
		row_key(1, ROW_NOTIFICATION, 0, PHASE_SETUP),
		row_key(2, ROW_NOTIFICATION, 0, PHASE_SETUP),
		row_key(1, ROW_MIGRATION, 0, PHASE_SETUP),
		row_key(1, ROW_NOTIFICATION, 1, PHASE_SETUP),
		row_key(1, ROW_NOTIFICATION, 0, PHASE_PAGES),
		row_key(1, ROW_NOTIFICATION, 0, PHASE_SETUP),
		row_key(1, ROW_NOTIFICATION, 0, PHASE_SETUP),
		row_key(1, ROW_NOTIFICATION, 0, PHASE_SETUP),
	};
	size_t n = sizeof(keys) / sizeof(keys[0]);
	struct snapshot before = {}, now = {}, diff;

	(void)state;
	keys[5].start++;
	keys[6].direction = DIR_TO_SYSTEM;
	keys[7].what = OWNER;
	add_row(&before, &keys[0], (const __u64[]){ 1 }, 1);
	for (size_t i = 0; i < n; i++)
		add_row(&now, &keys[i], (const __u64[]){ 1 }, 1);
	assert_int_equal(snapshot__difference(&diff, &now, &before), 0);
	assert_int_equal(diff.row_count, n - 1);
	for (size_t i = 0; i < diff.row_count; i++)
		assert_memory_equal(&diff.rows[i].key, &keys[i + 1], sizeof(keys[0]));
	snapshot__clear(&before);
	snapshot__clear(&diff);
	snapshot__clear(&now);
}

static void sums_over_rows(void **state)
{
	struct mmuscope_row_key back = row_key(42, ROW_MIGRATION, 0, 0);
	struct mmuscope_row_key other = row_key(43, ROW_FAULT, 0, 0);
	struct mmuscope_row_key odd = row_key(42, ROW_FREE, 0, 0);
	struct measurement *m = *state;
	struct snapshot_sums s;

	back.direction = DIR_TO_SYSTEM;
	add_row(&m->snap, &back, (const __u64[]){ 1, 2, 3, 4, 5, 6 }, 6);
	/* A direction of a newer kernel side has no time of its own here. */
	back.direction = DIR_MAX;
	add_row(&m->snap, &back, (const __u64[]){ 10, 0, 0, 0, 0, 60 }, 6);
	add_row(&m->snap, &other, (const __u64[]){ 1, 64, 1 }, 3);
	add_row(&m->snap, &odd, (const __u64[]){ 1000, 1000 }, 2);
	snapshot__sum(&m->snap, &s);
	assert_int_equal(s.notifications, 11);
	assert_int_equal(s.notification_pages, 522);
	assert_int_equal(s.delivered, 11);
	assert_int_equal(s.outcome[OUTCOME_PERFORMED], 5);
	assert_int_equal(s.outcome[OUTCOME_SKIPPED], 4);
	assert_int_equal(s.outcome[OUTCOME_FAILED], 1);
	assert_int_equal(s.outcome[OUTCOME_UNDETERMINED], 1);
	assert_int_equal(s.callback_pages, 704);
	assert_int_equal(s.pages_performed, 320);
	assert_int_equal(s.migrations, 19);
	assert_int_equal(s.asked, 514);
	assert_int_equal(s.collected, 259);
	assert_int_equal(s.migrated, 254);
	assert_int_equal(s.excess, 11);
	assert_int_equal(s.migration_time[DIR_TO_DEVICE], 4000);
	assert_int_equal(s.migration_time[DIR_TO_SYSTEM], 6);
	assert_int_equal(s.migration_time[DIR_EVICT], 0);
	assert_int_equal(s.faults, 6);
	assert_int_equal(s.fault_pages, 384);
	assert_int_equal(s.fault_retries, 3);
}

static void sums_of_nothing_are_zero(void **state)
{
	static const struct snapshot_sums zero;
	struct snapshot empty = {};
	struct snapshot_sums s;

	(void)state;
	memset(&s, 0xff, sizeof(s));
	snapshot__sum(&empty, &s);
	assert_memory_equal(&s, &zero, sizeof(s));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_measurement, tear_down_measurement)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clears_an_empty_one),
		cmocka_unit_test(grows),
		cmocka_unit_test(a_new_row_is_empty),
		TEST(subtracts_row_by_row),
		TEST(extremes_are_of_new_rows_only),
		TEST(nothing_new_leaves_nothing),
		cmocka_unit_test(keys_that_differ_are_not_subtracted),
		TEST(sums_over_rows),
		cmocka_unit_test(sums_of_nothing_are_zero),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}

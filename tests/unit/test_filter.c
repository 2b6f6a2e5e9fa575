// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "records.h"

#include "activity.h"
#include "filter.h"

enum { UNMAP, CLEAR, PROTECTION_VMA, MIGRATE = 6 };	/* enum mmu_notifier_event */

static struct option longs[] = { FILTER_LONG_OPTIONS(0), {} };

/* As the command line does it: option `name`. */
static bool set(struct filter *f, const char *name, const char *value)
{
	for (int i = 0; longs[i].name; i++)
		if (!strcmp(longs[i].name, name))
			return filter__take_option(f, i, name, value);
	fail();
	return false;
}

static struct filter filter_of(const char *name, const char *value)
{
	struct filter f = {};

	assert_true(set(&f, name, value));
	return f;
}

/* Callback 0 is one of a module, 1 one of the kernel. */
static struct names names_of_two(void)
{
	struct names n = {};

	assert_int_equal(names__add_callback(&n, "mod_invalidate", "mod", "interval", "fentry"), 0);
	assert_int_equal(names__add_callback(&n, "kernel_invalidate", "", "notifier", "fentry"), 1);
	return n;
}

/* ---- options ---- */

static void bad_values_are_refused(void **state)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{ "range", "" },	{ "range", "1000" },	 { "range", "1000-" },
		{ "range", "2000-1000" }, { "range", "1000-1000" }, { "range", "1-2x" },
		{ "range", "g-h" },	{ "range", "1-fffffffffffffffff" }, { "driver", "" },
		{ "event", "" },	{ "event", "NONE" },	 { "event", "MIGRATE," },
		{ "event", "MIGRATE,NONE" }, { "phase", "nowhere" }, { "outcome", "good" },
		{ "min-us", "0" },	{ "min-us", "-1" },	 { "min-us", "1.5" },
		{ "min-us", "86400000001" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct filter f = {};

		if (set(&f, bad[i].name, bad[i].value))
			fail_msg("--%s %s", bad[i].name, bad[i].value);
		assert_int_equal(f.word_count, 0);
	}
}

static void good_values_are_taken(void **state)
{
	struct filter f = {};

	(void)state;
	assert_true(set(&f, "range", "7f00-0x8000"));
	assert_int_equal(f.from, 0x7f00);
	assert_int_equal(f.to, 0x8000);
	assert_true(set(&f, "event", "MIGRATE,clear"));
	assert_int_equal(f.events, 1 << MIGRATE | 1 << CLEAR);
	assert_true(set(&f, "phase", "setup,outside"));
	assert_int_equal(f.phases, 1 << PHASE_SETUP | 1 << PHASE_OUTSIDE);
	assert_true(set(&f, "outcome", "performed"));
	assert_int_equal(f.outcomes, 1 << OUTCOME_PERFORMED);
	assert_true(set(&f, "min-us", "23"));
	assert_int_equal(f.least_ns, 23000);
	assert_true(set(&f, "driver", "mod"));
	assert_int_equal(f.word_count, 6);
	assert_string_equal(f.words[0], "--range 7f00-0x8000");
	assert_string_equal(f.words[5], "--driver mod");
}

static void words_have_their_room(void **state)
{
	struct filter f = {};
	char *longest = malloc(4096);

	(void)state;
	assert_non_null(longest);
	memset(longest, 'x', 4095);
	longest[4095] = 0;
	assert_false(set(&f, "event", longest));
	assert_true(set(&f, "driver", longest));
	assert_int_equal(strlen(f.words[0]), sizeof(f.words[0]) - 1);
	for (int i = 0; i < 20; i++)
		assert_true(set(&f, "min-us", "1"));
	assert_int_equal(f.word_count, sizeof(f.words) / sizeof(f.words[0]));
	free(longest);
}

/* ---- records ---- */

static struct mmuscope_record record_of(enum mmuscope_record_kind kind, unsigned int event,
					unsigned int phase)
{
	return (struct mmuscope_record){ .kind = (__u8)kind, .event = (__u8)event,
					 .phase = (__u8)phase, .from = 0x10000, .to = 0x20000,
					 .took = 5000 };
}

static bool passes(const struct filter *f, const struct mmuscope_record *r)
{
	static const struct names none;

	return filter__record(f, r, &none);
}

static void without_a_filter_all_pass(void **state)
{
	const struct filter f = {};

	(void)state;
	assert_false(filter__needs_events(&f));
	for (int kind = RECORD_NONE; kind < RECORD_KINDS; kind++) {
		struct mmuscope_record r = record_of((enum mmuscope_record_kind)kind, CLEAR, 0);

		assert_true(passes(&f, &r));
	}
}

static void a_range_is_met_by_a_page(void **state)
{
	static const struct {
		const char *range;
		bool passes;
	} of[] = {
		{ "0-10000", false },	 { "0-10001", true },	   { "1ffff-20000", true },
		{ "20000-30000", false }, { "14000-15000", true }, { "0-ffffffffffffffff", true },
	};
	struct mmuscope_record r = record_of(RECORD_NOTIFICATION, CLEAR, 0), evict = {};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct filter f = filter_of("range", of[i].range);

		assert_int_equal(passes(&f, &r), of[i].passes);
		/* A stack's range is that of its notification, or not told. */
		r.kind = RECORD_STACK;
		assert_true(passes(&f, &r));
		r.kind = RECORD_NOTIFICATION;
		/* An eviction has no range. */
		evict.kind = RECORD_MIGRATION;
		evict.phase = DIR_EVICT;
		assert_false(passes(&f, &evict));
	}
}

static void events_and_phases_are_of_notifications_and_callbacks(void **state)
{
	struct filter f = filter_of("event", "MIGRATE");
	struct mmuscope_record r = record_of(RECORD_NOTIFICATION, MIGRATE, PHASE_SETUP);

	(void)state;
	assert_true(set(&f, "phase", "setup,copy"));
	assert_true(filter__needs_events(&f));
	assert_true(passes(&f, &r));
	r.phase = PHASE_PAGES;
	assert_false(passes(&f, &r));
	r.phase = PHASE_COPY;
	assert_true(passes(&f, &r));
	r.event = CLEAR;
	assert_false(passes(&f, &r));
	r.kind = RECORD_CALLBACK;
	assert_false(passes(&f, &r));
	/* What others have in these fields is something else. */
	r.kind = RECORD_MIGRATION;
	assert_true(passes(&f, &r));
	r.kind = RECORD_FAULT;
	assert_true(passes(&f, &r));
	/* Of a damaged recording. */
	r = record_of(RECORD_NOTIFICATION, 255, 255);
	assert_false(passes(&f, &r));
}

static void outcomes_and_drivers_are_of_callbacks(void **state)
{
	struct filter by_outcome = filter_of("outcome", "performed,failed");
	struct filter by_module = filter_of("driver", "mod");
	struct filter by_symbol = filter_of("driver", "kernel_invalidate");
	struct mmuscope_record r = record_of(RECORD_CALLBACK, CLEAR, 0);
	struct names names = names_of_two();
	int passed = 0;

	(void)state;
	for (int o = 0; o < OUTCOME_MAX; o++) {
		r.flags = (__u8)(o << RECORD_OUTCOME_SHIFT | RECORD_AVOIDABLE);
		passed += filter__record(&by_outcome, &r, &names);
	}
	assert_int_equal(passed, 2);
	r.what = 0;
	assert_true(filter__record(&by_module, &r, &names));
	assert_false(filter__record(&by_symbol, &r, &names));
	r.what = 1;
	assert_false(filter__record(&by_module, &r, &names));
	assert_true(filter__record(&by_symbol, &r, &names));
	r.what = 4711;
	assert_false(filter__record(&by_module, &r, &names));
	r.kind = RECORD_NOTIFICATION;
	assert_true(filter__record(&by_module, &r, &names));
	assert_true(filter__record(&by_outcome, &r, &names));
	names__clear(&names);
}

static void a_time_that_is_not_known_is_no_reason(void **state)
{
	struct filter f = filter_of("min-us", "5");
	struct mmuscope_record r = record_of(RECORD_MIGRATION, 0, 0);

	(void)state;
	assert_true(passes(&f, &r));
	r.took = 4999;
	assert_false(passes(&f, &r));
	r.flags = RECORD_UNTIMED;
	assert_true(passes(&f, &r));
	r.flags = 0;
	r.kind = RECORD_PAGES;
	assert_true(passes(&f, &r));
}

/* ---- activities ---- */

struct passing {
	const struct filter *filter;
	const struct names *names;
	unsigned int migrations, notifications, faults, callbacks;
};

static int count(void *ctx, const struct activity *a)
{
	struct passing *p = ctx;
	const bool shown = filter__activity(p->filter, a, p->names);

	p->migrations += shown && a->head.kind == RECORD_MIGRATION;
	p->notifications += shown && a->head.kind == RECORD_NOTIFICATION;
	p->faults += shown && a->head.kind == RECORD_FAULT;
	p->callbacks += shown && a->head.kind == RECORD_CALLBACK;
	return 0;
}

/* A notification of one callback. */
static void put_notification(struct stream *s, unsigned int event, unsigned int phase,
			     enum mmuscope_outcome outcome, __u64 driver, __u64 took,
			     __u32 migration)
{
	struct mmuscope_record *r = put_call(s, RECORD_CALLBACK, 11, 0x10000, 1, migration);

	r->event = (__u8)event;
	r->phase = (__u8)phase;
	r->flags = (__u8)(outcome << RECORD_OUTCOME_SHIFT);
	r->what = driver;
	r->took = took;
	r = put_call(s, RECORD_NOTIFICATION, 11, 0x10000, 1, migration);
	r->event = (__u8)event;
	r->phase = (__u8)phase;
}

/*
 * A migration with a MIGRATE that `mod` skips; one with a CLEAR that the kernel's own
 * performs; one without any; a CLEAR outside, 1 ms long; a fault; a callback alone.
 */
static struct passing passing(const struct filter *f)
{
	struct names names = names_of_two();
	struct passing p = { .filter = f, .names = &names };
	struct activities *as = activities__new(count, &p);
	struct stream s = { .ns = 10000000 };

	put_notification(&s, MIGRATE, PHASE_SETUP, OUTCOME_SKIPPED, 0, 5, 1);
	put_migration(&s, 11, 0x10000, 1, 1, 0, 2000000);
	put_notification(&s, CLEAR, PHASE_PAGES, OUTCOME_PERFORMED, 1, 5, 2);
	put_migration(&s, 11, 0x10000, 1, 2, 0, 3000);
	put_migration(&s, 11, 0x30000, 1, 3, 0, 3000);
	put_notification(&s, CLEAR, PHASE_OUTSIDE, OUTCOME_PERFORMED, 0, 1000000, 0);
	put_call(&s, RECORD_FAULT, 11, 0x10000, 1, 0);
	put_call(&s, RECORD_CALLBACK, 12, 0x10000, 1, 0)->event = UNMAP;
	assert_non_null(as);
	for (size_t i = 0; i < s.count; i++)
		assert_int_equal(activities__add(as, &s.items[i].head), 0);
	assert_int_equal(activities__finish(as), 0);
	activities__free(as);
	free(s.items);
	names__clear(&names);
	return p;
}

static void what_is_inside_decides(void **state)
{
	static const struct {
		const char *option, *value;
		unsigned int migrations, notifications, faults, callbacks;
	} of[] = {
		{ "range", "0-ffffffff", 3, 1, 1, 1 },
		{ "range", "30000-31000", 1, 0, 0, 0 },
		{ "event", "MIGRATE", 1, 0, 0, 0 },
		{ "event", "CLEAR", 1, 1, 0, 0 },
		{ "event", "UNMAP,CLEAR", 1, 1, 0, 1 },
		{ "event", "PROTECTION_VMA", 0, 0, 0, 0 },
		{ "phase", "pages", 1, 0, 0, 0 },
		{ "phase", "outside", 0, 1, 0, 1 },
		{ "outcome", "skipped", 1, 0, 0, 0 },
		{ "outcome", "performed", 1, 1, 0, 1 },
		{ "outcome", "failed,undetermined", 0, 0, 0, 0 },
		{ "driver", "mod", 1, 1, 0, 1 },
		{ "driver", "kernel_invalidate", 1, 0, 0, 0 },
		{ "driver", "kvm", 0, 0, 0, 0 },
		/* The notification is as long as its callback. */
		{ "min-us", "1000", 1, 1, 0, 0 },
		{ "min-us", "1001", 1, 0, 0, 0 },
		{ "min-us", "2001", 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct filter f = filter_of(of[i].option, of[i].value);
		struct passing p = passing(&f);

		if (p.migrations != of[i].migrations || p.notifications != of[i].notifications ||
		    p.faults != of[i].faults || p.callbacks != of[i].callbacks)
			fail_msg("--%s %s: %u migrations, %u notifications, %u faults, %u callbacks",
				 of[i].option, of[i].value, p.migrations, p.notifications,
				 p.faults, p.callbacks);
	}
}

/* All that is asked is asked of the same callback. */
static void filters_hold_together(void **state)
{
	struct filter f = filter_of("event", "CLEAR");
	struct passing p;

	(void)state;
	assert_true(set(&f, "outcome", "skipped"));
	p = passing(&f);
	assert_int_equal(p.migrations + p.notifications + p.faults + p.callbacks, 0);
	f = filter_of("event", "MIGRATE");
	assert_true(set(&f, "outcome", "skipped"));
	assert_true(set(&f, "driver", "mod"));
	assert_true(set(&f, "phase", "setup"));
	p = passing(&f);
	assert_int_equal(p.migrations, 1);
	assert_int_equal(p.notifications + p.faults + p.callbacks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(good_values_are_taken),
		cmocka_unit_test(words_have_their_room),
		cmocka_unit_test(without_a_filter_all_pass),
		cmocka_unit_test(a_range_is_met_by_a_page),
		cmocka_unit_test(events_and_phases_are_of_notifications_and_callbacks),
		cmocka_unit_test(outcomes_and_drivers_are_of_callbacks),
		cmocka_unit_test(a_time_that_is_not_known_is_no_reason),
		cmocka_unit_test(what_is_inside_decides),
		cmocka_unit_test(filters_hold_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

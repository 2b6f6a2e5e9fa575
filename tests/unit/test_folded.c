// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "folded.h"
#include "timeline.h"

struct fold {
	struct recording_info info;
	struct folded *f;
};

static void start(struct fold *t, enum folded_weight weight)
{
	info__init(&t->info);
	t->f = must_have(folded__new(&t->info, weight));
}

static void give(void *ctx, struct activity *a)
{
	struct fold *t = ctx;

	assert_int_equal(folded__activity(t->f, a), 0);
	free_activity(a);
}

static void end(struct fold *t, __u64 weightless, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = must_have(open_memstream(&text, &size));

	assert_int_equal(folded__print(t->f, out), 0);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, expected);
	assert_int_equal(folded__weightless(t->f), weightless);
	free(text);
	folded__free(t->f);
	info__clear(&t->info);
}

static void knows_its_weights(void **state)
{
	enum folded_weight weight;

	(void)state;
	assert_int_equal(folded__weight(&weight, "calls"), 0);
	assert_int_equal(weight, FOLDED_CALLS);
	assert_int_equal(folded__weight(&weight, "pages"), 0);
	assert_int_equal(weight, FOLDED_PAGES);
	assert_int_equal(folded__weight(&weight, "time"), 0);
	assert_int_equal(weight, FOLDED_TIME);
	assert_int_equal(folded__weight(&weight, "page"), -EINVAL);
	assert_int_equal(folded__weight(&weight, ""), -EINVAL);
}

#define F "dmirror_interval_invalidate"

/* 23 turns of three threads: 207 notifications, of 64 pages and 15 us each. */
static void weighs_calls(void **state)
{
	struct fold t;

	(void)state;
	start(&t, FOLDED_CALLS);
	give_all(give, &t);
	end(&t, 0,
	    "solver;to_device;pages;CLEAR;" F "(skipped) 23\n"
	    "solver;to_device;setup;MIGRATE;" F "(skipped) 23\n"
	    "solver;to_system;setup;MIGRATE;" F "(performed) 23\n"
	    "trainer;to_device;pages;CLEAR;" F "(skipped) 46\n"
	    "trainer;to_device;setup;MIGRATE;" F "(performed) 23\n"
	    "trainer;to_device;setup;MIGRATE;" F "(skipped) 23\n"
	    "trainer;to_system;setup;MIGRATE;" F "(performed) 46\n");
}

static void weighs_pages(void **state)
{
	struct fold t;

	(void)state;
	start(&t, FOLDED_PAGES);
	give_all(give, &t);
	end(&t, 0,
	    "solver;to_device;pages;CLEAR;" F "(skipped) 1472\n"
	    "solver;to_device;setup;MIGRATE;" F "(skipped) 1472\n"
	    "solver;to_system;setup;MIGRATE;" F "(performed) 1472\n"
	    "trainer;to_device;pages;CLEAR;" F "(skipped) 2944\n"
	    "trainer;to_device;setup;MIGRATE;" F "(performed) 1472\n"
	    "trainer;to_device;setup;MIGRATE;" F "(skipped) 1472\n"
	    "trainer;to_system;setup;MIGRATE;" F "(performed) 2944\n");
}

static void weighs_time(void **state)
{
	struct fold t;

	(void)state;
	start(&t, FOLDED_TIME);
	give_all(give, &t);
	end(&t, 0,
	    "solver;to_device;pages;CLEAR;" F "(skipped) 345000\n"
	    "solver;to_device;setup;MIGRATE;" F "(skipped) 345000\n"
	    "solver;to_system;setup;MIGRATE;" F "(performed) 345000\n"
	    "trainer;to_device;pages;CLEAR;" F "(skipped) 690000\n"
	    "trainer;to_device;setup;MIGRATE;" F "(performed) 345000\n"
	    "trainer;to_device;setup;MIGRATE;" F "(skipped) 345000\n"
	    "trainer;to_system;setup;MIGRATE;" F "(performed) 690000\n");
}

static struct activity *new_notification(__u64 pages)
{
	struct activity *n = set_range(new_activity(RECORD_NOTIFICATION, 2001, 2001, 5000, 700),
				       PAGE, pages);

	n->head.event = 6;
	return n;
}

/* The outermost function first, whatever it is called; a stack that was not told is none. */
static void unfolds_stacks(void **state)
{
	const char *frames[] = { "inner", "mid;dle", "outer\n" };
	struct recording_stack stacks[] = { { 7, "fork", frames, 3 }, { 8, "exit", NULL, 0 } };
	struct fold t;
	struct activity *n;

	(void)state;
	info__init(&t.info);
	t.info.stacks = stacks;
	t.info.stack_count = 2;
	t.f = must_have(folded__new(&t.info, FOLDED_PAGES));
	for (__s32 id = 6; id <= 8; id++) {
		n = new_notification((__u64)id);
		n->stack = id;
		add_child(n, new_callback(n, 5100, 10, OUTCOME_PERFORMED));
		give(&t, n);
	}
	end(&t, 0,
	    "solver;outer?;mid:dle;inner;MIGRATE(performed) 7\n"
	    "solver;outside;MIGRATE;" F "(performed) 14\n");
}

/* Each notification once, by the callback that did most. */
static void decides_by_what_was_done(void **state)
{
	static const enum mmuscope_outcome outcomes[] = {
		OUTCOME_SKIPPED, OUTCOME_UNDETERMINED, OUTCOME_FAILED, OUTCOME_PERFORMED,
		OUTCOME_SKIPPED,
	};
	struct fold t;
	struct activity *n;

	(void)state;
	start(&t, FOLDED_CALLS);
	for (size_t told = 0; told <= 5; told++) {
		n = new_notification(1);
		for (size_t i = 0; i < told; i++)
			add_child(n, new_callback(n, 5100 + i, 1, outcomes[i]));
		give(&t, n);
	}
	end(&t, 0,
	    "solver;outside;MIGRATE(no callback) 1\n"
	    "solver;outside;MIGRATE;" F "(failed) 1\n"
	    "solver;outside;MIGRATE;" F "(performed) 2\n"
	    "solver;outside;MIGRATE;" F "(skipped) 1\n"
	    "solver;outside;MIGRATE;" F "(undetermined) 1\n");
}

/* Not timed; of the whole address space; and what is no notification is in no line. */
static void leaves_out_what_weighs_nothing(void **state)
{
	struct fold t;
	struct activity *n;

	(void)state;
	start(&t, FOLDED_TIME);
	n = new_notification(1);
	n->timed = false;
	give(&t, n);
	give(&t, new_activity(RECORD_FAULT, 2001, 2001, 100, 10));
	give(&t, new_activity(RECORD_CALLBACK, 2001, 2001, 100, 10));
	end(&t, 1, "");

	start(&t, FOLDED_PAGES);
	n = new_notification(1);
	n->head.from = 0;
	n->head.to = ~0ULL;
	give(&t, n);
	give(&t, new_notification(3));
	end(&t, 1, "solver;outside;MIGRATE(no callback) 3\n");
	folded__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_its_weights),
		cmocka_unit_test(weighs_calls),
		cmocka_unit_test(weighs_pages),
		cmocka_unit_test(weighs_time),
		cmocka_unit_test(unfolds_stacks),
		cmocka_unit_test(decides_by_what_was_done),
		cmocka_unit_test(leaves_out_what_weighs_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("folded", tests, NULL, NULL);
}

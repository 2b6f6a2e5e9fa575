// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "drivers.h"
#include "plan.h"

#define for_each_row(d) \
	for (const struct driver_callback *d = driver_callbacks; \
	     d < driver_callbacks + driver_callback_count; d++)

static void rows_are_complete(void **state)
{
	(void)state;
	for_each_row(d) {
		assert_true(strlen(d->symbol) < sizeof(((struct plan_target *)0)->symbol));
		assert_true(strlen(d->module) < sizeof(((struct plan_target *)0)->module));
		assert_true(d->module[0]);
		assert_true(!strcmp(d->kind, KIND_INTERVAL) || !strcmp(d->kind, KIND_NOTIFIER));
		/* Only intervals have a sequence number to be without. */
		if (d->no_sequence)
			assert_string_equal(d->kind, KIND_INTERVAL);
		/* What has a work function may decline, or nobody would ask it. */
		if (d->work)
			assert_int_not_equal(d->declines, DECLINES_NOTHING);
	}
}

/* The plan knows its targets by name alone, callbacks and work functions alike. */
static void names_are_unique(void **state)
{
	(void)state;
	for_each_row(d) {
		for_each_row(other) {
			if (other != d)
				assert_string_not_equal(d->symbol, other->symbol);
			if (other != d && d->work && other->work)
				assert_string_not_equal(d->work, other->work);
			if (other->work)
				assert_string_not_equal(d->symbol, other->work);
		}
	}
}

static void finds_by_name_and_module(void **state)
{
	const struct driver_callback *d = driver__find("mmu_notifier_range_start", "hfi1");

	(void)state;
	assert_non_null(d);
	assert_string_equal(d->kind, KIND_NOTIFIER);
	/* A name that is not hfi1's own: in another module it is something else. */
	assert_null(driver__find("mmu_notifier_range_start", "kvm"));
	/* Built in, there is no module to tell. */
	assert_ptr_equal(driver__find("mmu_notifier_range_start", ""), d);
	assert_null(driver__find("mmu_notifier_range_star", "hfi1"));
	assert_null(driver__find("", ""));
}

static void tells_the_kernels(void **state)
{
	static const struct {
		struct driver_callback d;
		const char *text;
	} cases[] = {
		{ { .since = "5.14" }, "Linux 5.14 and later" },
		{ { .until = "6.1" }, "Linux up to 6.1" },
		{ { .since = "6.8", .until = "7.1" }, "Linux 6.8 to 7.1" },
		{ { .since = "-" }, "out of tree" },
		{ { .since = NULL }, "" },
		{ { .option = "CONFIG_A" }, "with CONFIG_A" },
		{ { .since = "5.14", .option = "CONFIG_A" },
		  "Linux 5.14 and later, with CONFIG_A" },
		{ { .until = "6.1", .option = "CONFIG_A" }, "Linux up to 6.1, with CONFIG_A" },
		{ { .since = "6.8", .until = "7.1", .option = "CONFIG_A" },
		  "Linux 6.8 to 7.1, with CONFIG_A" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[100] = "of an earlier time";

		driver__kernels(&cases[i].d, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
	for_each_row(d) {
		char text[100];

		driver__kernels(d, text, sizeof(text));
		assert_true(strlen(text) < sizeof(text) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_complete),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(finds_by_name_and_module),
		cmocka_unit_test(tells_the_kernels),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("drivers", tests, NULL, NULL);
}

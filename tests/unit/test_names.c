// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/mmuscope.h"
#include "drivers.h"
#include "names.h"
#include "words.h"

static void knows_processes(void **state)
{
	struct names n = {};

	(void)state;
	assert_string_equal(names__comm(&n, 42, 7), "?");
	assert_false(names__knows_process(&n, 42, 7));
	for (__u32 i = 1; i <= 100; i++)
		assert_int_equal(names__add_process(&n, i, 7, i == 42 ? "old" : "other"), 0);
	/* The last one told wins: a process renames itself, or execs. */
	assert_int_equal(names__add_process(&n, 42, 7, "new"), 0);
	assert_int_equal(n.process_count, 100);
	assert_string_equal(names__comm(&n, 42, 7), "new");
	assert_true(names__knows_process(&n, 42, 7));
	/* The same pid, later: another process. */
	assert_string_equal(names__comm(&n, 42, 8), "?");
	assert_false(names__knows_process(&n, 42, 8));
	assert_int_equal(names__add_process(&n, 42, 8, "later"), 0);
	assert_string_equal(names__comm(&n, 42, 8), "later");
	assert_string_equal(names__comm(&n, 42, 7), "new");
	names__clear(&n);
	assert_string_equal(names__comm(&n, 42, 7), "?");
	names__clear(&n);
}

/* Within 2^20 ns a record cannot tell one from the other: the first told is meant. */
static void tells_apart_what_a_record_cannot(void **state)
{
	struct names n = {}, copy;
	const struct names *of[] = { &n, &copy };
	char name[16];

	(void)state;
	for (__u64 i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "p%u", (unsigned int)i);
		assert_int_equal(names__add_process(&n, 42, i, name), 0);
	}
	assert_int_equal(names__copy(&copy, &n), 0);
	for (int c = 0; c < 2; c++) {
		for (__u64 i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), "p%u", (unsigned int)i);
			assert_string_equal(names__comm(of[c], 42, i), name);
		}
		assert_int_equal(of[c]->process_count, 1000);
		assert_string_equal(names__recorded_comm(of[c], 42, 0), "p0");
		assert_string_equal(names__comm(of[c], 42, 1000), "?");
		assert_string_equal(names__recorded_comm(of[c], 42, 1), "?");
	}
	names__clear(&n);
	assert_int_equal(names__add_process(&copy, 42, 1000, "last"), 0);
	assert_string_equal(names__comm(&copy, 42, 1000), "last");
	assert_string_equal(names__comm(&copy, 42, 999), "p999");
	names__clear(&copy);
}

static void memory_without_a_process_is_unknown(void **state)
{
	struct names n = {};

	(void)state;
	assert_int_equal(names__add_process(&n, 0, 0, "swapper"), 0);
	assert_string_equal(names__comm(&n, 0, 0), "(unknown)");
	names__clear(&n);
}

/* Of the numbers in a record; nothing of it asks this machine. */
static void names_what_was_recorded(void **state)
{
	struct names n = {};

	(void)state;
	assert_int_equal(names__add_process(&n, 42, 7ULL << 20, "it"), 0);
	assert_int_equal(names__add_process(&n, 0, 0, "swapper"), 0);
	assert_int_equal(names__add_callback(&n, "f", "m", KIND_INTERVAL, "fentry"), 0);
	assert_string_equal(names__recorded_comm(&n, 42, 7), "it");
	assert_string_equal(names__recorded_comm(&n, 42, 8), "?");
	assert_string_equal(names__recorded_comm(&n, 0, 0), "(unknown)");
	assert_string_equal(names__symbol(&n, 0), "f");
	assert_string_equal(names__module(&n, 0), "m");
	assert_string_equal(names__symbol(&n, 1), "?");
	assert_string_equal(names__module(&n, 1), "");
	assert_null(names__told_owner(&n, 0x123));
	assert_int_equal(names__add_owner(&n, 0x123, "o"), 0);
	assert_string_equal(names__told_owner(&n, 0x123), "o");
	names__clear(&n);
}

static void a_name_is_text(void **state)
{
	static const struct {
		const char *comm, *expected;
	} names[] = {
		{ "", "" },
		{ "a b", "a b" },
		{ "a\nb\x1b[2J\x7f", "a?b?[2J?" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "caf\xc3", "caf?" },
		{ "\xff\xfe", "??" },
		/* A comm has room for 15. */
		{ "0123456789abcdefgh", "0123456789abcde" },
		{ "0123456789abcd\xc3\xa9", "0123456789abcd?" },
	};
	struct names n = {};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(names__add_process(&n, 1, 1, names[i].comm), 0);
		assert_string_equal(names__comm(&n, 1, 1), names[i].expected);
	}
	names__clear(&n);
}

static void numbers_callbacks(void **state)
{
	const struct name_callback *c;
	struct names n = {};
	char symbol[200];

	(void)state;
	assert_null(names__callback(&n, 0));
	assert_int_equal(names__add_callback(&n, "f", "m", "interval", "fentry"), 0);
	assert_int_equal(names__add_callback(&n, "g", NULL, "notifier", "kprobe"), 1);
	/* A module that came again: a new number, or old counts would get a new name. */
	assert_int_equal(names__add_callback(&n, "f", "m", "interval", "kprobe"), 2);
	c = names__callback(&n, 1);
	assert_string_equal(c->symbol, "g");
	assert_string_equal(c->module, "");
	assert_string_equal(c->kind, "notifier");
	assert_string_equal(c->source, "kprobe");
	assert_string_equal(names__callback(&n, 2)->source, "kprobe");
	assert_null(names__callback(&n, 3));
	assert_null(names__callback(&n, UINT64_MAX));
	/* A function that was found has its address in the rows, and no id. */
	assert_int_equal(names__add_function(&n, 0x123456789abc, "interval", "registry"), 0);
	assert_null(names__callback(&n, 3));
	assert_string_equal(names__callback(&n, 0x123456789abc)->symbol, "0x123456789abc");
	assert_string_equal(names__callback(&n, 0x123456789abc)->source, "registry");
	assert_null(names__callback(&n, 0x123456789abd));

	memset(symbol, 'x', sizeof(symbol) - 1);
	symbol[sizeof(symbol) - 1] = '\0';
	assert_int_equal(names__add_callback(&n, symbol, symbol, "interval", "fentry"), 4);
	c = names__callback(&n, 4);
	assert_int_equal(strlen(c->symbol), sizeof(c->symbol) - 1);
	assert_int_equal(strlen(c->module), sizeof(c->module) - 1);
	names__clear(&n);
}

static void names_owners(void **state)
{
	struct names n = {};
	char expected[32];
	__u64 nowhere = 0x123456789abc;

	(void)state;
	assert_string_equal(names__owner(&n, 0), "");
	assert_int_equal(n.owner_count, 0);
	/* A user address: no kernel symbol is within 64 KiB of it. */
	snprintf(expected, sizeof(expected), "0x%" PRIx64, (uint64_t)nowhere);
	assert_string_equal(names__owner(&n, nowhere), expected);
	assert_string_equal(names__owner(&n, nowhere), expected);
	assert_int_equal(n.owner_count, 1);
	assert_string_equal(names__owner(&n, nowhere + 1), "0x123456789abd");
	assert_int_equal(n.owner_count, 2);
	names__clear(&n);
	assert_int_equal(n.owner_count, 0);
}

static void every_number_has_a_word(void **state)
{
	static const char *const directions[] = { "?", "to_device", "to_system", "mixed", "evict" };
	static const char *const phases[] = { "outside", "setup", "copy", "pages", "finalize",
					      "evict" };

	(void)state;
	assert_string_equal(event_name(0), "UNMAP");
	assert_string_equal(event_name(1), "CLEAR");
	assert_string_equal(event_name(6), "MIGRATE");
	assert_string_equal(event_name(7), "EXCLUSIVE");
	assert_string_equal(event_name(8), "EVENT_8");
	assert_string_equal(event_name(MMUSCOPE_EVENTS - 1), "EVENT_15");
	assert_string_equal(event_name(MMUSCOPE_EVENTS), "?");
	for (unsigned int i = 0; i < PHASE_MAX; i++)
		assert_string_equal(phase_name(i), phases[i]);
	assert_string_equal(phase_name(PHASE_MAX), "?");
	for (unsigned int i = 0; i < DIR_MAX; i++)
		assert_string_equal(direction_name(i), directions[i]);
	assert_string_equal(direction_name(DIR_MAX), "?");
	assert_string_equal(select_name(0), "system");
	assert_string_equal(select_name(1), "device_private");
	assert_string_equal(select_name(2), "device_coherent");
	assert_string_equal(select_name(3), "compound");
	assert_string_equal(select_name(SELECT_BITS), "?");
}

/* Rows find their driver by name alone. */
static void drivers_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < driver_callback_count; i++) {
		const struct driver_callback *d = &driver_callbacks[i];

		assert_true(strlen(d->symbol) < sizeof(((struct name_callback *)0)->symbol));
		assert_true(strlen(d->module) < sizeof(((struct name_callback *)0)->module));
		assert_true(!strcmp(d->kind, KIND_INTERVAL) || !strcmp(d->kind, KIND_NOTIFIER));
		assert_ptr_equal(driver__find(d->symbol, d->module), d);
		/* Built into the kernel it has no module. */
		assert_ptr_equal(driver__find(d->symbol, ""), d);
		assert_null(driver__find(d->symbol, "another"));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(d->symbol, driver_callbacks[j].symbol);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_processes),
		cmocka_unit_test(tells_apart_what_a_record_cannot),
		cmocka_unit_test(memory_without_a_process_is_unknown),
		cmocka_unit_test(names_what_was_recorded),
		cmocka_unit_test(a_name_is_text),
		cmocka_unit_test(numbers_callbacks),
		cmocka_unit_test(names_owners),
		cmocka_unit_test(every_number_has_a_word),
		cmocka_unit_test(drivers_are_told_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}

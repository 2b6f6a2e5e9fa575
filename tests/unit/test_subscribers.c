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

#include "subscribers.h"

#define MIRROR 0xffffffffc0001000ULL
#define KVM 0xffffffffc0002000ULL
#define GPUSVM 0xffffffffc0003000ULL
#define XE 0xffffffffc0004000ULL
#define BUILTIN 0xffffffff81000500ULL
#define NAMELESS 0xffffffff81000600ULL

static const char kallsyms[] =
	"ffffffff81000000 T _text\n"
	"ffffffff81000500 t gntdev_invalidate\n"
	"ffffffff81000500 t gntdev_alias\n"
	"ffffffffc0001000 d not_a_function\t[other]\n"
	"ffffffffc0001000 t dmirror_interval_invalidate\t[test_hmm]\n"
	"a line of another kind\n"
	"ffffffffc0002000 t kvm_start\t[kvm]\n"
	"ffffffffc0003000 t gpusvm_invalidate\t[drm_gpusvm_helper]\n"
	"ffffffffc0004000 W xe_svm_invalidate\t[xe]\n";

static FILE *symbols(const char *text)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");

	assert_non_null(f);
	return f;
}

static void resolve(struct subscribers *s, const char *text)
{
	FILE *f = symbols(text);

	subscribers__resolve(s, f);
	fclose(f);
}

static struct subscriber_process process(__u32 tgid, __u64 attempt, __u32 state)
{
	return (struct subscriber_process){
		.attempt = attempt, .tgid = tgid, .state = state, .comm = "mirror"
	};
}

static void add(struct subscribers *s, const struct subscriber_process *p, __u64 mm,
		struct subscriber_key key, struct subscriber_row row)
{
	key.mm = mm;
	assert_int_equal(subscribers__add_row(s, p, &key, &row), 0);
}

static char *printed(const struct subscribers *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(subscribers__print(s, f), 0);
	fclose(f);
	return text;
}

static void names_functions_in_one_pass(void **state)
{
	struct symbol s[] = { { .address = XE }, { .address = BUILTIN }, { .address = NAMELESS },
			      { .address = MIRROR } };
	FILE *f = symbols(kallsyms);

	(void)state;
	assert_int_equal(symbols__name(s, 4, f), 3);
	assert_string_equal(s[0].name, "xe_svm_invalidate");
	assert_string_equal(s[0].module, "xe");
	assert_string_equal(s[1].name, "gntdev_invalidate");
	assert_string_equal(s[1].module, "");
	assert_string_equal(s[2].name, "");
	assert_string_equal(s[3].name, "dmirror_interval_invalidate");
	rewind(f);
	assert_true(symbols__address("kvm_start", f) == KVM);
	rewind(f);
	assert_true(symbols__address("not_a_function", f) == 0);
	rewind(f);
	assert_true(symbols__address("kvm", f) == 0);
	fclose(f);
}

static void hidden_addresses_name_nothing(void **state)
{
	struct symbol s[] = { { .address = MIRROR } };
	FILE *f = symbols("0000000000000000 t dmirror_interval_invalidate\t[test_hmm]\n");

	(void)state;
	assert_int_equal(symbols__name(s, 1, f), 0);
	assert_string_equal(s[0].name, "");
	fclose(f);
}

static void adds_what_is_the_same(void **state)
{
	struct subscriber_process one = process(42, 2, WALK_COMPLETE);
	struct subscriber_process again = process(42, 4, WALK_COMPLETE);
	const struct subscriber_key key = { .function = MIRROR };
	struct subscribers s = {};

	(void)state;
	assert_int_equal(subscribers__add_process(&s, 1, &one), 0);
	assert_int_equal(subscribers__add_process(&s, 2, &again), 0);
	add(&s, &one, 1, key, (struct subscriber_row){ .attempt = 2, .count = 3, .whole = 3 });
	/* The whole address space has no smallest range. */
	add(&s, &again, 2, key, (struct subscriber_row){ .attempt = 4, .count = 4, .whole = 1,
							 .pages = 600, .min_pages = 64,
							 .max_pages = 512 });
	add(&s, &again, 2, key, (struct subscriber_row){ .attempt = 4, .count = 1, .pages = 70,
							 .min_pages = 70, .max_pages = 70 });
	/* What a walk that was given up left behind. */
	add(&s, &again, 2, key, (struct subscriber_row){ .attempt = 3, .count = 1000 });
	assert_int_equal(s.count, 1);
	assert_int_equal(s.list[0].count, 8);
	assert_int_equal(s.list[0].whole, 4);
	assert_int_equal(s.list[0].pages, 670);
	assert_int_equal(s.list[0].min_pages, 64);
	assert_int_equal(s.list[0].max_pages, 512);
	assert_int_equal(s.incomplete.n, 0);
	subscribers__clear(&s);
	assert_int_equal(s.count, 0);
	subscribers__clear(&s);
}

static void keeps_apart_what_differs(void **state)
{
	struct subscriber_process p = process(42, 2, WALK_COMPLETE);
	struct subscriber_process q = process(7, 3, WALK_COMPLETE);
	const struct subscriber_row row = { .attempt = 2, .count = 1 };
	const struct subscriber_row later = { .attempt = 3, .count = 1 };
	struct subscribers s = {};

	(void)state;
	add(&s, &p, 1, (struct subscriber_key){ .function = GPUSVM, .inner = XE }, row);
	add(&s, &p, 1, (struct subscriber_key){ .function = GPUSVM }, row);
	add(&s, &p, 1, (struct subscriber_key){ .function = KVM, .kind = SUBSCRIBER_NOTIFIER },
	    row);
	add(&s, &p, 1, (struct subscriber_key){ .function = KVM, .kind = SUBSCRIBER_NOTIFIER,
						.ops = 1 << OP_RELEASE }, row);
	add(&s, &p, 1, (struct subscriber_key){ .function = MIRROR }, row);
	add(&s, &q, 2, (struct subscriber_key){ .function = MIRROR }, later);
	resolve(&s, kallsyms);
	assert_int_equal(s.count, 6);
	/* By process, kind and name. */
	assert_int_equal(s.list[0].tgid, 7);
	assert_true(s.list[1].function == MIRROR);
	assert_true(s.list[2].function == GPUSVM && !s.list[2].inner);
	assert_true(s.list[3].function == GPUSVM && s.list[3].inner == XE);
	assert_true(s.list[4].function == KVM && s.list[5].function == KVM);
	assert_int_equal(subscribers__unnamed(&s), 0);
	subscribers__clear(&s);
}

static void says_what_is_incomplete(void **state)
{
	static const struct {
		enum subscriber_state state;
		const char *expected; /* NULL: nothing to say */
		size_t changing;
	} cases[] = {
		{ WALK_COMPLETE, NULL, 0 },
		{ WALK_CHANGED, "the subscribers of mirror:42 changed", 1 },
		{ WALK_UNSETTLED, "an invalidation of mirror:42 was open", 1 },
		{ WALK_CUT, "mirror:42 has more subscribers than were looked at", 0 },
		{ WALK_NO_ROOM, "there are more rows than fit, and those of mirror:42", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct subscriber_process p = process(42, 1, cases[i].state);
		struct subscribers s = {};
		char *text;

		assert_int_equal(subscribers__add_process(&s, 1, &p), 0);
		assert_int_equal(s.incomplete.n, cases[i].expected != NULL);
		assert_int_equal(s.changing, cases[i].changing);
		if (cases[i].expected)
			assert_ptr_equal(strstr(s.incomplete.text[0], cases[i].expected),
					 s.incomplete.text[0]);
		/* None is not said of what could not be counted. */
		text = printed(&s);
		assert_string_equal(text, cases[i].expected
						  ? "Subscribers: none that could be counted\n"
						  : "Subscribers: none\n");
		free(text);
		subscribers__clear(&s);
	}
}

static void knows_the_driver(void **state)
{
	static const struct {
		__u64 function, inner;
		const char *driver;
	} cases[] = {
		{ MIRROR, 0, "test_hmm" }, { GPUSVM, 0, "drm_gpusvm_helper" }, { GPUSVM, XE, "xe" },
		{ BUILTIN, 0, "gntdev" },  { NAMELESS, 0, NULL },	       { 0, 0, NULL },
	};
	struct subscriber_process p = process(42, 1, WALK_COMPLETE);
	struct subscribers s = {};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		add(&s, &p, 1, (struct subscriber_key){ .function = cases[i].function,
							.inner = cases[i].inner },
		    (struct subscriber_row){ .attempt = 1, .count = 1 });
	resolve(&s, kallsyms);
	assert_int_equal(subscribers__unnamed(&s), 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct subscriber r = { .function = cases[i].function, .inner = cases[i].inner };
		const char *driver = subscriber__driver(&s, &r);

		if (cases[i].driver)
			assert_string_equal(driver, cases[i].driver);
		else
			assert_null(driver);
	}
	subscribers__clear(&s);
}

/* One of each kind. */
static void fill(struct subscribers *s)
{
	struct subscriber_process p = process(42, 1, WALK_COMPLETE);

	assert_int_equal(subscribers__add_process(s, 1, &p), 0);
	add(s, &p, 1, (struct subscriber_key){ .function = MIRROR },
	    (struct subscriber_row){ .attempt = 1, .count = 2, .whole = 2 });
	add(s, &p, 1, (struct subscriber_key){ .function = GPUSVM, .inner = XE },
	    (struct subscriber_row){ .attempt = 1, .count = 3, .pages = 96, .min_pages = 16,
				     .max_pages = 64 });
	add(s, &p, 1, (struct subscriber_key){ .function = KVM, .kind = SUBSCRIBER_NOTIFIER,
		      .ops = 1 << OP_RELEASE | 1 << OP_INVALIDATE_RANGE_START },
	    (struct subscriber_row){ .attempt = 1, .count = 1 });
	resolve(s, kallsyms);
}

static void prints_a_table(void **state)
{
	struct subscribers s = {};
	char *text;

	(void)state;
	fill(&s);
	text = printed(&s);
	assert_string_equal(
		text,
		"                                                              WHOLE\n"
		"PROCESS   KIND     DRIVER   CALLBACK                    COUNT    MM PAGES MIN MAX\n"
		"mirror:42 interval test_hmm dmirror_interval_invalidate     2     2     -   -   -\n"
		"mirror:42 interval xe       gpusvm_invalidate               3     0    96  16  64\n"
		"mirror:42 notifier kvm      kvm_start                       1     -     -   -   -\n"
		"\n"
		"gpusvm_invalidate [drm_gpusvm_helper] calls xe_svm_invalidate [xe].\n"
		"kvm_start [kvm] implements release, invalidate_range_start.\n");
	free(text);
	subscribers__clear(&s);
}

static const char json[] =
	"{\"schema\": \"mmuscope-subscribers/1\", \"incomplete\": [], \"subscribers\": ["
	"{\"pid\": 42, \"comm\": \"mirror\", \"kind\": \"interval\", \"module\": \"test_hmm\","
	" \"callback\": \"dmirror_interval_invalidate\", \"driver\": \"test_hmm\","
	" \"count\": 2, \"intervals\": 2, \"whole\": 2, \"pages\": null,"
	" \"min_pages\": null, \"max_pages\": null, \"inner\": null, \"ops\": null},"
	"{\"pid\": 42, \"comm\": \"mirror\", \"kind\": \"interval\","
	" \"module\": \"drm_gpusvm_helper\","
	" \"callback\": \"gpusvm_invalidate\", \"driver\": \"xe\","
	" \"count\": 3, \"intervals\": 3, \"whole\": 0, \"pages\": 96,"
	" \"min_pages\": 16, \"max_pages\": 64, \"inner\": \"xe_svm_invalidate\","
	" \"ops\": null},"
	"{\"pid\": 42, \"comm\": \"mirror\", \"kind\": \"notifier\", \"module\": \"kvm\","
	" \"callback\": \"kvm_start\", \"driver\": \"kvm\", \"count\": 1,"
	" \"intervals\": null, \"whole\": null, \"pages\": null,"
	" \"min_pages\": null, \"max_pages\": null, \"inner\": null,"
	" \"ops\": [\"release\", \"invalidate_range_start\"]}]}";

static void writes_json(void **state)
{
	struct subscribers s = {};
	json_t *doc, *expected;

	(void)state;
	fill(&s);
	doc = subscribers__json(&s);
	expected = json_loads(json, 0, NULL);
	assert_non_null(expected);
	assert_true(json_equal(doc, expected));
	json_decref(doc);
	json_decref(expected);
	subscribers__clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_functions_in_one_pass),
		cmocka_unit_test(hidden_addresses_name_nothing),
		cmocka_unit_test(adds_what_is_the_same),
		cmocka_unit_test(keeps_apart_what_differs),
		cmocka_unit_test(says_what_is_incomplete),
		cmocka_unit_test(knows_the_driver),
		cmocka_unit_test(prints_a_table),
		cmocka_unit_test(writes_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is written without a tree is what jansson makes of the tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

/* Frees both. */
static void check(struct text *t, json_t *tree)
{
	char *expected = json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY);

	assert_non_null(expected);
	assert_false(t->failed);
	assert_int_equal(t->len, strlen(expected));
	assert_memory_equal(t->data, expected, t->len);
	text__clear(t);
	free(expected);
	json_decref(tree);
}

static void integers_have_all_digits(void **state)
{
	static const json_int_t edges[] = { 0, 9, 10, INT64_MAX, -1, -10, INT64_MIN };
	struct text t = {};

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		json_text__integer(&t, edges[i]);
		check(&t, json_integer(edges[i]));
	}
	for (json_int_t n = 1; n <= INT64_MAX / 10; n *= 10)
		for (json_int_t near = n - 1; near <= n + 1; near++) {
			json_text__integer(&t, near);
			check(&t, json_integer(near));
		}
}

/* Of any length, with each character at each end of it. */
static void strings_are_escaped(void **state)
{
	struct text t = {};
	char s[40];

	(void)state;
	for (int c = 1; c < 128; c++)
		for (size_t n = 0; n < sizeof(s) - 1; n++) {
			memset(s, 'x', n);
			s[n] = '\0';
			if (n)
				s[0] = s[n / 2] = s[n - 1] = (char)c;
			json_text__string(&t, s);
			check(&t, json_string(s));
		}
}

static void strings_are_utf8(void **state)
{
	struct text t = {};

	(void)state;
	json_text__string(&t, "z\xc3\xa4h \xe2\x82\xac");
	check(&t, json_string("z\xc3\xa4h \xe2\x82\xac"));
	json_text__string(&t, "half \xc3");
	check(&t, json_string("(not UTF-8)"));
	json_text__string(&t, NULL);
	check(&t, json_null());
	json_text__word(&t, "to_device");
	check(&t, json_string("to_device"));
	json_text__word(&t, "");
	check(&t, json_string(""));
}

/* {"a":[1,[],{"b":null}],"c":{}} */
static void brackets_and_commas(void **state)
{
	struct text t = {};
	size_t object = json_text__begin(&t), list, inner;

	(void)state;
	json_text__key(&t, "a");
	list = json_text__begin(&t);
	json_text__comma(&t);
	json_text__integer(&t, 1);
	json_text__comma(&t);
	inner = json_text__begin(&t);
	json_text__end(&t, inner, '[', ']');
	json_text__comma(&t);
	inner = json_text__begin(&t);
	json_text__key(&t, "b");
	json_text__null(&t);
	json_text__end(&t, inner, '{', '}');
	json_text__end(&t, list, '[', ']');
	json_text__key(&t, "c");
	inner = json_text__begin(&t);
	json_text__end(&t, inner, '{', '}');
	json_text__end(&t, object, '{', '}');
	check(&t, json_pack("{s:[i, [], {s:n}], s:{}}", "a", 1, "b", "c"));
}

static void members_of_trees(void **state)
{
	json_t *first = json_pack("{s:i, s:[i]}", "a", 1, "b", 2), *none = json_object();
	struct text t = {};
	size_t object = json_text__begin(&t);

	(void)state;
	json_text__members(&t, none);
	json_text__members(&t, first);
	json_text__members(&t, none);
	json_text__key(&t, "c");
	json_text__integer(&t, 3);
	json_object_clear(first);
	json_object_set_new(first, "d", json_string("\n"));
	json_text__members(&t, first);
	json_text__end(&t, object, '{', '}');
	check(&t, json_pack("{s:i, s:[i], s:i, s:s}", "a", 1, "b", 2, "c", 3, "d", "\n"));
	json_decref(first);
	json_decref(none);
}

/* What failed takes nothing more, however short, and says so. */
static void without_memory_it_has_failed(void **state)
{
	struct text t = {};
	size_t object;

	(void)state;
	json_text__integer(&t, 1);
	json_text__members(&t, NULL);
	assert_true(t.failed);
	object = json_text__begin(&t);
	json_text__key(&t, "a");
	json_text__string(&t, "b");
	json_text__end(&t, object, '{', '}');
	assert_true(t.failed);
	text__clear(&t);
	assert_null(text__reserve(&t, SIZE_MAX));
	assert_true(t.failed);
	json_text__integer(&t, 1);
	json_text__end(&t, 0, '{', '}');
	assert_int_equal(t.len, 0);
	text__clear(&t);
	assert_false(t.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_have_all_digits),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(strings_are_utf8),
		cmocka_unit_test(brackets_and_commas),
		cmocka_unit_test(members_of_trees),
		cmocka_unit_test(without_memory_it_has_failed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("json_text", tests, NULL, NULL);
}

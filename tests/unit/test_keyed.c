// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "keyed.h"

struct entry {
	uint32_t key[3];
	uint32_t n;
};

static void finds_what_was_added(void **state)
{
	struct keyed k = keyed__of(sizeof(((struct entry *)0)->key), sizeof(struct entry));
	struct entry *e;

	(void)state;
	for (uint32_t i = 0; i < 99991; i++) {
		uint32_t key[3] = { i % 7, i, 0 };

		if (!(i % 9973))
			assert_null(keyed__find(&k, key));
		e = keyed__get(&k, key);
		assert_non_null(e);
		assert_int_equal(e->n, 0);
		e->n = i + 1;
	}
	assert_int_equal(k.count, 99991);
	for (uint32_t i = 0; i < 99991; i++) {
		uint32_t key[3] = { i % 7, i, 0 };

		e = keyed__find(&k, key);
		assert_non_null(e);
		assert_int_equal(e->n, i + 1);
		assert_ptr_equal(keyed__get(&k, key), e);
		assert_ptr_equal(keyed__at(&k, i), e);
	}
	keyed__clear(&k);
	assert_int_equal(k.count, 0);
}

static void an_empty_one_has_nothing(void **state)
{
	struct keyed k = keyed__of(4, 8);
	uint32_t key = 0;

	(void)state;
	assert_null(keyed__find(&k, &key));
	keyed__clear(&k);
	assert_non_null(keyed__get(&k, &key));
	keyed__clear(&k);
	assert_null(keyed__find(&k, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added),
		cmocka_unit_test(an_empty_one_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers.h"
#include "owners.h"

/*
 * struct inner { u64 a; union { u64 b; struct { u64 c, d; }; }; };
 * struct outer { u64 first; const inner_t in; void *last; };
 */
static struct btf *make_btf(void)
{
	struct btf *btf = btf__new_empty();
	int word, pair, both, inner, name, fixed, pointer;

	assert_non_null(btf);
	word = btf__add_int(btf, "u64", 8, 0);
	pair = btf__add_struct(btf, NULL, 16);
	assert_int_equal(btf__add_field(btf, "c", word, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "d", word, 64, 0), 0);
	both = btf__add_union(btf, NULL, 16);
	assert_int_equal(btf__add_field(btf, "b", word, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, NULL, pair, 0, 0), 0);
	inner = btf__add_struct(btf, "inner", 24);
	assert_int_equal(btf__add_field(btf, "a", word, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, NULL, both, 64, 0), 0);
	name = btf__add_typedef(btf, "inner_t", inner);
	fixed = btf__add_const(btf, name);
	pointer = btf__add_ptr(btf, 0);
	assert_true(btf__add_struct(btf, "outer", 40) > 0);
	assert_int_equal(btf__add_field(btf, "first", word, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "in", fixed, 64, 0), 0);
	assert_int_equal(btf__add_field(btf, "last", pointer, 256, 0), 0);
	return btf;
}

static void finds_members_at_any_depth(void **state)
{
	struct btf *btf = make_btf();

	(void)state;
	assert_int_equal(btf_member_offset(btf, "outer", NULL), 0);
	assert_int_equal(btf_member_offset(btf, "outer", "first"), 0);
	assert_int_equal(btf_member_offset(btf, "outer", "in"), 8);
	assert_int_equal(btf_member_offset(btf, "outer", "in.a"), 8);
	assert_int_equal(btf_member_offset(btf, "outer", "in.b"), 16);
	assert_int_equal(btf_member_offset(btf, "outer", "in.c"), 16);
	assert_int_equal(btf_member_offset(btf, "outer", "in.d"), 24);
	assert_int_equal(btf_member_offset(btf, "outer", "last"), 32);
	assert_int_equal(btf_member_offset(btf, "inner", "d"), 16);
	assert_int_equal(btf_member_offset(btf, "outer", "in.e"), -ENOENT);
	assert_int_equal(btf_member_offset(btf, "outer", "in.d.e"), -ENOENT);
	assert_int_equal(btf_member_offset(btf, "outer", "i"), -ENOENT);
	assert_int_equal(btf_member_offset(btf, "outer", "inn"), -ENOENT);
	assert_int_equal(btf_member_offset(btf, "inner_t", "a"), -ENOENT);
	assert_int_equal(btf_member_offset(btf, "none", "a"), -ENOENT);
	btf__free(btf);
}

static void a_way_becomes_offsets(void **state)
{
	static const struct owner_way way = {
		"m", { { "outer", "in.d", "last" }, { "inner", NULL, "b" },
		       { "outer", "last", "in.c" } }, true
	};
	static const struct owner_way astray = {
		"m", { { "outer", "in.d", "last" }, { "inner", NULL, "none" } }, false
	};
	struct mmuscope_owner_path path;
	struct btf *btf = make_btf();

	(void)state;
	assert_int_equal(owner_way__resolve(&way, btf, &path), 0);
	assert_int_equal(path.steps, 3);
	assert_int_equal(path.add[0], 32 - 24);
	assert_int_equal(path.add[1], 8);
	assert_int_equal(path.add[2], 16 - 32);
	assert_int_equal(path.itself, 32);
	assert_true(path.or_itself);
	/* Half a way is none. */
	assert_int_equal(owner_way__resolve(&astray, btf, &path), -ENOENT);
	assert_int_equal(path.steps, 0);
	btf__free(btf);
}

static void ways_are_where_the_driver_is(void **state)
{
	(void)state;
	assert_null(owner_way(OWNER_OF_MIGRATION));
	assert_null(owner_way(OWNER_READERS));
	for (__u32 reader = OWNER_OF_MIGRATION + 1; reader < OWNER_READERS; reader++) {
		assert_non_null(owner_way(reader));
		assert_non_null(owner_way(reader)->step[0].type);
		/* What subscribes is a member of the first. */
		assert_non_null(owner_way(reader)->step[0].from);
	}
	for (size_t i = 0; i < driver_callback_count; i++) {
		const struct driver_callback *d = &driver_callbacks[i];
		const struct owner_way *way = owner_way(d->owner);

		/* drm_gpusvm is a library: the owner is its user's. */
		if (way && strcmp(d->module, "drm_gpusvm_helper"))
			assert_string_equal(way->module, d->module);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_members_at_any_depth),
		cmocka_unit_test(a_way_becomes_offsets),
		cmocka_unit_test(ways_are_where_the_driver_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}

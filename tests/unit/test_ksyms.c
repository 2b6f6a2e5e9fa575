// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ksyms.h"

/* A file with this text, which the caller removes. */
static void write_file(char path[32], const char *text)
{
	int fd;

	strcpy(path, "/tmp/ksyms-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int read_text(struct ksyms **k, const char *text, const char *types)
{
	char path[32];
	int err;

	write_file(path, text);
	err = ksyms__read(k, path, types);
	unlink(path);
	return err;
}

static void expect(const struct ksyms *k, __u64 address, const char *name, const char *module,
		   __u64 start)
{
	struct ksym sym = {};

	assert_true(ksyms__find(k, address, &sym));
	assert_string_equal(sym.name, name);
	assert_true(sym.address == start);
	if (module)
		assert_string_equal(sym.module, module);
	else
		assert_null(sym.module);
}

static const char sample[] = "ffffffff81000100 t inner\n"
			     "ffffffff81000200 d some_data\n"
			     "ffffffff81000000 T outer\n"
			     "ffffffff81000300 t alias_of_three\n"
			     "ffffffff81000300 T three\n"
			     "ffffffff81000300 T three_again\n"
			     "ffffffffa0000000 t module_one\t[test_hmm]\n"
			     "ffffffffa0000100 t module_two\t[test_hmm]\n"
			     "ffffffffa0001000 t other.isra.0\t[kvm]\n"
			     "ffffffffa0002000 t bpf_prog_0123\t[bpf]\n";

static void finds_what_is_at_or_below(void **state)
{
	struct ksyms *k;
	struct ksym sym;

	(void)state;
	assert_int_equal(read_text(&k, sample, KSYMS_FUNCTIONS), 0);
	assert_int_equal(ksyms__count(k), 9);
	expect(k, 0xffffffff81000000, "outer", NULL, 0xffffffff81000000);
	expect(k, 0xffffffff810000ff, "outer", NULL, 0xffffffff81000000);
	expect(k, 0xffffffff81000100, "inner", NULL, 0xffffffff81000100);
	/* Data is none of the letters. */
	expect(k, 0xffffffff81000234, "inner", NULL, 0xffffffff81000100);
	expect(k, 0xffffffffa00000ff, "module_one", "test_hmm", 0xffffffffa0000000);
	expect(k, 0xffffffffa0000100, "module_two", "test_hmm", 0xffffffffa0000100);
	expect(k, 0xffffffffa0001001, "other.isra.0", "kvm", 0xffffffffa0001000);
	assert_false(ksyms__find(k, 0xffffffff80ffffff, &sym));
	assert_false(ksyms__find(k, 0, &sym));
	/* No symbol is a MiB long. */
	expect(k, 0xffffffffa0102000, "bpf_prog_0123", "bpf", 0xffffffffa0002000);
	assert_false(ksyms__find(k, 0xffffffffa0102001, &sym));
	assert_false(ksyms__find(k, UINT64_MAX, &sym));
	ksyms__free(k);
}

static void the_global_name_stands_for_its_aliases(void **state)
{
	struct ksyms *k;

	(void)state;
	assert_int_equal(read_text(&k, sample, KSYMS_FUNCTIONS), 0);
	expect(k, 0xffffffff81000310, "three", NULL, 0xffffffff81000300);
	ksyms__free(k);
}

static void takes_all_where_no_letters_are_given(void **state)
{
	struct ksyms *k;

	(void)state;
	assert_int_equal(read_text(&k, sample, KSYMS_ALL), 0);
	assert_int_equal(ksyms__count(k), 10);
	expect(k, 0xffffffff81000234, "some_data", NULL, 0xffffffff81000200);
	ksyms__free(k);
}

static void passes_over_what_is_no_symbol(void **state)
{
	struct ksyms *k;
	struct ksym sym;

	(void)state;
	assert_int_equal(read_text(&k, "\nnonsense\n12 \n  T a\n10 TT b\n20 T c", KSYMS_ALL), 0);
	assert_int_equal(ksyms__count(k), 1);
	expect(k, 0x25, "c", NULL, 0x20);
	ksyms__free(k);
	assert_int_equal(read_text(&k, "", KSYMS_ALL), 0);
	assert_int_equal(ksyms__count(k), 0);
	assert_false(ksyms__find(k, 0x20, &sym));
	ksyms__free(k);
}

static void says_what_it_cannot_read(void **state)
{
	struct ksyms *k = (void *)1;

	(void)state;
	assert_int_equal(ksyms__read(&k, "/nowhere/kallsyms", KSYMS_ALL), -ENOENT);
	assert_null(k);
	assert_int_equal(read_text(&k, "0000000000000000 T a\n0000000000000000 t b\n", KSYMS_ALL),
			 -EACCES);
	assert_null(k);
	ksyms__free(NULL);
	/* Absolute symbols are 0 on any kernel. */
	assert_int_equal(read_text(&k, "0000000000000000 T a\n0000000000000010 T b\n", KSYMS_ALL), 0);
	expect(k, 0x10, "b", NULL, 0x10);
	ksyms__free(k);
}

static void finds_each_of_many(void **state)
{
	char *text = NULL, name[32];
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	struct ksyms *k;

	(void)state;
	/* Not in order: 7 and 10007 have no factor in common. */
	for (unsigned int i = 0; i < 10007; i++)
		fprintf(f, "%016x t f%u\n", 0x1000 + 16 * (i * 7 % 10007), i * 7 % 10007);
	fclose(f);
	assert_int_equal(read_text(&k, text, KSYMS_FUNCTIONS), 0);
	free(text);
	for (unsigned int i = 0; i < 10007; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		expect(k, 0x1000 + 16 * i + i % 16, name, NULL, 0x1000 + 16 * i);
	}
	ksyms__free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_at_or_below),
		cmocka_unit_test(the_global_name_stands_for_its_aliases),
		cmocka_unit_test(takes_all_where_no_letters_are_given),
		cmocka_unit_test(passes_over_what_is_no_symbol),
		cmocka_unit_test(says_what_it_cannot_read),
		cmocka_unit_test(finds_each_of_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ksyms", tests, NULL, NULL);
}

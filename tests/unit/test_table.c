// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

static const struct table_column columns[] = {
	{ "name", false },
	{ "pages\ninvali-\ndated", true },
	{ "words", false },
};

static char *printed(struct table *table)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(table__print(table, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void check(struct table *table, const char *expected)
{
	char *text = printed(table);

	assert_string_equal(text, expected);
	free(text);
}

static struct table *new_table(void)
{
	struct table *table = table__new(columns, 3);

	assert_non_null(table);
	return table;
}

static void aligns_and_leaves_no_trailing_blanks(void **state)
{
	const char *const one[] = { "a", "7", "" };
	const char *const two[] = { "longer", "12345678", "last one" };
	const char *const none[] = { NULL, NULL, NULL };
	struct table *table = new_table();

	(void)state;
	assert_int_equal(table__add_row(table, one), 0);
	assert_int_equal(table__add_row(table, two), 0);
	assert_int_equal(table__add_row(table, NULL), 0);
	assert_int_equal(table__add_row(table, none), 0);
	check(table, "          pages\n"
		     "        invali-\n"
		     "name      dated words\n"
		     "a             7\n"
		     "longer 12345678 last one\n"
		     "\n"
		     "-             - -\n");
	assert_int_equal(table__width(table), 24);
	table__free(table);
}

static void is_not_cut_at_any_width(void **state)
{
	char wide[501];
	const char *const row[] = { wide, "1", "end" };
	struct table *table = new_table();
	char *text;

	(void)state;
	memset(wide, 'x', 500);
	wide[500] = '\0';
	setenv("COLUMNS", "20", 1);
	assert_int_equal(table__add_row(table, row), 0);
	assert_int_equal(table__width(table), 500 + 1 + 7 + 1 + 5);
	text = printed(table);
	assert_non_null(strstr(text, wide));
	assert_non_null(strstr(text, " end\n"));
	free(text);
	table__free(table);
}

static void escapes_control_characters(void **state)
{
	const char *const row[] = { "a\x1b[31m", "1", "b\nc" };
	struct table *table = new_table();
	char *text;

	(void)state;
	assert_int_equal(table__add_row(table, row), 0);
	text = printed(table);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "a\\x1b[31m"));
	free(text);
	table__free(table);
}

/* The table as libsmartcols prints it, to be freed, but for the blanks at the ends of lines. */
static char *reference(const char cells[][3][24], size_t n)
{
	struct libscols_table *t = scols_new_table();
	char *text, *to;

	scols_table_enable_noheadings(t, 1);
	scols_table_enable_ascii(t, 1);
	scols_table_set_termforce(t, SCOLS_TERMFORCE_NEVER);
	for (size_t c = 0; c < 3; c++)
		assert_non_null(scols_table_new_column(t, "", 0,
						       columns[c].right ? SCOLS_FL_RIGHT : 0));
	for (size_t i = 0; i < n; i++) {
		struct libscols_line *line = scols_table_new_line(t, NULL);

		for (size_t c = 0; c < 3; c++)
			assert_int_equal(scols_line_set_data(line, c, cells[i][c]), 0);
	}
	assert_int_equal(scols_print_table_to_string(t, &text), 0);
	to = text;
	for (const char *from = text; *from; from++) {
		while (*from == '\n' && to > text && to[-1] == ' ')
			to--;
		*to++ = *from;
	}
	while (to > text && to[-1] == ' ')
		to--;
	*to = '\0';
	scols_unref_table(t);
	return text;
}

static unsigned int below(unsigned int n)
{
	return (unsigned int)rand() % n;
}

/* A few characters, odd ones among them; never three empty cells. */
static void fill(char cell[24])
{
	static const char odd[] = "\\x\"\t\n\x7f\xc3\xa4\xff \x01";
	size_t n = 1 + below(20);

	for (size_t i = 0; i < n; i++)
		cell[i] = below(4) ? (char)(' ' + (int)below(95)) : odd[below(sizeof(odd) - 1)];
	cell[n] = '\0';
}

static void is_what_libsmartcols_prints(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 500; round++) {
		char cells[12][3][24] = { { "name", "", "" },
					  { "", "pages", "" },
					  { "", "", "words" } };
		size_t n = 3 + below(9);
		struct table *table = table__new((const struct table_column[]){
			{ "name\n\n", columns[0].right },
			{ "pages\n", columns[1].right },
			{ "words", columns[2].right },
		}, 3);
		char *text, *expected;

		assert_non_null(table);
		for (size_t i = 3; i < n; i++) {
			const char *row[3];

			for (size_t c = 0; c < 3; c++) {
				fill(cells[i][c]);
				row[c] = cells[i][c];
			}
			assert_int_equal(table__add_row(table, row), 0);
		}
		text = printed(table);
		expected = reference(cells, n);
		/* The last line's end is the caller's. */
		assert_int_equal(strlen(text), strlen(expected) + 1);
		assert_memory_equal(text, expected, strlen(expected));
		free(text);
		free(expected);
		table__free(table);
	}
}

static void without_rows_has_headings(void **state)
{
	struct table *table = new_table();

	(void)state;
	check(table, "       pages\n"
		     "     invali-\n"
		     "name   dated words\n");
	table__free(table);
	table__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligns_and_leaves_no_trailing_blanks),
		cmocka_unit_test(is_not_cut_at_any_width),
		cmocka_unit_test(escapes_control_characters),
		cmocka_unit_test(is_what_libsmartcols_prints),
		cmocka_unit_test(without_rows_has_headings),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}

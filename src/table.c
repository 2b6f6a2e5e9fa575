// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "table.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

struct table {
	struct libscols_table *scols;
	size_t n_cols;
};

/* How many lines a heading takes. */
static size_t heading_lines(const char *name)
{
	size_t n = 1;

	for (; *name; name++)
		n += *name == '\n';
	return n;
}

static int add_line(struct table *table, struct libscols_line **line)
{
	*line = scols_table_new_line(table->scols, NULL);
	return *line ? 0 : -ENOMEM;
}

/* Puts the heading's lines into the last of the `n_lines` rows of headings. */
static int set_heading(struct table *table, size_t col, const char *name, size_t n_lines)
{
	size_t row = n_lines - heading_lines(name);

	for (size_t i = 0; i < n_lines; i++) {
		size_t len = i < row ? 0 : strcspn(name, "\n");
		char *text = strndup(name, len);

		if (!text)
			return -ENOMEM;
		if (scols_line_refer_data(scols_table_get_line(table->scols, i), col, text)) {
			free(text);
			return -ENOMEM;
		}
		name += len + (len && name[len] == '\n');
	}
	return 0;
}

/*
 * libsmartcols prints a heading on one line only; as ordinary rows headings
 * may have several, which keeps tables of many numbers within 100 columns.
 */
static int add_headings(struct table *table, const struct table_column *cols)
{
	struct libscols_line *line;
	size_t n_lines = 1;
	int err;

	for (size_t i = 0; i < table->n_cols; i++)
		if (heading_lines(cols[i].name) > n_lines)
			n_lines = heading_lines(cols[i].name);
	for (size_t i = 0; i < n_lines; i++) {
		err = add_line(table, &line);
		if (err)
			return err;
	}
	for (size_t i = 0; i < table->n_cols; i++) {
		err = set_heading(table, i, cols[i].name, n_lines);
		if (err)
			return err;
	}
	return 0;
}

struct table *table__new(const struct table_column *cols, size_t n)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->n_cols = n;
	table->scols = scols_new_table();
	if (!table->scols)
		goto fail;
	scols_table_enable_noheadings(table->scols, 1);
	scols_table_enable_ascii(table->scols, 1);
	scols_table_enable_colors(table->scols, 0);
	/* Otherwise the width of the terminal, if there is one, cuts columns. */
	scols_table_set_termforce(table->scols, SCOLS_TERMFORCE_NEVER);
	for (size_t i = 0; i < n; i++)
		/* Nameless: the width of a name would count, printed or not. */
		if (!scols_table_new_column(table->scols, "", 0,
					    cols[i].right ? SCOLS_FL_RIGHT : 0))
			goto fail;
	if (add_headings(table, cols))
		goto fail;
	return table;
fail:
	table__free(table);
	return NULL;
}

int table__add_row(struct table *table, const char *const *cells)
{
	struct libscols_line *line;
	int err;

	err = add_line(table, &line);
	for (size_t i = 0; !err && i < table->n_cols; i++) {
		const char *text = !cells ? "" : cells[i] ? cells[i] : "-";

		if (scols_line_set_data(line, i, text))
			err = -ENOMEM;
	}
	return err;
}

/* The table as text, to be freed, without the blanks that pad the last cells. */
static int render(struct table *table, char **text)
{
	char *from, *to;
	int err;

	*text = NULL;
	err = scols_print_table_to_string(table->scols, text);
	if (err)
		return err < 0 ? err : -ENOMEM;
	if (!*text)
		return -ENOMEM;
	for (from = to = *text; *from; from++) {
		if (*from == '\n')
			while (to > *text && to[-1] == ' ')
				to--;
		*to++ = *from;
	}
	while (to > *text && to[-1] == ' ')
		to--;
	*to = '\0';
	return 0;
}

int table__width(struct table *table)
{
	size_t width = 0;
	char *text;
	int err;

	err = render(table, &text);
	if (err)
		return err;
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (len > width)
			width = len;
		line += len + (line[len] == '\n');
	}
	free(text);
	return (int)width;
}

int table__print(struct table *table, FILE *out)
{
	size_t len;
	char *text;
	int err;

	err = render(table, &text);
	if (err)
		return err;
	len = strlen(text);
	errno = 0;
	/* libsmartcols leaves the last line's end to the caller. */
	if (fputs(text, out) == EOF || (len && text[len - 1] != '\n' && fputc('\n', out) == EOF))
		err = errno ? -errno : -EIO;
	free(text);
	return err;
}

void table__free(struct table *table)
{
	if (!table)
		return;
	scols_unref_table(table->scols);
	free(table);
}

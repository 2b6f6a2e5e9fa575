// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/*
 * The cells of all rows behind each other, each with its length in front; those of the
 * headings are the first.
 */
struct table {
	size_t n_cols, n_rows;
	bool *right;
	size_t *width;		/* of each column */
	struct text cells;
};

/* How many lines a heading takes. */
static size_t heading_lines(const char *name)
{
	size_t n = 1;

	for (; *name; name++)
		n += *name == '\n';
	return n;
}

/*
 * What is not printable ASCII as \x1b, and the backslash of an "\x" that was there before
 * as \x5c, so that it can be told from ours.
 */
static void add_escaped(struct text *t, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		const char escaped[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

		if (c < ' ' || c > '~' || (c == '\\' && i + 1 < n && s[i + 1] == 'x'))
			text__add(t, escaped, sizeof(escaped));
		else
			text__add(t, s + i, 1);
	}
}

/* The text of a cell comes behind it. */
static size_t begin_cell(struct table *table)
{
	static const unsigned int length = 0;

	text__add(&table->cells, (const char *)&length, sizeof(length));
	return table->cells.len;
}

static void end_cell(struct table *table, size_t col, size_t begin)
{
	const unsigned int length = (unsigned int)(table->cells.len - begin);

	if (table->cells.failed)
		return;
	memcpy(table->cells.data + begin - sizeof(length), &length, sizeof(length));
	if (table->width[col] < length)
		table->width[col] = length;
}

/* The i-th of the `n_lines` that the headings take, with short ones at the bottom. */
static void add_heading(struct table *table, size_t col, const char *name, size_t i,
			size_t n_lines)
{
	size_t above = n_lines - heading_lines(name), begin = begin_cell(table);

	for (; i > above; i--)
		name = strchr(name, '\n') + 1;
	if (i == above)
		add_escaped(&table->cells, name, strcspn(name, "\n"));
	end_cell(table, col, begin);
}

static int add_headings(struct table *table, const struct table_column *cols)
{
	size_t n_lines = 1;

	for (size_t i = 0; i < table->n_cols; i++)
		if (heading_lines(cols[i].name) > n_lines)
			n_lines = heading_lines(cols[i].name);
	for (size_t line = 0; line < n_lines; line++)
		for (size_t i = 0; i < table->n_cols; i++)
			add_heading(table, i, cols[i].name, line, n_lines);
	table->n_rows = n_lines;
	return table->cells.failed ? -ENOMEM : 0;
}

struct table *table__new(const struct table_column *cols, size_t n)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->n_cols = n;
	table->right = calloc(n, sizeof(*table->right));
	table->width = calloc(n, sizeof(*table->width));
	if (!table->right || !table->width)
		goto fail;
	for (size_t i = 0; i < n; i++)
		table->right[i] = cols[i].right;
	if (add_headings(table, cols))
		goto fail;
	return table;
fail:
	table__free(table);
	return NULL;
}

int table__add_row(struct table *table, const char *const *cells)
{
	for (size_t i = 0; i < table->n_cols; i++) {
		const char *s = !cells ? "" : cells[i] ? cells[i] : "-";
		size_t n = text__plain(s), begin = begin_cell(table);

		if (s[n])
			add_escaped(&table->cells, s, strlen(s));
		else
			text__add(&table->cells, s, n);
		end_cell(table, i, begin);
	}
	table->n_rows++;
	return table->cells.failed ? -ENOMEM : 0;
}

/* Eight at a time, and some that are written over. */
#define BLANKS "        "
#define PAST (sizeof(BLANKS) - 1)

static char *put_blanks(char *at, size_t n)
{
	for (size_t i = 0; i < n; i += PAST)
		memcpy(at + i, BLANKS, PAST);
	return at + n;
}

/* One line, its end without the blanks that pad the last cells; `at` has room. */
static char *render_row(const struct table *table, const char **cells, char *at)
{
	const char *cell = *cells;
	char *line = at;

	for (size_t i = 0; i < table->n_cols; i++) {
		unsigned int n;
		size_t blanks;

		memcpy(&n, cell, sizeof(n));
		cell += sizeof(n);
		blanks = table->width[i] - n;
		if (table->right[i])
			at = put_blanks(at, blanks);
		text__copy(at, cell, n);
		at += n;
		cell += n;
		if (!table->right[i])
			at = put_blanks(at, blanks);
		*at++ = ' ';
	}
	while (at > line && at[-1] == ' ')
		at--;
	*at++ = '\n';
	*cells = cell;
	return at;
}

static int render(const struct table *table, struct text *out)
{
	const char *cells = table->cells.data;
	size_t width = 0;
	char *at;

	for (size_t i = 0; i < table->n_cols; i++)
		width += table->width[i] + 1;
	at = text__reserve(out, width * table->n_rows + PAST);
	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_rows; i++)
		at = render_row(table, &cells, at);
	out->len = (size_t)(at - out->data);
	return 0;
}

int table__width(struct table *table)
{
	struct text text = {};
	size_t width = 0, begin = 0;
	int err = render(table, &text);

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\n')
			continue;
		if (i - begin > width)
			width = i - begin;
		begin = i + 1;
	}
	text__clear(&text);
	return err ? err : (int)width;
}

int table__print(struct table *table, FILE *out)
{
	struct text text = {};
	int err = render(table, &text);

	errno = 0;
	if (!err && fwrite(text.data, 1, text.len, out) != text.len)
		err = errno ? -errno : -EIO;
	text__clear(&text);
	return err;
}

void table__free(struct table *table)
{
	if (!table)
		return;
	free(table->right);
	free(table->width);
	text__clear(&table->cells);
	free(table);
}

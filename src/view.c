// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "table.h"

#define COLUMNS_MAX 40
#define CELL_SIZE 48

struct cell {
	bool none;
	__u64 n;		/* of a process its pid */
	char *text;
};

struct view {
	const struct view_column *columns;
	size_t column_count;
	struct cell *cells;	/* row by row */
	size_t cell_count;
	int err;
};

struct view *view__new(const struct view_column *columns, size_t n)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->columns = columns;
	v->column_count = n;
	return v;
}

static void add(struct view *v, struct cell cell)
{
	struct cell *cells = v->err ? NULL : grow(v->cells, v->cell_count, sizeof(*cells));

	if (!cells) {
		v->err = -ENOMEM;
		free(cell.text);
		return;
	}
	v->cells = cells;
	cells[v->cell_count++] = cell;
}

void view__number(struct view *v, __u64 n)
{
	add(v, (struct cell){ .n = n });
}

void view__none(struct view *v)
{
	add(v, (struct cell){ .none = true });
}

static void add_text(struct view *v, const char *text, __u64 n)
{
	struct cell cell = { .n = n, .text = strdup(text) };

	if (!cell.text)
		v->err = -ENOMEM;
	else
		add(v, cell);
}

void view__text(struct view *v, const char *text)
{
	if (text)
		add_text(v, text, 0);
	else
		view__none(v);
}

void view__process(struct view *v, const struct names *names, __u32 tgid, __u32 start)
{
	add_text(v, names__recorded_comm(names, tgid, start), tgid);
}

size_t view__rows(const struct view *v)
{
	return v->cell_count / v->column_count;
}

int view__error(const struct view *v)
{
	return v->err;
}

/* ---- for people ---- */

/* What stands in the table; NULL where nothing does. */
static const char *cell_text(char out[CELL_SIZE], const struct cell *c, enum view_type type)
{
	if (c->none)
		return NULL;
	switch (type) {
	case VIEW_TEXT:
		return c->text;
	case VIEW_PROCESS:
		snprintf(out, CELL_SIZE, "%.15s:%ju", c->text, (uintmax_t)c->n);
		break;
	case VIEW_ADDRESS:
		snprintf(out, CELL_SIZE, "0x%jx", (uintmax_t)c->n);
		break;
	default:
		snprintf(out, CELL_SIZE, "%ju", (uintmax_t)c->n);
	}
	return out;
}

static int add_row(const struct view *v, struct table *t, const struct cell *row)
{
	char text[COLUMNS_MAX][CELL_SIZE];
	const char *cells[COLUMNS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < v->column_count; i++) {
		if (!v->columns[i].heading)
			continue;
		cells[n] = cell_text(text[n], &row[i], v->columns[i].type);
		n++;
	}
	return table__add_row(t, cells);
}

int view__print(const struct view *v, const char *title, FILE *out)
{
	struct table_column columns[COLUMNS_MAX];
	struct table *t;
	size_t n = 0;
	int err;

	if (v->err)
		return v->err;
	fprintf(out, "%s%s\n", title, view__rows(v) ? "" : ": none");
	for (size_t i = 0; i < v->column_count; i++)
		if (v->columns[i].heading)
			columns[n++] = (struct table_column){
				.name = v->columns[i].heading,
				.right = v->columns[i].type == VIEW_NUMBER,
			};
	t = table__new(columns, n);
	err = t ? 0 : -ENOMEM;
	for (size_t i = 0; i < view__rows(v) && !err; i++)
		err = add_row(v, t, &v->cells[i * v->column_count]);
	if (!err && view__rows(v))
		err = table__print(t, out);
	fputc('\n', out);
	table__free(t);
	return err;
}

/* ---- for programs ---- */

/* RFC 4180: what has a comma, a quote or a line's end is quoted, and quotes are doubled. */
static void put_csv(const char *text, FILE *out)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void put_csv_cell(const struct cell *c, enum view_type type, FILE *out)
{
	char text[CELL_SIZE];

	if (type == VIEW_PROCESS) {
		fprintf(out, "%ju,", (uintmax_t)c->n);
		put_csv(c->text, out);
	} else if (!c->none) {
		put_csv(cell_text(text, c, type), out);
	}
}

int view__csv(const struct view *v, FILE *out)
{
	if (v->err)
		return v->err;
	for (size_t i = 0; i < v->column_count; i++)
		fprintf(out, "%s%s", i ? "," : "",
			v->columns[i].type == VIEW_PROCESS ? "pid,comm" : v->columns[i].name);
	fputc('\n', out);
	for (size_t row = 0; row < view__rows(v); row++) {
		for (size_t i = 0; i < v->column_count; i++) {
			if (i)
				fputc(',', out);
			put_csv_cell(&v->cells[row * v->column_count + i], v->columns[i].type, out);
		}
		fputc('\n', out);
	}
	return ferror(out) ? -EIO : 0;
}

static int set_cell(json_t *row, const struct cell *c, const struct view_column *column)
{
	if (column->type == VIEW_PROCESS)
		return json_object_set_new(row, "pid", json_integer((json_int_t)c->n)) ||
		       json_object_set_new(row, "comm", json_string(c->text));
	if (c->none)
		return json_object_set_new(row, column->name, json_null());
	if (column->type == VIEW_TEXT)
		return json_object_set_new(row, column->name, json_string(c->text));
	return json_object_set_new(row, column->name, json_integer((json_int_t)c->n));
}

json_t *view__json(const struct view *v)
{
	json_t *rows = v->err ? NULL : json_array();
	int err = rows ? 0 : -ENOMEM;

	for (size_t r = 0; r < view__rows(v) && !err; r++) {
		json_t *row = json_object();

		err = json_array_append_new(rows, row);
		for (size_t i = 0; i < v->column_count && !err; i++)
			err = set_cell(row, &v->cells[r * v->column_count + i], &v->columns[i]);
	}
	if (err) {
		json_decref(rows);
		return NULL;
	}
	return rows;
}

void view__free(struct view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->cell_count; i++)
		free(v->cells[i].text);
	free(v->cells);
	free(v);
}

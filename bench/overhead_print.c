// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The tables of `bench overhead`, 80 columns wide; what each watcher tells is below them. */
#include "overhead.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "table.h"

#define TEXT 64

static const char *number(const json_t *row, const char *field, const char *format, char text[TEXT])
{
	const json_t *value = json_object_get(row, field);

	if (!json_is_number(value))
		return NULL;
	snprintf(text, TEXT, format, json_number_value(value));
	return strcmp(text, "-0") ? text : "0";
}

static const char *string(const json_t *row, const char *field)
{
	return json_string_value(json_object_get(row, field));
}

/* Of a row by its number in the table, from 1. */
static size_t number_of(const json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (name && !strcmp(string(row, "watcher"), name))
			return i + 1;
	return 0;
}

static int add_watcher(struct table *table, const json_t *rows, const json_t *row, size_t at)
{
	bool measured = json_is_number(json_object_get(row, "cost"));
	const json_t *floor = json_object_get(row, "floor");
	char text[7][TEXT];
	size_t nearest = number_of(rows, string(row, "nearest"));
	const char *cells[8] = { text[0], string(row, "watcher"), "n/o" };

	snprintf(text[0], TEXT, "%zu", at);
	if (measured) {
		cells[2] = number(row, "added", "%.0f", text[1]);
		cells[3] = number(row, "others", "%.0f", text[2]);
		cells[4] = number(floor, "added", "%.0f", text[3]);
		cells[5] = number(row, "to_floor", "%.2f", text[4]);
		cells[7] = number(row, "to_nearest", "%.2f", text[6]);
	}
	snprintf(text[5], TEXT, "%zu", nearest);
	cells[6] = nearest ? text[5] : NULL;
	return table__add_row(table, cells);
}

static int print_watchers(const json_t *rows, FILE *out)
{
	static const struct table_column columns[] = {
		{ "#", true },	   { "WATCHER", false }, { "ADDED", true },   { "OTHERS", true },
		{ "FLOOR", true }, { "RATIO", true },	 { "NEAREST", true }, { "RATIO", true },
	};
	struct table *table = table__new(columns, 8);
	int err = table ? 0 : -ENOMEM;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		err = err ? err : add_watcher(table, rows, row, i + 1);
	err = err ? err : table__print(table, out);
	table__free(table);
	return err;
}

/* "target_fexit 215, target_start 120": what each costs above an empty one. */
static void print_programs(const json_t *programs, FILE *out)
{
	json_t *p;
	size_t i;

	json_array_foreach(programs, i, p) {
		double runs = json_real_value(json_object_get(p, "runs"));

		/* Not those of others' work meanwhile. */
		if (runs < 0.01)
			continue;
		fprintf(out, "%s%s %.0f", i ? ", " : "    above the floor: ", string(p, "program"),
			json_real_value(json_object_get(p, "cost")));
	}
	if (json_array_size(programs))
		fputc('\n', out);
}

/* What one learns, and does not; or why there is no figure. */
static void print_what(const json_t *rows, json_int_t events, FILE *out)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const json_t *seen = json_object_get(row, "seen");

		if (!strcmp(string(row, "tells"), "-") && !string(row, "reason"))
			continue;
		if (string(row, "reason")) {
			fprintf(out, "%3zu not measured: %s\n", i + 1, string(row, "reason"));
			continue;
		}
		fprintf(out, "%3zu tells: %s\n", i + 1, string(row, "tells"));
		if (strncmp(string(row, "tells"), "nothing", 7))
			fprintf(out, "    not: %s\n", string(row, "cannot_show"));
		print_programs(json_object_get(row, "programs"), out);
		if (!strcmp(string(row, "kind"), "competitor") &&
		    json_integer_value(seen) != events)
			fprintf(out, "    has %jd of %jd\n", (intmax_t)json_integer_value(seen),
				(intmax_t)events);
	}
}

static int add_size(struct table *table, const json_t *size)
{
	char text[7][TEXT];
	json_t *row;
	size_t i;
	int err = 0;

	number(size, "pages", "%.0f", text[0]);
	number(size, "cycles", "%.0f", text[1]);
	json_array_foreach(json_object_get(size, "watchers"), i, row) {
		const char *const cells[8] = {
			text[0], text[1], string(row, "watcher"),
			number(size, "cost", "%.0f", text[2]),
			number(row, "added", "%.0f", text[3]),
			number(row, "in_programs", "%.0f", text[4]),
			number(json_object_get(row, "floor"), "added", "%.0f", text[5]),
			number(row, "to_floor", "%.2f", text[6]),
		};

		err = err ? err : table__add_row(table, cells);
	}
	return err;
}

static int print_migrations(const json_t *migrations, FILE *out)
{
	static const struct table_column columns[] = {
		{ "PAGES", true }, { "CYCLES", true }, { "WATCHER", false }, { "COST", true },
		{ "ADDED", true }, { "IN BPF", true }, { "FLOOR", true }, { "RATIO", true },
	};
	const json_t *between = json_object_get(migrations, "page_sizes");
	struct table *table = table__new(columns, 8);
	int err = table ? 0 : -ENOMEM;
	char text[TEXT];
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(migrations, "sizes"), i, row)
		err = err ? err : add_size(table, row);
	err = err ? err : table__print(table, out);
	table__free(table);
	if (err)
		return err;
	fprintf(out, "\nOne page more, between %jd and %jd in one cycle, adds:\n",
		(intmax_t)json_integer_value(json_array_get(between, 0)),
		(intmax_t)json_integer_value(json_array_get(between, 1)));
	json_array_foreach(json_object_get(migrations, "page"), i, row)
		fprintf(out, "%8s  %s\n", number(row, "added", "%.2f", text),
			string(row, "watcher"));
	return 0;
}

enum status overhead__print(const json_t *doc, FILE *out)
{
	const json_t *rows = json_object_get(doc, "watchers");
	const json_t *migrations = json_object_get(doc, "migrations"), *version;
	const char *unit = strcmp(string(doc, "clock"), "guest-insn") ? "ns" : "guest instructions";
	const char *tool;
	char cost[TEXT];
	int err;

	fprintf(out, "Added to a notification with one callback, on %s,\nwhich costs %s %s unwatched\n",
		string(json_object_get(doc, "kernel"), "release"),
		number(json_array_get(rows, 0), "cost", "%.0f", cost), unit);
	err = print_watchers(rows, out);
	fputc('\n', out);
	print_what(rows, json_integer_value(json_object_get(doc, "iterations")), out);
	if (!err && json_is_object(migrations)) {
		fprintf(out, "\nOne migration to a device, in %s\n", unit);
		err = print_migrations(migrations, out);
	}
	json_object_foreach(json_object_get(doc, "versions"), tool, version)
		fprintf(out, "%s%s %s", version == json_object_iter_value(json_object_iter(
			json_object_get(doc, "versions"))) ? "\n" : ", ", tool,
			json_string_value(version));
	if (json_object_size(json_object_get(doc, "versions")))
		fputc('\n', out);
	if (err)
		msg("cannot print the tables: out of memory.");
	return err ? STATUS_FAILED : STATUS_OK;
}

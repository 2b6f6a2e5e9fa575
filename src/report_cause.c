// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The causes of notifications, as JSON and as a table. */
#include "report_cause.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "words.h"

__u64 report_cause__samples(const struct report *r)
{
	__u64 sum = 0;

	for (size_t i = 0; i < r->snap->row_count; i++)
		if (r->snap->rows[i].key.kind == ROW_CAUSE)
			sum += r->snap->rows[i].count[CAUSE_SAMPLES];
	return sum;
}

static json_t *row_json(const struct report *r, const struct cause_row *row)
{
	const struct mmuscope_row_key *k = &row->key;
	json_t *stack = json_array();

	for (size_t i = 0; i < row->stack->frame_count; i++)
		json_array_append_new(stack, json_string(row->stack->frames[i]));
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "pid",
			 (json_int_t)k->tgid, "comm", names__comm(r->names, k->tgid, k->start),
			 "cause", row->stack->cause, "event", event_name(k->event), "phase",
			 phase_name(k->phase), "calls", (json_int_t)row->calls, "pages",
			 (json_int_t)row->pages, "samples", (json_int_t)row->samples, "stack",
			 stack);
}

int report_cause__json(const struct report *r, json_t *doc)
{
	json_t *list = json_null(), *sampling = json_null();
	struct cause_row *rows = NULL;
	size_t n = 0;
	int err = 0;

	if (r->causes) {
		err = causes__rows(r->causes, r->snap->rows, r->snap->row_count, &rows, &n);
		list = json_array();
		sampling = json_pack("{s:I, s:I}", "every", (json_int_t)r->causes->every,
				     "samples", (json_int_t)report_cause__samples(r));
	}
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, row_json(r, &rows[i]));
	free(rows);
	if (json_object_set_new(doc, "causes", list) ||
	    json_object_set_new(doc, "sampling", sampling))
		err = -ENOMEM;
	return err;
}

const char *report_cause__frames(char *out, size_t size, const struct cause_stack *stack)
{
	const char *frames[MMUSCOPE_STACK_DEPTH];
	size_t used = 0, n = cause_stack__frames(stack, NULL, frames);

	out[0] = '\0';
	for (size_t i = 0; i < n && i < CAUSE_OTHER_FRAMES && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " < " : "",
					 frames[i]);
	return out;
}

/* "other: inner < middle < outer" where no rule knows better. */
static const char *cause_text(char *out, size_t size, const struct cause_stack *stack)
{
	size_t used;

	if (strcmp(stack->cause, CAUSE_OTHER))
		return stack->cause;
	used = (size_t)snprintf(out, size, "%s%s", CAUSE_OTHER, stack->frame_count ? ": " : "");
	report_cause__frames(out + used, size - used, stack);
	return out;
}

static int add_row(const struct report *r, struct table *t, bool by_process,
		   const struct cause_row *row)
{
	const struct mmuscope_row_key *k = &row->key;
	char process[48], cause[400], calls[24], pages[24];
	const char *cells[] = { process, NULL, event_name(k->event), phase_name(k->phase), calls,
				pages };

	snprintf(process, sizeof(process), "%.15s:%u", names__comm(r->names, k->tgid, k->start),
		 k->tgid);
	snprintf(calls, sizeof(calls), "%ju", (uintmax_t)row->calls);
	snprintf(pages, sizeof(pages), "%ju", (uintmax_t)row->pages);
	cells[1] = cause_text(cause, sizeof(cause), row->stack);
	return table__add_row(t, by_process ? cells : cells + 1);
}

static void print_title(const struct report *r, size_t rows, FILE *out)
{
	const unsigned int every = r->causes->every;

	if (every == 1)
		fprintf(out, "Causes, of every notification%s\n", rows ? "" : ": none");
	else
		fprintf(out, "Causes, estimated from %ju samples, one in %u notifications%s\n",
			(uintmax_t)report_cause__samples(r), every, rows ? "" : ": none");
}

int report_cause__print(const struct report *r, bool by_process, FILE *out)
{
	static const struct table_column columns[] = {
		{ "PROCESS", false }, { "CAUSE", false }, { "EVENT", false },
		{ "PHASE", false },   { "CALLS", true },  { "PAGES", true },
	};
	struct cause_row *rows;
	struct table *t;
	size_t n;
	int err;

	if (!r->causes)
		return 0;
	err = causes__rows(r->causes, r->snap->rows, r->snap->row_count, &rows, &n);
	if (err)
		return err;
	n = causes__merge(rows, n);
	t = by_process ? table__new(columns, 6) : table__new(columns + 1, 5);
	err = t ? 0 : -ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = add_row(r, t, by_process, &rows[i]);
	if (!err) {
		print_title(r, n, out);
		if (n)
			err = table__print(t, out);
		fputc('\n', out);
	}
	table__free(t);
	free(rows);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Windows that were open too long or never ended, as JSON and as a table. */
#include "report_windows.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "report_cause.h"
#include "table.h"
#include "words.h"

__u64 report_windows__unended(const struct report *r)
{
	const __u64 *t = r->snap->total;

	return t[TOTAL_ABANDONED_WINDOWS] + t[TOTAL_OVERRUN_WINDOWS] +
	       (r->windows ? r->windows->still_open : 0);
}

/* NULL where it could not be taken. */
static const struct cause_stack *stack_of(const struct report *r, const struct mmuscope_window *w)
{
	return w->stack < 0 ? NULL : causes__stack(r->stacks, (__u32)w->stack);
}

static const char *task_name(char out[16], const struct mmuscope_window *w)
{
	snprintf(out, 16, "%.15s", w->comm);
	names__make_legal(out);
	return out;
}

static json_t *address_json(__u64 address)
{
	return json_sprintf("0x%" PRIx64, (uint64_t)address);
}

static json_t *item_json(const struct report *r, const struct mmuscope_window *w)
{
	const struct cause_stack *stack = stack_of(r, w);
	json_t *frames = json_array();
	char task[16];

	for (size_t i = 0; stack && i < stack->frame_count; i++)
		json_array_append_new(frames, json_string(stack->frames[i]));
	return json_pack("{s:I, s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:I, s:b, s:s, s:o}", "pid",
			 (json_int_t)w->tgid, "comm", names__comm(r->names, w->tgid, w->start),
			 "tid", (json_int_t)w->task, "task", task_name(task, w), "event",
			 event_name(w->event), "phase", phase_name(w->phase), "start",
			 address_json(w->from), "end", address_json(w->to), "open_ns",
			 (json_int_t)w->open_ns, "ended", w->fate == WINDOW_ENDED, "fate",
			 window_fate_name(w->fate), "stack", frames);
}

int report_windows__json(const struct report *r, json_t *doc)
{
	const __u64 *t = r->snap->total;
	json_t *items, *windows = json_null();

	if (r->windows) {
		items = json_array();
		for (size_t i = 0; i < r->windows->count; i++)
			json_array_append_new(items, item_json(r, &r->windows->items[i]));
		windows = json_pack("{s:I, s:I, s:I, s:I, s:o}", "limit_ns",
				    (json_int_t)r->windows->limit_ns, "longer",
				    (json_int_t)t[TOTAL_LONG_WINDOWS], "unended",
				    (json_int_t)report_windows__unended(r), "unlisted",
				    (json_int_t)t[TOTAL_UNLISTED_WINDOWS], "items", items);
	}
	return json_object_set_new(doc, "windows", windows) ? -ENOMEM : 0;
}

static int add_row(const struct report *r, struct table *t, bool by_process,
		   const struct mmuscope_window *w)
{
	char process[48], task[48], comm[16], pages[24] = "whole mm", open[24], frames[400];
	const struct cause_stack *stack = stack_of(r, w);
	const char *cells[] = { process, task, event_name(w->event), pages, open,
				window_fate_name(w->fate), NULL };

	snprintf(process, sizeof(process), "%.15s:%u", names__comm(r->names, w->tgid, w->start),
		 w->tgid);
	snprintf(task, sizeof(task), "%s:%u", task_name(comm, w), w->task);
	if (w->from || w->to != ~0ULL)
		snprintf(pages, sizeof(pages), "%ju", (uintmax_t)(w->to - w->from) / 4096);
	snprintf(open, sizeof(open), "%ju", (uintmax_t)w->open_ns / 1000);
	if (stack)
		cells[6] = report_cause__frames(frames, sizeof(frames), stack);
	return table__add_row(t, by_process ? cells : cells + 1);
}

int report_windows__print(const struct report *r, bool by_process, FILE *out)
{
	static const struct table_column columns[] = {
		{ "PROCESS", false }, { "TASK", false },     { "EVENT", false },
		{ "PAGES", true },    { "OPEN us", true },   { "FATE", false },
		{ "STACK", false },
	};
	const __u64 *total = r->snap->total;
	struct table *t;
	int err;

	if (!r->windows) {
		if (report_windows__unended(r))
			fprintf(out, "Windows that never ended: %ju; --windows tells whose.\n\n",
				(uintmax_t)report_windows__unended(r));
		return 0;
	}
	t = by_process ? table__new(columns, 7) : table__new(columns + 1, 6);
	err = t ? 0 : -ENOMEM;
	for (size_t i = 0; i < r->windows->count && !err; i++)
		err = add_row(r, t, by_process, &r->windows->items[i]);
	if (!err) {
		fprintf(out, "Windows open for more than %ju us: %ju; never ended: %ju\n",
			(uintmax_t)r->windows->limit_ns / 1000,
			(uintmax_t)total[TOTAL_LONG_WINDOWS],
			(uintmax_t)report_windows__unended(r));
		if (r->windows->count)
			err = table__print(t, out);
		if (total[TOTAL_UNLISTED_WINDOWS])
			fprintf(out, "Not listed: %ju (--max-rows)\n",
				(uintmax_t)total[TOTAL_UNLISTED_WINDOWS]);
		fputc('\n', out);
	}
	table__free(t);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "trace_line.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "moves.h"
#include "record.h"
#include "words.h"

#define HEADING_EVERY 40 /* lines */
#define SHORT_STACK 6	 /* frames in the table */

static const char *comm_of(const struct trace_style *s, const struct mmuscope_record *r)
{
	return names__recorded_comm(s->names, r->tgid, r->start);
}

/* ---- the table ---- */

static double us(__u64 ns)
{
	return (double)ns / 1000;
}

static void print_range(const struct mmuscope_record *r, FILE *out)
{
	if (record__is_whole(r))
		fputs(" whole address space", out);
	else if (r->to)
		fprintf(out, " %jx-%jx", (uintmax_t)r->from, (uintmax_t)r->to);
}

static void print_heading(struct trace_style *s, FILE *out)
{
	if (s->lines++ % HEADING_EVERY)
		return;
	fprintf(out, "%11s %-20s %-9s %6s %6s %6s %8s %8s %8s %8s %4s %4s %5s %6s %s\n", "TIME s",
		"PROCESS", "DIRECTION", "ASKED", "COLLEC", "MIGRAT", "SETUP us", "COPY us",
		"PAGES us", "FINAL us", "PERF", "SKIP", "AVOID", "EXCESS", "RANGE, OWNER");
}

static void print_time(const struct trace_style *s, const struct activity *a, FILE *out)
{
	fprintf(out, "%11.6f ", (double)((__s64)(a->head.ns - s->started)) / 1e9);
}

static void print_unmoved(const struct mmuscope_record_migration *m, FILE *out)
{
	const char *before = "; not migrated: ";

	for (unsigned int p = 1; p < PAGE_MAX; p++) {
		if (!m->place[p - 1])
			continue;
		fprintf(out, "%s%u %s", before, m->place[p - 1], page_name(p));
		before = ", ";
	}
}

static void print_migration(const struct trace_style *s, const struct activity *a, FILE *out)
{
	const struct mmuscope_record_migration *m = &a->migration;
	char process[32];

	snprintf(process, sizeof(process), "%.15s:%u", comm_of(s, &m->head), m->head.tgid);
	fprintf(out,
		"%-20s %-9s %6ju %6ju %6ju %8.1f %8.1f %8.1f %8.1f %4u %4u %5u %6ju",
		process, direction_name(m->head.phase), (uintmax_t)m->asked,
		(uintmax_t)m->collected, (uintmax_t)m->migrated, us(m->setup), us(m->copy),
		us(m->pages), us(m->finalize), m->outcome[OUTCOME_PERFORMED],
		m->outcome[OUTCOME_SKIPPED], m->avoidable, (uintmax_t)migration__excess(m));
	print_range(&m->head, out);
	if (m->head.what)
		fprintf(out, " %s", names__owner((struct names *)s->names, m->head.what));
	if (m->head.flags & RECORD_FAILED)
		fputs("; migrate_vma_setup() failed", out);
	print_unmoved(m, out);
}

static void print_event(const struct trace_style *s, const struct activity *a, int depth, FILE *out)
{
	const struct mmuscope_record *r = &a->head;

	fprintf(out, "%*s", 2 * depth, "");
	if (!depth)
		fprintf(out, "%.15s:%u ", comm_of(s, r), r->tgid);
	switch (r->kind) {
	case RECORD_NOTIFICATION:
		fprintf(out, "notification %s %s", event_name(r->event), phase_name(r->phase));
		break;
	case RECORD_CALLBACK:
		fprintf(out, "callback %s %s%s", names__symbol(s->names, r->what),
			outcome_name(activity__outcome(a)),
			r->flags & RECORD_AVOIDABLE ? " (avoidable)" : "");
		break;
	case RECORD_FAULT:
		fprintf(out, "device fault%s", r->flags & RECORD_RETRY ? ", to be tried again" : "");
		if ((__s64)r->what < 0 && !(r->flags & RECORD_RETRY))
			fprintf(out, ": %s", strerror((int)-(__s64)r->what));
		break;
	}
	print_range(r, out);
	if (r->flags & RECORD_FAILED)
		fputs(" failed", out);
	if (a->timed)
		fprintf(out, " %.1f us", us(r->ns - a->begin));
}

/* Whose caller a stack begins with; a notification's does so already. */
static const char *callee_of(const struct activity *a)
{
	return a->head.kind == RECORD_MIGRATION ? "migrate_vma_setup" : NULL;
}

static void print_stack(const struct trace_style *s, const struct activity *a, int depth, FILE *out)
{
	const char *frames[MMUSCOPE_STACK_DEPTH];
	const struct cause_stack *stack = NULL;
	size_t n;

	if (s->stacks && a->stack >= 0)
		stack = causes__stack(s->causes, (__u32)a->stack);
	if (!stack)
		return;
	n = cause_stack__frames(stack, callee_of(a), frames);
	fprintf(out, "%12s%*s  by %s:", "", 2 * depth, "",
		cause_stack__cause(stack, callee_of(a)));
	for (size_t i = 0; i < n && i < SHORT_STACK; i++)
		fprintf(out, "%s%s", i ? " < " : " ", frames[i]);
	fputs(n > SHORT_STACK ? " < ...\n" : "\n", out);
}

static void print_activity(struct trace_style *s, const struct activity *a, int depth, FILE *out)
{
	print_time(s, a, out);
	if (a->head.kind == RECORD_MIGRATION) {
		fprintf(out, "%*s", 2 * depth, "");
		print_migration(s, a, out);
	} else {
		print_event(s, a, depth, out);
	}
	fputc('\n', out);
	print_stack(s, a, depth, out);
	if (!s->events)
		return;
	for (size_t i = 0; i < a->child_count; i++)
		print_activity(s, a->children[i], depth + 1, out);
}

/* ---- JSON ---- */

static int add_migration(json_t *o, const struct trace_style *s, const struct activity *a)
{
	const struct mmuscope_record_migration *m = &a->migration;
	json_t *unmoved = json_object(), *callbacks = json_object();
	json_t *more;

	for (unsigned int p = 1; p < PAGE_MAX; p++)
		json_object_set_new(unmoved, page_name(p), json_integer(m->place[p - 1]));
	for (unsigned int i = 0; i < OUTCOME_MAX; i++)
		json_object_set_new(callbacks, outcome_name(i), json_integer(m->outcome[i]));
	more = json_pack("{s:s, s:s?, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
			 "direction", direction_name(m->head.phase), "owner",
			 m->head.what ? names__owner((struct names *)s->names, m->head.what) : NULL,
			 "failed", m->head.flags & RECORD_FAILED, "asked", (json_int_t)m->asked,
			 "collected", (json_int_t)m->collected, "migrated",
			 (json_int_t)m->migrated, "compound", (json_int_t)m->compound, "excess",
			 (json_int_t)migration__excess(m), "setup_ns", (json_int_t)m->setup,
			 "copy_ns", (json_int_t)m->copy, "pages_ns", (json_int_t)m->pages,
			 "finalize_ns", (json_int_t)m->finalize, "avoidable",
			 (json_int_t)m->avoidable, "callbacks", callbacks, "unmoved", unmoved);
	return json_object_update_new(o, more);
}

static int add_event(json_t *o, const struct trace_style *s, const struct activity *a)
{
	const struct mmuscope_record *r = &a->head;
	json_t *more = NULL;

	switch (r->kind) {
	case RECORD_NOTIFICATION:
		more = json_pack("{s:s, s:s, s:b}", "event", event_name(r->event), "phase",
				 phase_name(r->phase), "failed", r->flags & RECORD_FAILED);
		break;
	case RECORD_CALLBACK:
		more = json_pack("{s:s, s:s, s:s, s:s, s:b}", "event", event_name(r->event), "phase",
				 phase_name(r->phase), "symbol", names__symbol(s->names, r->what),
				 "outcome", outcome_name(activity__outcome(a)), "avoidable",
				 r->flags & RECORD_AVOIDABLE);
		break;
	case RECORD_FAULT:
		more = json_pack("{s:I, s:b}", "result", (json_int_t)r->what, "retry",
				 r->flags & RECORD_RETRY);
		break;
	}
	return json_object_update_new(o, more);
}

static json_t *stack_json(const struct trace_style *s, const struct activity *a)
{
	const char *names[MMUSCOPE_STACK_DEPTH];
	const struct cause_stack *stack = NULL;
	json_t *frames;
	size_t n;

	if (a->stack >= 0)
		stack = causes__stack(s->causes, (__u32)a->stack);
	if (!stack)
		return json_null();
	frames = json_array();
	n = cause_stack__frames(stack, callee_of(a), names);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(frames, json_string(names[i]));
	return json_pack("{s:s, s:o}", "cause", cause_stack__cause(stack, callee_of(a)), "frames",
			 frames);
}

static json_t *activity_json(const struct trace_style *s, const struct activity *a)
{
	static const char *const types[] = { [RECORD_NOTIFICATION] = "notification",
					     [RECORD_CALLBACK] = "callback",
					     [RECORD_FAULT] = "device_fault",
					     [RECORD_MIGRATION] = "migration" };
	const struct mmuscope_record *r = &a->head;
	json_t *o, *children;
	int err;

	o = json_pack("{s:s, s:I, s:o, s:I, s:I, s:s, s:I, s:o}", "type", types[r->kind], "end_ns",
		      (json_int_t)r->ns, "took_ns",
		      a->timed ? json_integer((json_int_t)(r->ns - a->begin)) : json_null(), "pid",
		      (json_int_t)r->tgid, "tid", (json_int_t)r->task, "comm", comm_of(s, r), "from",
		      (json_int_t)r->from, "to",
		      r->to == ~0ULL ? json_null() : json_integer((json_int_t)r->to));
	err = r->kind == RECORD_MIGRATION ? add_migration(o, s, a) : add_event(o, s, a);
	if (s->stacks && r->kind != RECORD_CALLBACK && r->kind != RECORD_FAULT)
		err = err ? err : json_object_set_new(o, "stack", stack_json(s, a));
	if (s->events && r->kind != RECORD_CALLBACK && r->kind != RECORD_FAULT) {
		children = json_array();
		for (size_t i = 0; i < a->child_count; i++)
			err |= json_array_append_new(children, activity_json(s, a->children[i]));
		err = err ? err : json_object_set_new(o, "children", children);
	}
	if (err) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int trace_line__print(struct trace_style *s, const struct activity *a, FILE *out)
{
	json_t *o;

	if (!s->json) {
		print_heading(s, out);
		print_activity(s, a, 0, out);
		return ferror(out) ? -EIO : 0;
	}
	o = activity_json(s, a);
	if (!o)
		return -ENOMEM;
	json_dumpf(o, out, JSON_COMPACT);
	json_decref(o);
	fputc('\n', out);
	return ferror(out) ? -EIO : 0;
}

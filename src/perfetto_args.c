// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "perfetto_args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moves.h"
#include "record.h"
#include "words.h"

struct args {
	json_t *object;
	bool failed;		/* no memory for something */
};

static void set(struct args *a, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(a->object, key, value))
		a->failed = true;
}

static void set_number(struct args *a, const char *key, __u64 value)
{
	set(a, key, json_integer((json_int_t)value));
}

static const char *number_of(__u64 value, char number[PERFETTO_NUMBER])
{
	snprintf(number, PERFETTO_NUMBER, "0x%" PRIx64, (uint64_t)value);
	return number;
}

/* As text: as a number it would lose digits in a viewer. */
static void set_address(struct args *a, const char *key, __u64 value)
{
	char number[PERFETTO_NUMBER];

	set(a, key, json_string_nocheck(number_of(value, number)));
}

const char *perfetto_args__owner(const struct names *names, __u64 owner,
				 char number[PERFETTO_NUMBER])
{
	const char *symbol = names__told_owner(names, owner);

	return symbol ? symbol : number_of(owner, number);
}

json_t *perfetto_args__text(const char *text)
{
	char *copy = strdup(text);
	json_t *json;

	if (!copy)
		return NULL;
	names__make_legal(copy);
	json = json_string(copy);
	free(copy);
	return json;
}

static void set_owner(struct args *a, const struct recording_info *info, __u64 owner)
{
	char number[PERFETTO_NUMBER];

	if (owner)
		set(a, "owner", perfetto_args__text(perfetto_args__owner(&info->names, owner,
									 number)));
}

static void set_range(struct args *a, const struct mmuscope_record *rec)
{
	if (record__is_whole(rec)) {
		set(a, "range", json_string_nocheck("the whole address space"));
		return;
	}
	set_address(a, "from", rec->from);
	set_address(a, "to", rec->to);
	set_number(a, "pages", rec->from < rec->to ? record__pages(rec) : 0);
}

static void set_stack(struct args *a, const struct recording_info *info, __s32 id)
{
	const struct recording_stack *stack = recording_info__stack(info, id);
	json_t *frames;

	if (!stack)
		return;
	if (stack->cause)
		set(a, "cause", perfetto_args__text(stack->cause));
	frames = json_array();
	for (size_t i = 0; i < stack->frame_count; i++)
		if (json_array_append_new(frames, perfetto_args__text(stack->frames[i])))
			a->failed = true;
	set(a, "stack", frames);
}

static void set_selects(struct args *a, unsigned int selects)
{
	json_t *list = json_array();

	for (unsigned int bit = 0; bit < SELECT_BITS; bit++)
		if (selects & 1U << bit)
			json_array_append_new(list, json_string_nocheck(select_name(bit)));
	set(a, "selects", list);
}

/* Pages that stayed, by reason; only those of which there were any. */
static void set_reasons(struct args *a, const struct mmuscope_record_migration *m)
{
	struct args reasons = { .object = json_object() };

	for (unsigned int i = 1; i < PAGE_MAX; i++)
		if (m->place[i - 1])
			set_number(&reasons, page_name(i), m->place[i - 1]);
	a->failed |= reasons.failed;
	set(a, "not_migrated", reasons.object);
}

static void set_callbacks(struct args *a, const struct mmuscope_record_migration *m)
{
	struct args callbacks = { .object = json_object() };

	for (unsigned int i = 0; i < OUTCOME_MAX; i++)
		set_number(&callbacks, outcome_name(i), m->outcome[i]);
	set_number(&callbacks, "avoidable", m->avoidable);
	a->failed |= callbacks.failed;
	set(a, "callbacks", callbacks.object);
}

static void set_migration(struct args *args, const struct recording_info *info,
			  const struct activity *a)
{
	const struct mmuscope_record_migration *m = &a->migration;

	if (a->head.to)
		set_range(args, &a->head);
	set_owner(args, info, a->head.what);
	set_selects(args, a->head.event);
	set_number(args, "asked", m->asked);
	set_number(args, "collected", m->collected);
	set_number(args, "migrated", m->migrated);
	set_number(args, "compound", m->compound);
	set_number(args, "excess", migration__excess(m));
	set_reasons(args, m);
	set_callbacks(args, m);
	set_stack(args, info, a->stack);
}

static void set_callback(struct args *args, const struct recording_info *info,
			 const struct activity *a)
{
	set(args, "driver", perfetto_args__text(names__module(&info->names, a->head.what)));
	set(args, "outcome", json_string_nocheck(outcome_name(activity__outcome(a))));
	set(args, "avoidable", json_boolean(a->head.flags & RECORD_AVOIDABLE));
	set(args, "event", json_string_nocheck(event_name(a->head.event)));
	set(args, "phase", json_string_nocheck(phase_name(a->head.phase)));
	set_range(args, &a->head);
}

static void set_notification(struct args *args, const struct recording_info *info,
			     const struct activity *a)
{
	set(args, "event", json_string_nocheck(event_name(a->head.event)));
	set(args, "phase", json_string_nocheck(phase_name(a->head.phase)));
	set_range(args, &a->head);
	set_owner(args, info, a->head.what);
	if (a->head.flags & RECORD_FAILED)
		set(args, "failed", json_true());
	set_stack(args, info, a->stack);
}

static void set_fault(struct args *args, const struct activity *a)
{
	set_range(args, &a->head);
	set(args, "phase", json_string_nocheck(phase_name(a->head.phase)));
	set(args, "returned", json_integer((json_int_t)(__s64)a->head.what));
	set(args, "retry", json_boolean(a->head.flags & RECORD_RETRY));
}

/* A task may be told to invalidate, or fault in, somebody else's memory. */
static void set_memory(struct args *args, const struct recording_info *info,
		       const struct mmuscope_record *rec, const struct mmuscope_record *track)
{
	char text[64];

	if (rec->tgid == track->tgid && rec->start == track->start)
		return;
	snprintf(text, sizeof(text), "%s:%u",
		 names__recorded_comm(&info->names, rec->tgid, rec->start), rec->tgid);
	set(args, "memory_of", perfetto_args__text(text));
}

json_t *perfetto_args__of(const struct recording_info *info, const struct slice *s,
			  const struct mmuscope_record *track)
{
	const struct activity *a = s->a;
	struct args args = { .object = json_object() };

	if (!s->phase) {
		if (a->head.kind == RECORD_MIGRATION)
			set_migration(&args, info, a);
		else if (a->head.kind == RECORD_CALLBACK)
			set_callback(&args, info, a);
		else if (a->head.kind == RECORD_FAULT)
			set_fault(&args, a);
		else
			set_notification(&args, info, a);
		set_memory(&args, info, &a->head, track);
		if (!a->timed)
			set(&args, "time", json_string_nocheck("not measured"));
		if (a->orphan)
			set(&args, "orphan", json_true());
	}
	if (s->cut)
		set_number(&args, "cut_ns", s->cut);
	if (!args.failed)
		return args.object;
	json_decref(args.object);
	return NULL;
}

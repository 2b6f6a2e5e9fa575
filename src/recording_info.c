// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recording_info.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctf.h"

#define CALLBACKS_MAX 65536	/* a higher id is no index of a table */

/* A text that is being put together. */
struct reading {
	struct recording_told *told;
	__u64 next_seq;
	unsigned int kind;
	__u32 next_piece;	/* 0: the next text has not begun */
	char *text;
	size_t used, room;
};

static const char *string_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static __u64 number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_string(value) ? strtoull(json_string_value(value), NULL, 0) :
				       (__u64)json_integer_value(value);
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", from)

static int take_process(struct recording_told *told, json_t *o)
{
	return names__add_process(&told->info.names, (__u32)number_of(o, "tgid"),
				  number_of(o, "start"), string_of(o, "comm"));
}

static int take_callback(struct recording_told *told, json_t *o)
{
	const __u64 what = number_of(o, "what");
	struct recording_callback *c = NULL;

	for (size_t i = 0; i < told->callback_count && !c; i++)
		if (told->callbacks[i].what == what)
			c = &told->callbacks[i];
	if (!c) {
		c = realloc(told->callbacks, (told->callback_count + 1) * sizeof(*c));
		if (!c)
			return -ENOMEM;
		told->callbacks = c;
		c += told->callback_count++;
	}
	memset(c, 0, sizeof(*c));
	c->what = what;
	COPY(c->name.symbol, string_of(o, "symbol"));
	COPY(c->name.module, string_of(o, "module"));
	c->name.kind = string_of(o, "kind");
	c->name.source = string_of(o, "source");
	c->name.owner_by = string_of(o, "owner_by");
	c->name.address = number_of(o, "address");
	return 0;
}

static int take_owner(struct recording_told *told, json_t *o)
{
	struct names *n = &told->info.names;
	const __u64 address = number_of(o, "address");
	struct name_owner *owner = NULL;

	for (size_t i = 0; i < n->owner_count && !owner; i++)
		if (n->owners[i].address == address)
			owner = &n->owners[i];
	if (!owner) {
		owner = realloc(n->owners, (n->owner_count + 1) * sizeof(*owner));
		if (!owner)
			return -ENOMEM;
		n->owners = owner;
		owner += n->owner_count++;
		owner->address = address;
	}
	COPY(owner->symbol, string_of(o, "symbol"));
	return 0;
}

static int take_target(struct recording_told *told, json_t *o)
{
	struct plan *plan = &told->info.plan;
	const char *metric = string_of(o, "metric"), *symbol = string_of(o, "symbol");
	const char *module = string_of(o, "module");
	struct plan_target *t = NULL;

	for (size_t i = 0; i < plan->count && !t; i++)
		if (!strcmp(plan->targets[i].metric, metric) &&
		    !strcmp(plan->targets[i].symbol, symbol) &&
		    !strcmp(plan->targets[i].module, module))
			t = &plan->targets[i];
	if (!t)
		t = plan__add(plan, metric, symbol, module);
	if (!t)
		return -ENOMEM;
	t->source = plan_source__parse(string_of(o, "source"));
	t->off = json_is_true(json_object_get(o, "off"));
	t->absent = json_is_true(json_object_get(o, "absent"));
	t->address = number_of(o, "address");
	COPY(t->reason, string_of(o, "reason"));
	return 0;
}

static int take_stack(struct recording_told *told, json_t *o)
{
	struct recording_info *info = &told->info;
	const json_t *frames = json_object_get(o, "frames");
	const __s32 id = (__s32)json_integer_value(json_object_get(o, "id"));
	struct recording_stack *s = NULL;

	for (size_t i = 0; i < info->stack_count && !s; i++)
		if (info->stacks[i].id == id)
			s = &info->stacks[i];
	if (!s) {
		s = realloc(info->stacks, (info->stack_count + 1) * sizeof(*s));
		if (!s)
			return -ENOMEM;
		info->stacks = s;
		s += info->stack_count++;
		memset(s, 0, sizeof(*s));
	}
	free(s->frames);
	s->id = id;
	s->cause = string_of(o, "cause");
	s->frame_count = 0;
	s->frames = calloc(json_array_size(frames) + 1, sizeof(*s->frames));
	if (!s->frames)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(frames); i++) {
		const char *frame = json_string_value(json_array_get(frames, i));

		if (frame)
			s->frames[s->frame_count++] = frame;
	}
	return 0;
}

static int take_drop(struct recording_told *told, json_t *o)
{
	struct recording_drop *d;

	if (number_of(o, "cpu") >= CTF_CPUS_MAX)
		return 0;
	d = realloc(told->drops, (told->drop_count + 1) * sizeof(*d));

	if (!d)
		return -ENOMEM;
	told->drops = d;
	d[told->drop_count++] = (struct recording_drop){
		.cpu = number_of(o, "cpu"),
		.packets = number_of(o, "packets"),
		.records = number_of(o, "records"),
	};
	return 0;
}

static void take_lost(struct recording_told *told, json_t *o)
{
	const json_t *lost = json_object_get(o, "lost");

	for (size_t i = 0; i < RECORD_KINDS; i++)
		told->info.lost[i] = (__u64)json_integer_value(json_array_get(lost, i));
}

/* One that replaces the one before. */
static void replace(json_t **place, json_t *o)
{
	json_decref(*place);
	*place = json_incref(o);
}

static int take(struct recording_told *told, unsigned int kind, json_t *o)
{
	/* Of these `info` has pointers into the object; there are few. */
	if ((kind == TEXT_CALLBACK || kind == TEXT_TARGET || kind == TEXT_STACK) &&
	    json_array_append(told->kept, o))
		return -ENOMEM;
	switch (kind) {
	case TEXT_ABOUT:
		replace(&told->info.about, o);
		return 0;
	case TEXT_PROCESS:
		return take_process(told, o);
	case TEXT_CALLBACK:
		return take_callback(told, o);
	case TEXT_OWNER:
		return take_owner(told, o);
	case TEXT_TARGET:
		return take_target(told, o);
	case TEXT_STACK:
		return take_stack(told, o);
	case TEXT_LOST:
		take_lost(told, o);
		return 0;
	case TEXT_DROPPED:
		return take_drop(told, o);
	case TEXT_COUNTERS:
	case TEXT_COUNTERS_LAST:
		replace(&told->info.counters, o);
		told->info.complete = kind == TEXT_COUNTERS_LAST;
		return 0;
	case TEXT_END:
		replace(&told->end, json_object_get(o, "packets"));
		return 0;
	}
	return 0;
}

static int add_piece(struct reading *r, unsigned int kind, const struct ctf_piece *piece,
		     const char *text, size_t size)
{
	json_t *o;
	int err = 0;

	if (!piece->number) {
		r->used = 0;
		r->kind = kind;
	} else if (piece->number != r->next_piece || kind != r->kind) {
		/* The beginning was in a packet that is not there. */
		r->next_piece = 0;
		return 0;
	}
	if (r->used + size > r->room) {
		const size_t room = 2 * (r->used + size);
		char *more = realloc(r->text, room);

		if (!more)
			return -ENOMEM;
		r->text = more;
		r->room = room;
	}
	memcpy(r->text + r->used, text, size);
	r->used += size;
	r->next_piece = piece->last ? 0 : piece->number + 1;
	if (!piece->last)
		return 0;
	o = json_loadb(r->text, r->used, 0, NULL);
	if (o)
		err = take(r->told, kind, o);
	json_decref(o);
	return err;
}

static int read_packet(const union ctf_packet *p, void *ctx)
{
	const __u8 *at = p->bytes + ctf__content(CTF_CLASS_INFO);
	const __u8 *end = p->bytes + p->head.content_size / 8;
	struct reading *r = ctx;

	if (p->head.packet_seq_num != r->next_seq)
		r->next_piece = 0;
	r->next_seq = p->head.packet_seq_num + 1;
	while ((size_t)(end - at) > CTF_EVENT_HEAD + sizeof(struct ctf_piece)) {
		const unsigned int kind = *at;
		struct ctf_piece piece;
		const __u8 *nul;
		int err;

		memcpy(&piece, at + CTF_EVENT_HEAD, sizeof(piece));
		at += CTF_EVENT_HEAD + sizeof(piece);
		nul = memchr(at, '\0', (size_t)(end - at));
		if (!nul)
			break;
		err = add_piece(r, kind, &piece, (const char *)at, (size_t)(nul - at));
		if (err)
			return err;
		at = nul + 1;
	}
	return 0;
}

/* Ids first, each at its own index, then what only an address tells of. */
static int make_table(struct recording_told *told)
{
	struct names *n = &told->info.names;
	size_t ids = 0, count;

	for (size_t i = 0; i < told->callback_count; i++) {
		const struct recording_callback *c = &told->callbacks[i];

		if (!c->name.address && c->what < CALLBACKS_MAX && c->what >= ids)
			ids = c->what + 1;
	}
	n->callbacks = calloc(ids + told->callback_count + 1, sizeof(*n->callbacks));
	if (!n->callbacks)
		return -ENOMEM;
	/* An id that was not told: names__callback() finds nothing there. */
	for (size_t i = 0; i < ids; i++)
		n->callbacks[i] = (struct name_callback){ .symbol = "?", .kind = "", .source = "",
							  .owner_by = OWNER_BY_MIGRATION,
							  .address = ~0ULL };
	count = ids;
	for (size_t i = 0; i < told->callback_count; i++) {
		const struct recording_callback *c = &told->callbacks[i];

		if (c->name.address)
			n->callbacks[count++] = c->name;
		else if (c->what < ids)
			n->callbacks[c->what] = c->name;
	}
	n->callback_count = count;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct recording_stack *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

const struct recording_stack *recording_info__stack(const struct recording_info *info, __s32 id)
{
	const struct recording_stack key = { .id = id };

	if (id < 0 || !info->stack_count)
		return NULL;
	return bsearch(&key, info->stacks, info->stack_count, sizeof(key), by_id);
}

int recording_told__read(struct recording_told *told, const struct recording_files *f)
{
	struct reading r = { .told = told };
	int err = 0;

	memset(told, 0, sizeof(*told));
	told->kept = json_array();
	if (!told->kept)
		return -ENOMEM;
	for (size_t i = 0; i < f->count && !err; i++)
		if (f->files[i].class == CTF_CLASS_INFO)
			err = recording_files__each(f, &f->files[i], read_packet, &r);
	free(r.text);
	if (told->info.stack_count)
		qsort(told->info.stacks, told->info.stack_count, sizeof(*told->info.stacks), by_id);
	if (!err)
		err = make_table(told);
	if (!err && !told->info.about) {
		told->info.about = json_object();
		err = told->info.about ? 0 : -ENOMEM;
	}
	return err;
}

/*
 * What is gone of a CPU's packets before `first`, the first that is there: what is told
 * of later ones was told just before the recorder was killed, and not done.
 */
static struct recording_drop dropped(const struct recording_told *told, __u64 cpu, __u64 first)
{
	struct recording_drop drop = { .cpu = cpu };

	for (size_t i = 0; i < told->drop_count; i++)
		if (told->drops[i].cpu == cpu && told->drops[i].packets <= first)
			drop = told->drops[i];
	return drop;
}

static void compare_stream(struct recording_told *told, const struct recording_files *f,
			   enum ctf_class class, __u64 instance, struct recording_damage *damage)
{
	struct recording_drop drop = { 0 };
	__u64 first = ~0ULL, end = 0, there = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct recording_file *file = &f->files[i];

		if (file->class != class || file->instance != instance)
			continue;
		if (!there)
			first = file->first_seq;
		end = file->last_seq + 1;
		/* A damaged one is there, and counted. */
		there += file->packets + file->bad;
	}
	if (class == CTF_CLASS_RECORDS) {
		__u64 last = (__u64)json_integer_value(json_array_get(told->end, instance));

		drop = dropped(told, instance, first);
		told->info.dropped += drop.records;
		if (last > end)
			end = last;
	}
	if (end > drop.packets + there)
		damage->packets_missing += end - drop.packets - there;
}

void recording_told__compare(struct recording_told *told, const struct recording_files *f,
			     struct recording_damage *damage)
{
	__u64 cpus = json_array_size(told->end);
	bool info = false;

	for (size_t i = 0; i < f->count; i++)
		if (f->files[i].class == CTF_CLASS_INFO)
			info = true;
		else if (f->files[i].instance >= cpus)
			cpus = f->files[i].instance + 1;
	for (size_t i = 0; i < told->drop_count; i++)
		if (told->drops[i].cpu >= cpus)
			cpus = told->drops[i].cpu + 1;
	for (__u64 i = 0; i < cpus; i++)
		compare_stream(told, f, CTF_CLASS_RECORDS, i, damage);
	compare_stream(told, f, CTF_CLASS_INFO, 0, damage);
	/* It is written before any record. */
	if (!info && f->count)
		damage->packets_missing++;
	told->info.complete = told->info.complete && told->end;
}

void recording_told__clear(struct recording_told *told)
{
	struct recording_info *info = &told->info;

	for (size_t i = 0; i < info->stack_count; i++)
		free(info->stacks[i].frames);
	free(info->stacks);
	json_decref(info->about);
	json_decref(info->counters);
	names__clear(&info->names);
	plan__clear(&info->plan);
	free(told->drops);
	free(told->callbacks);
	json_decref(told->end);
	json_decref(told->kept);
}

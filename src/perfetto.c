// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Slices are pairs of B and E, not X with a duration: Perfetto reads times as doubles and
 * cuts them to ns, so a begin plus a duration may end 1 ns behind what is around it, and
 * the slice is then drawn elsewhere. And there is no displayTimeUnit: Perfetto 20.1 takes
 * it for the unit of all times.
 */
#include "perfetto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "keyed.h"
#include "perfetto_args.h"
#include "record.h"
#include "timeline_slices.h"
#include "words.h"

/* Above what the kernel gives to any process (PID_MAX_LIMIT, 64 bit), for what is none. */
#define PID_FREE (4U * 1024 * 1024 + 1)

struct process {
	struct {
		__u32 tgid, start;
	} key;
	const char *comm;
	__u32 pid;		/* in the trace: of two that had the same one gets another */
};

struct thread {
	__u32 pid, tid;
};

struct tgid {
	__u32 tgid;
	bool taken;
};

/* Calls of one function by several tasks overlap: they lie in as many lanes as it takes. */
struct lane {
	__u32 tid;
	__u64 end;		/* of the last call in it */
};

struct driver {
	__u64 what;
	__u32 pid;
	struct lane *lanes;
	size_t lane_count;
};

struct device_pages {
	struct {
		__u64 owner;
		__u64 pid;
	} key;
	__s64 pages;
};

/* The slice of a callback or a fault: its task was in one at a time. */
struct place {
	struct {
		__u64 ns;	/* its end */
		__u64 task;
	} key;
	__u32 pid;		/* of the track */
};

struct arrow_end {
	__u64 begin, ns;
	__u32 task;
};

struct arrow {
	struct arrow_end tail, head;
	__u32 tgid, start;	/* whose memory both are about */
};

struct perfetto {
	FILE *out;
	const struct recording_info *info;
	struct keyed processes, threads, tgids, drivers, counters;
	struct keyed elsewhere;	/* struct place: in the track of another process */
	struct slices slices;
	size_t *open;		/* slices whose end is not written yet, innermost last */
	size_t open_room;
	struct arrow *arrows;	/* written at the end, behind the slices that they join */
	size_t arrow_count;
	__u32 next_pid;
	__u64 events;
	int err;		/* the first */
};

/* ---- events ---- */

static void fail(struct perfetto *p, int err)
{
	if (!p->err)
		p->err = err;
}

static void put_json(struct perfetto *p, json_t *json)
{
	if (!json)
		fail(p, -ENOMEM);
	else if (json_dumpf(json, p->out, JSON_COMPACT | JSON_ENCODE_ANY))
		fail(p, ferror(p->out) ? -EIO : -ENOMEM);
	json_decref(json);
}

static void begin_event(struct perfetto *p, char type, __u32 pid, __u32 tid, __u64 ns)
{
	fprintf(p->out, "%s\n{\"ph\":\"%c\",\"pid\":%u,\"tid\":%u,\"ts\":%" PRIu64 ".%03u",
		p->events++ ? "," : "", type, pid, tid, (uint64_t)(ns / 1000),
		(unsigned int)(ns % 1000));
}

/* `name` may be anything. */
static void put_name(struct perfetto *p, const char *name)
{
	fputs(",\"name\":", p->out);
	put_json(p, perfetto_args__text(name));
}

static void end_event(struct perfetto *p)
{
	fputc('}', p->out);
}

static void name_track(struct perfetto *p, const char *what, __u32 pid, __u32 tid,
		       const char *name)
{
	fprintf(p->out, "%s\n{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"%s\",\"args\":{",
		p->events++ ? "," : "", pid, tid, what);
	fputs("\"name\":", p->out);
	put_json(p, perfetto_args__text(name));
	fputs("}}", p->out);
}

/* ---- tracks ---- */

/* The process whose memory it is. NULL: no memory. */
static struct process *process_of(struct perfetto *p, __u32 tgid, __u32 start)
{
	const struct process key = { .key = { tgid, start } };
	struct process *process = keyed__get(&p->processes, &key);

	if (!process)
		fail(p, -ENOMEM);
	else if (!process->comm)
		process->comm = names__recorded_comm(&p->info->names, tgid, start);
	return process;
}

/* Its number in the trace; named when it is first seen. */
static __u32 pid_of(struct perfetto *p, __u32 tgid, __u32 start)
{
	struct process *process = process_of(p, tgid, start);
	struct tgid *entry;

	if (!process)
		return tgid;
	if (process->pid)
		return process->pid;
	entry = keyed__get(&p->tgids, &tgid);
	if (!entry)
		fail(p, -ENOMEM);
	/* Perfetto hides what process 0 does: that is the idle task. */
	process->pid = tgid && entry && !entry->taken ? tgid : p->next_pid++;
	if (entry)
		entry->taken = true;
	name_track(p, "process_name", process->pid, 0, process->comm);
	return process->pid;
}

static void see_thread(struct perfetto *p, __u32 pid, const struct mmuscope_record *rec)
{
	const struct thread key = { pid, rec->task };
	const size_t before = p->threads.count;

	if (!keyed__get(&p->threads, &key))
		fail(p, -ENOMEM);
	/* Of a process only the first thread's name was told. */
	else if (p->threads.count > before && rec->task == rec->tgid)
		name_track(p, "thread_name", pid, rec->task,
			   names__recorded_comm(&p->info->names, rec->tgid, rec->start));
}

/* Drivers have a process each, of which every function is a track. NULL: no memory. */
static struct driver *driver_of(struct perfetto *p, __u64 what)
{
	const char *module = names__module(&p->info->names, what);
	struct driver *d = keyed__get(&p->drivers, &what);
	char name[80];

	if (!d || d->pid)
		return d;
	for (size_t i = 0; i < p->drivers.count && !d->pid; i++) {
		const struct driver *other = keyed__at(&p->drivers, i);

		if (other->pid && !strcmp(names__module(&p->info->names, other->what), module))
			d->pid = other->pid;
	}
	if (!d->pid) {
		d->pid = p->next_pid++;
		snprintf(name, sizeof(name), "driver %s", module[0] ? module : "(kernel)");
		name_track(p, "process_name", d->pid, 0, name);
	}
	return d;
}

/* One that is free then; another where there is none. NULL: no memory. */
static struct lane *lane_at(struct perfetto *p, struct driver *d, __u64 begin)
{
	struct lane *lane;
	char name[100];

	for (size_t i = 0; i < d->lane_count; i++)
		if (d->lanes[i].end <= begin)
			return &d->lanes[i];
	lane = grow(d->lanes, d->lane_count, sizeof(*lane));
	if (!lane)
		return NULL;
	d->lanes = lane;
	lane += d->lane_count++;
	lane->tid = p->next_pid++;
	snprintf(name, sizeof(name), "%s", names__symbol(&p->info->names, d->what));
	if (d->lane_count > 1)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), " (%zu)",
			 d->lane_count);
	name_track(p, "thread_name", d->pid, lane->tid, name);
	return lane;
}

/* ---- drivers and counters: by records, which come in the order of time ---- */

/* Lanes are filled by the ends of calls: what begins before the last end needs another. */
static int put_call(struct perfetto *p, const struct mmuscope_record *rec)
{
	const __u64 begin = slice__begin(record__begin(rec), rec->ns);
	/* Named before the driver: viewers show processes in the order of their names. */
	const __u32 pid = pid_of(p, rec->tgid, rec->start);
	const struct process *process = process_of(p, rec->tgid, rec->start);
	struct driver *d = pid ? driver_of(p, rec->what) : NULL;
	struct lane *lane = d && process ? lane_at(p, d, begin) : NULL;
	char task[64];

	if (!lane)
		return -ENOMEM;
	lane->end = rec->ns;
	snprintf(task, sizeof(task), "%s:%u", process->comm, rec->task);
	begin_event(p, 'B', d->pid, lane->tid, begin);
	fprintf(p->out, ",\"cat\":\"driver\",\"name\":\"%s\",\"args\":{\"task\":",
		outcome_name(record__outcome(rec)));
	put_json(p, perfetto_args__text(task));
	fputc('}', p->out);
	end_event(p);
	begin_event(p, 'E', d->pid, lane->tid, rec->ns);
	end_event(p);
	return 0;
}

/* 0 where it is not told whereto. */
static __s64 pages_to_device(const struct mmuscope_record_migration *m)
{
	switch (m->head.phase) {
	case DIR_TO_DEVICE:
		return (__s64)m->migrated;
	case DIR_TO_SYSTEM:
	case DIR_EVICT:
		return -(__s64)m->migrated;
	default:
		return 0;
	}
}

static int put_change(struct perfetto *p, const struct mmuscope_record_migration *m)
{
	const __s64 pages = pages_to_device(m);
	struct device_pages key = { .key = { .owner = m->head.what } }, *d;
	char number[PERFETTO_NUMBER], name[160];
	__u32 pid;

	if (!pages)
		return 0;
	pid = pid_of(p, m->head.tgid, m->head.start);
	key.key.pid = pid;
	d = keyed__get(&p->counters, &key);
	if (!d)
		return -ENOMEM;
	d->pages += pages;
	/* Perfetto shows both names, this one first. */
	snprintf(name, sizeof(name), "%s:", m->head.what ?
		 perfetto_args__owner(&p->info->names, m->head.what, number) : "owner not known");
	begin_event(p, 'C', pid, 0, m->head.ns);
	put_name(p, name);
	fprintf(p->out, ",\"args\":{\"pages on the device\":%" PRId64 "}", (int64_t)d->pages);
	end_event(p);
	return 0;
}

int perfetto__record(void *ctx, const struct mmuscope_record *rec)
{
	struct perfetto *p = ctx;
	int err = 0;

	if (rec->kind == RECORD_CALLBACK)
		err = put_call(p, rec);
	if (rec->kind == RECORD_MIGRATION)
		err = put_change(p, (const struct mmuscope_record_migration *)rec);
	return err ? err : p->err;
}

/* ---- arrows ---- */

int perfetto__refault(void *ctx, const struct refault *r)
{
	const struct mmuscope_record *fault = r->fault;
	struct perfetto *p = ctx;
	struct arrow *arrows = grow(p->arrows, p->arrow_count, sizeof(*arrows));

	if (!arrows)
		return -ENOMEM;
	p->arrows = arrows;
	arrows[p->arrow_count++] = (struct arrow){
		.tail = { slice__begin(r->dropped_begin, r->dropped_ns), r->dropped_ns,
			  r->dropped_by },
		.head = { slice__begin(record__begin(fault), fault->ns), fault->ns, fault->task },
		.tgid = fault->tgid,
		.start = fault->start,
	};
	return 0;
}

static void put_arrow_end(struct perfetto *p, const struct arrow *a, const struct arrow_end *end,
			  __u64 at)
{
	const struct place key = { .key = { end->ns, end->task } };
	const struct place *place = keyed__find(&p->elsewhere, &key);
	const bool head = end == &a->head;

	begin_event(p, head ? 'f' : 's', place ? place->pid : pid_of(p, a->tgid, a->start),
		    end->task, at);
	fprintf(p->out, ",\"cat\":\"refault\",\"name\":\"refault\",\"id\":%zu%s",
		(size_t)(a - p->arrows) + 1, head ? ",\"bp\":\"e\"" : "");
	end_event(p);
}

/*
 * Viewers sort by time, and of the same time the slice must stand first. The arrow begins
 * with the callback, not behind it, so that it is taken for one of that slice; and where
 * the fault had begun before, it ends inside that.
 */
static void put_arrow(struct perfetto *p, const struct arrow *a)
{
	__u64 at = a->head.begin;

	if (at < a->tail.ns)
		at = a->tail.ns < a->head.ns ? a->tail.ns : a->head.ns - 1;
	put_arrow_end(p, a, &a->tail, a->tail.begin);
	put_arrow_end(p, a, &a->head, at);
}

/* ---- slices ---- */

static const char *category_of(const struct slice *s)
{
	static const char *const categories[RECORD_KINDS] = {
		[RECORD_NOTIFICATION] = "notification",
		[RECORD_CALLBACK] = "callback",
		[RECORD_FAULT] = "fault",
		[RECORD_MIGRATION] = "migration",
	};
	const char *category = s->a->head.kind < RECORD_KINDS ? categories[s->a->head.kind] : NULL;

	/* In no counter of migrations either. */
	if (s->a->head.kind == RECORD_MIGRATION && s->a->head.flags & RECORD_FAILED)
		return "failed_setup";
	return s->phase ? "phase" : category ? category : "unknown";
}

/* The outcome stands first: viewers give what begins alike the same colour. */
static void put_slice_name(struct perfetto *p, const struct slice *s)
{
	const struct mmuscope_record *rec = &s->a->head;
	char name[160];

	if (s->phase)
		snprintf(name, sizeof(name), "%s", s->phase);
	else if (rec->kind == RECORD_MIGRATION)
		snprintf(name, sizeof(name), "%s%s", direction_name(rec->phase),
			 rec->flags & RECORD_FAILED ? ": setup failed" : "");
	else if (rec->kind == RECORD_CALLBACK)
		snprintf(name, sizeof(name), "%s: %s", outcome_name(activity__outcome(s->a)),
			 names__symbol(&p->info->names, rec->what));
	else if (rec->kind == RECORD_FAULT)
		snprintf(name, sizeof(name), "device fault%s",
			 rec->flags & RECORD_RETRY ? ", to be tried again" : "");
	else
		snprintf(name, sizeof(name), "%s", event_name(rec->event));
	put_name(p, name);
}

static void begin_slice(struct perfetto *p, const struct slice *s, __u32 pid,
			const struct mmuscope_record *track)
{
	begin_event(p, 'B', pid, track->task, s->begin);
	fprintf(p->out, ",\"cat\":\"%s\"", category_of(s));
	put_slice_name(p, s);
	fputs(",\"args\":", p->out);
	put_json(p, perfetto_args__of(p->info, s, track));
	end_event(p);
}

static void end_slice(struct perfetto *p, const struct slice *s, __u32 pid, __u32 tid)
{
	begin_event(p, 'E', pid, tid, s->end);
	end_event(p);
}

/* So that an arrow finds what does not lie in the track of its own process. */
static void remember_place(struct perfetto *p, const struct mmuscope_record *rec, __u32 pid)
{
	const struct place key = { .key = { rec->ns, rec->task } };
	struct place *place = keyed__get(&p->elsewhere, &key);

	if (place)
		place->pid = pid;
	else
		fail(p, -ENOMEM);
}

static void put_slice(struct perfetto *p, const struct slice *s, __u32 pid,
		      const struct mmuscope_record *track)
{
	const struct mmuscope_record *rec = &s->a->head;

	begin_slice(p, s, pid, track);
	if ((rec->kind == RECORD_CALLBACK || rec->kind == RECORD_FAULT) &&
	    (rec->tgid != track->tgid || rec->start != track->start))
		remember_place(p, rec, pid);
}

static int make_room(struct perfetto *p)
{
	size_t *open;

	if (p->open_room >= p->slices.count)
		return 0;
	open = reallocarray(p->open, p->slices.count, sizeof(*open));
	if (!open)
		return -ENOMEM;
	p->open = open;
	p->open_room = p->slices.count;
	return 0;
}

int perfetto__activity(void *ctx, const struct activity *a)
{
	struct perfetto *p = ctx;
	const struct slice *s;
	__u32 pid = pid_of(p, a->head.tgid, a->head.start);
	size_t n = 0;
	int err = slices__set(&p->slices, a);

	if (!err)
		err = make_room(p);
	see_thread(p, pid, &a->head);
	s = p->slices.items;
	for (size_t i = 0; i < p->slices.count && !err; i++) {
		while (n && slice__is_behind(&s[i], &s[p->open[n - 1]]))
			end_slice(p, &s[p->open[--n]], pid, a->head.task);
		put_slice(p, &s[i], pid, &a->head);
		p->open[n++] = i;
	}
	while (n)
		end_slice(p, &s[p->open[--n]], pid, a->head.task);
	return err ? err : p->err;
}

/* ---- life ---- */

static void perfetto__free(struct perfetto *p)
{
	keyed__clear(&p->processes);
	keyed__clear(&p->threads);
	keyed__clear(&p->tgids);
	for (size_t i = 0; i < p->drivers.count; i++)
		free(((struct driver *)keyed__at(&p->drivers, i))->lanes);
	keyed__clear(&p->drivers);
	keyed__clear(&p->counters);
	keyed__clear(&p->elsewhere);
	slices__clear(&p->slices);
	free(p->open);
	free(p->arrows);
	free(p);
}

struct perfetto *perfetto__open(FILE *out, const struct recording_info *info)
{
	struct perfetto *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->out = out;
	p->info = info;
	p->next_pid = PID_FREE;
	p->processes = keyed__of(sizeof(((struct process *)0)->key), sizeof(struct process));
	p->threads = keyed__of(sizeof(struct thread), sizeof(struct thread));
	p->tgids = keyed__of(sizeof(__u32), sizeof(struct tgid));
	p->drivers = keyed__of(sizeof(__u64), sizeof(struct driver));
	p->counters = keyed__of(sizeof(((struct device_pages *)0)->key),
				sizeof(struct device_pages));
	p->elsewhere = keyed__of(sizeof(((struct place *)0)->key), sizeof(struct place));
	fputs("{\"traceEvents\":[", out);
	return p;
}

int perfetto__close(struct perfetto *p)
{
	json_t *other;
	int err;

	if (!p)
		return 0;
	for (size_t i = 0; i < p->arrow_count; i++)
		put_arrow(p, &p->arrows[i]);
	other = json_pack("{s:s, s:s}", "tool", "mmuscope " MMUSCOPE_VERSION, "clock",
			  "CLOCK_MONOTONIC, us");
	if (p->info->about)
		json_object_set(other, "recording", p->info->about);
	fputs("\n],\"otherData\":", p->out);
	put_json(p, other);
	fputs("}\n", p->out);
	err = p->err;
	if (!err && (fflush(p->out) || ferror(p->out)))
		err = -EIO;
	perfetto__free(p);
	return err;
}

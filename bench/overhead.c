// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "overhead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "competitors.h"
#include "dmirror.h"
#include "kernel_info.h"
#include "overhead_impl.h"

struct mode {
	const char *name, *tells, *cannot;
	struct session_options session;
	enum information gives;
	bool off;		/* attached, but switched off */
	bool profiled;		/* by program: what the others are made of is in these */
};

#define NOTHING "anything: it is there for its cost"
#define TRACE_RECORDS (1U << RECORD_MIGRATION | 1U << RECORD_PAGES)

static const struct mode modes[] = {
	{ .name = "stat -- COMMAND",
	  .tells = "process, event, phase, callback, outcome, pages, latency",
	  .cannot = "each one by itself", .gives = GIVES_LATENCY,
	  .profiled = true,
	  .session = { .scope = SCOPE_PROCESS, .latency = true } },
	{ .name = "stat --via registry -- COMMAND",
	  .tells = "as stat -- COMMAND, where a notification has one callback",
	  .cannot = "each one by itself, latency of one callback among others",
	  .gives = GIVES_LATENCY,
	  .profiled = true,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .via = PLAN_REGISTRY } },
	{ .name = "stat --no-latency -- COMMAND",
	  .tells = "process, event, phase, callback, outcome, pages",
	  .cannot = "latency, each one by itself", .gives = GIVES_COUNTS,
	  .profiled = true,
	  .session = { .scope = SCOPE_PROCESS } },
	{ .name = "stat --by cause --sample 64 -- COMMAND",
	  .tells = "as stat -- COMMAND, and the cause of one in 64",
	  .cannot = "each one by itself", .gives = GIVES_LATENCY,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .cause_every = 64 } },
	{ .name = "stat -p PID",
	  .tells = "the same, and windows open at either end are paired",
	  .cannot = "each one by itself", .gives = GIVES_LATENCY,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .running = true } },
	{ .name = "stat -a",
	  .tells = "the same for every process",
	  .cannot = "each one by itself", .gives = GIVES_LATENCY,
	  .profiled = true,
	  .session = { .scope = SCOPE_ALL, .latency = true, .running = true } },
	{ .name = "stat -p OTHER",
	  .tells = "nothing: this process is outside the filter", .cannot = NOTHING,
	  .session = { .scope = SCOPE_PROCESS, .pid = 1, .latency = true } },
	{ .name = "stat --no-latency -p OTHER",
	  .tells = "nothing: this process is outside the filter", .cannot = NOTHING,
	  .session = { .scope = SCOPE_PROCESS, .pid = 1 } },
	{ .name = "stat, switched off",
	  .tells = "nothing: attached only", .cannot = NOTHING, .off = true,
	  .session = { .scope = SCOPE_PROCESS, .latency = true } },
	{ .name = "stat --no-latency, switched off",
	  .tells = "nothing: attached only", .cannot = NOTHING, .off = true,
	  .session = { .scope = SCOPE_PROCESS } },
	{ .name = "record -- COMMAND",
	  .tells = "as stat -- COMMAND, and each notification and callback by itself",
	  .cannot = "stacks (trace --stack does)", .gives = GIVES_RECORDS,
	  .profiled = true,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .records = SESSION_RECORDS } },
	{ .name = "record --no-latency -- COMMAND",
	  .tells = "as stat --no-latency, and each notification and callback by itself",
	  .cannot = "latency of callbacks, stacks", .gives = GIVES_RECORDS,
	  .session = { .scope = SCOPE_PROCESS, .records = SESSION_RECORDS } },
	{ .name = "trace -- COMMAND",
	  .tells = "as stat -- COMMAND, and each migration by itself",
	  .cannot = "each notification by itself", .gives = GIVES_LATENCY,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .records = TRACE_RECORDS } },
	{ .name = "trace --events -- COMMAND",
	  .tells = "as record -- COMMAND, at once",
	  .cannot = "stacks (--stack does)", .gives = GIVES_RECORDS,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .records = SESSION_RECORDS } },
};

#define MODES (sizeof(modes) / sizeof(modes[0]))
#define START "__mmu_notifier_invalidate_range_start"

/* What everybody stands on, and what programs are made of. */
static const struct {
	const char *name;
	enum floor_kind kind;
} bare[] = {
	{ "empty fentry", FLOOR_FENTRY },
	{ "empty fexit", FLOOR_FEXIT },
	{ "empty kprobe", FLOOR_KPROBE },
	{ "fentry, adds to a word", FLOOR_STORE },
	{ "fentry, bpf_ktime_get_ns()", FLOOR_CLOCK },
	{ "fentry, per-CPU array", FLOOR_ARRAY },
	{ "fentry, hash", FLOOR_HASH },
	{ "fentry, task storage", FLOOR_STORAGE },
	{ "fentry, 64 bytes of a ring buffer", FLOOR_RING },
	{ "fentry, bpf_probe_read_kernel()", FLOOR_READ },
};

#define BARE (sizeof(bare) / sizeof(bare[0]))

/* ---- what is asked for ---- */

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
		if (strcspn(list, ",") == n && !strncmp(list, word, n))
			return true;
	return false;
}

bool overhead__knows(const char *only)
{
	char *words = strdup(only), *save = NULL, *word;
	bool known = words;

	for (word = known ? strtok_r(words, ",", &save) : NULL; word && known;
	     word = strtok_r(NULL, ",", &save)) {
		known = !strcmp(word, "ours") || !strcmp(word, "migrations");
		for (size_t i = 0; i < competitor_count; i++)
			known |= !strcmp(word, competitors[i].tool);
	}
	known = known && *only && !strstr(only, ",,");
	free(words);
	return known;
}

static bool asked(const char *only, const char *word)
{
	return !only || has_word(only, word);
}

/* ---- floors ---- */

int floors__cost(struct floors *floors, const struct watched *worker, const struct floor_set *set,
		 unsigned char kinds, struct watched_cost *cost)
{
	struct floor *f;
	int err;

	for (size_t i = 0; i < floors->count; i++)
		if (floor_set__equal(&floors->known[i].set, set)) {
			memcpy(cost, floors->known[i].cost, kinds * sizeof(*cost));
			return 0;
		}
	err = floor__attach(&f, set);
	for (unsigned char kind = 0; kind < kinds && !err; kind++)
		err = watched__measure(worker, kind, &cost[kind]);
	floor__free(f);
	if (!err && floors->count < sizeof(floors->known) / sizeof(floors->known[0])) {
		floors->known[floors->count].set = *set;
		memcpy(floors->known[floors->count++].cost, cost, kinds * sizeof(*cost));
	}
	return err;
}

json_t *floor_json(const struct floor_set *set, double added)
{
	char *text = floor_set__text(set);
	json_t *floor = text ? json_pack("{s:s, s:f}", "programs", text, "added", added) :
			       json_null();

	free(text);
	return floor;
}

json_t *ratio_json(double added, double of)
{
	return of > 0 ? json_real(added / of) : json_null();
}

/* ---- the watchers ---- */

struct bout {
	struct watched worker;
	struct watched_cost base;
	struct floors floors;
	__u64 events;		/* of all rounds of a measurement */
	double account;		/* what the kernel's account adds to a run; below 0: not known */
	json_t *rows;
};

/* A row; `cost` NULL: it could not be measured, for that `reason`. */
static json_t *add_row(struct bout *b, const char *name, const char *kind, const char *tells,
		       const char *cannot, const struct watched_cost *cost, const char *reason)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "watcher", name, "kind", kind, "tells",
				tells, "cannot_show", cannot);
	double readers = cost ? (cost->elapsed - cost->own) - (b->base.elapsed - b->base.own) : 0;

	json_object_set_new(row, "cost", cost ? json_real(cost->own) : json_null());
	json_object_set_new(row, "added", cost ? json_real(cost->own - b->base.own) : json_null());
	json_object_set_new(row, "others", cost ? json_real(readers) : json_null());
	json_object_set_new(row, "reason", reason ? json_string(reason) : json_null());
	json_object_set_new(row, "floor", json_null());
	json_object_set_new(row, "to_floor", json_null());
	json_object_set_new(row, "nearest", json_null());
	json_object_set_new(row, "to_nearest", json_null());
	json_object_set_new(row, "seen", json_null());
	json_object_set_new(row, "programs", json_null());
	json_array_append_new(b->rows, row);
	return row;
}

/* The floor is measured now; where it cannot be it is not known. */
static void set_floor(struct bout *b, json_t *row, const struct floor_set *set)
{
	struct watched_cost cost;
	json_t *floor;

	if (!set->count || floors__cost(&b->floors, &b->worker, set, 1, &cost))
		return;
	floor = floor_json(set, cost.own - b->base.own);
	json_object_set_new(row, "floor", floor);
	json_object_set_new(row, "to_floor",
			    ratio_json(json_real_value(json_object_get(row, "added")),
				       json_real_value(json_object_get(floor, "added"))));
}

static void set_on_start(struct floor_set *set, const enum floor_kind *kinds, unsigned int n)
{
	memset(set, 0, sizeof(*set));
	for (; set->count < n; set->count++) {
		strcpy(set->place[set->count].function, START);
		set->place[set->count].kind = kinds[set->count];
	}
}

static int measure_bare(struct bout *b)
{
	struct watched_cost cost;
	struct floor_set set;
	int err;

	for (size_t i = 0; i < BARE; i++) {
		set_on_start(&set, &bare[i].kind, 1);
		err = floors__cost(&b->floors, &b->worker, &set, 1, &cost);
		if (err == -ESRCH)
			return err;
		add_row(b, bare[i].name, "floor", "-", NOTHING, err ? NULL : &cost,
			err ? strerror(-err) : NULL);
	}
	return 0;
}

/* How much of what the kernel's account says of a run is the account: an empty program's. */
static void measure_account(struct bout *b)
{
	struct watched_profile profile = {};
	struct floor_set set;
	struct floor *f;

	b->account = -1;
	set_on_start(&set, &bare[0].kind, 1);
	if (!floor__attach(&f, &set) && !watched__profile(&b->worker, &profile) &&
	    profile.count == 1)
		b->account = profile.program[0].cost / (double)profile.program[0].runs;
	floor__free(f);
}

/* Which programs a notification runs, and what each of them costs above an empty one. */
static json_t *profile_json(const struct bout *b, const struct watched_profile *profile)
{
	json_t *programs = json_array();

	for (size_t i = 0; i < profile->count && b->account >= 0; i++) {
		const struct watched_program *p = &profile->program[i];
		double runs = (double)p->runs / (double)b->events;

		json_array_append_new(programs,
				      json_pack("{s:s, s:f, s:f}", "program", p->name, "runs", runs,
						"cost", p->cost / (double)b->events -
								runs * b->account));
	}
	return programs;
}

static int measure_mode(struct bout *b, const struct mode *m)
{
	struct watched_profile profile = {};
	bool sees = !m->off && !m->session.pid;
	struct floor_set programs;
	const struct watched_trial trial = {
		.session = &m->session, .off = m->off, .name = m->name, .kinds = 1,
		.counts.callbacks = b->events, .programs = &programs,
		.profile = m->profiled ? &profile : NULL,
	};
	struct watched_cost cost;
	json_t *row;
	int err;

	/* It has said what failed; without it the table says nothing. */
	err = watched__measure_with(&b->worker, &trial, &cost);
	if (err)
		return err;
	row = add_row(b, m->name, "mmuscope", m->tells, m->cannot, &cost, NULL);
	json_object_set_new(row, "seen", json_integer(sees ? (json_int_t)b->events : 0));
	set_floor(b, row, &programs);
	if (m->profiled)
		json_object_set_new(row, "programs", profile_json(b, &profile));
	return 0;
}

static void measure_competitor(struct bout *b, const struct competitor *c)
{
	struct watched_cost cost;
	struct floor_set set;
	char reason[160];
	__u64 seen = 0;
	json_t *row;
	int err = competitor__measure(c, &b->worker, b->events, &cost, &seen, reason);

	row = add_row(b, c->name, "competitor", c->tells, c->cannot, err ? NULL : &cost,
		      err ? reason : NULL);
	if (err)
		return;
	json_object_set_new(row, "seen", json_integer((json_int_t)seen));
	set_on_start(&set, c->floor, c->floors);
	set_floor(b, row, &set);
}

static const json_t *row_of(const json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!strcmp(json_string_value(json_object_get(row, "watcher")), name))
			return row;
	return NULL;
}

/* The cheapest competitor that gives the same, of those that could be measured. */
static void set_nearest(struct bout *b, const struct mode *m)
{
	json_t *row = (json_t *)row_of(b->rows, m->name);
	const char *nearest = NULL;
	double least = 0;

	for (size_t i = 0; i < competitor_count && row && m->gives != GIVES_LESS; i++) {
		const json_t *other = row_of(b->rows, competitors[i].name);
		double added = json_number_value(json_object_get(other, "added"));

		if (competitors[i].gives != m->gives || added <= 0 || (nearest && added >= least))
			continue;
		nearest = competitors[i].name;
		least = added;
	}
	if (!nearest)
		return;
	json_object_set_new(row, "nearest", json_string(nearest));
	json_object_set_new(row, "to_nearest",
			    ratio_json(json_real_value(json_object_get(row, "added")), least));
}

/* The first of several begins the table with what it costs without any. */
static int measure_base(struct bout *b)
{
	int err = watched__measure(&b->worker, 0, &b->base);

	b->floors.count = 0;
	if (!err && !json_array_size(b->rows))
		add_row(b, "nothing attached", "base", "-", "anything", &b->base, NULL);
	return err;
}

static int measure_ours(struct bout *b, const char *only)
{
	int err = measure_base(b);

	if (!err && asked(only, "ours"))
		err = measure_bare(b);
	if (!err && asked(only, "ours"))
		measure_account(b);
	for (size_t i = 0; i < MODES && !err && asked(only, "ours"); i++)
		err = measure_mode(b, &modes[i]);
	return err;
}

static int measure_competitors(struct bout *b, const char *only)
{
	int err = measure_base(b);

	for (size_t i = 0; i < competitor_count && !err; i++)
		if (asked(only, competitors[i].tool))
			measure_competitor(b, &competitors[i]);
	for (size_t i = 0; i < MODES && !err; i++)
		set_nearest(b, &modes[i]);
	return err;
}

static int open_mirror(unsigned char *page, const void *device)
{
	static struct dmirror mirror;

	(void)page; /* a mirror is of the whole address space */
	return dmirror__open(&mirror, *(const unsigned int *)device);
}

/* In a worker of its own. */
static int with_worker(struct bout *b, unsigned int device, unsigned int iterations,
		       const char *only, int (*measure)(struct bout *b, const char *only))
{
	const struct watched_work work = {
		.iterations = iterations, .subscribe = open_mirror, .argument = &device,
	};
	int err;

	b->worker = (struct watched){ .go = -1, .cost = -1 };
	err = watched__start(&b->worker, &work);
	if (err)
		msg("cannot mirror a page with /dev/hmm_dmirror%u: %s; load test_hmm, or choose "
		    "another --device.",
		    device, strerror(-err));
	err = err ? err : measure(b, only);
	watched__end(&b->worker);
	return err;
}

enum status overhead__run(unsigned int device, unsigned int iterations, const char *only,
			  json_t **doc)
{
	struct bout b = {};
	json_t *migrations = NULL;
	int err;

	*doc = NULL;
	err = session__check();
	if (err)
		return session__status(err);
	b.rows = json_array();
	b.events = (__u64)iterations * WATCHED_ROUNDS;
	/* Ours first: what others leave behind must not change our figures. */
	err = with_worker(&b, device, iterations, only, measure_ours);
	if (!err && asked(only, "migrations"))
		err = overhead__migrations(device, &migrations);
	err = err ? err : with_worker(&b, device, iterations, only, measure_competitors);
	if (!err)
		*doc = json_pack("{s:s, s:o, s:o, s:s, s:I, s:o, s:O, s:O?}", "schema",
				 "mmuscope-overhead/2", "tool", tool_info__json(), "kernel",
				 kernel_info__json(), "clock", kernel_info__clock(), "iterations",
				 (json_int_t)b.events, "versions", competitors__versions(),
				 "watchers", b.rows, "migrations", migrations);
	json_decref(migrations);
	json_decref(b.rows);
	return err ? session__status(err) : STATUS_OK;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "moves.h"
#include "record.h"
#include "words.h"

#define CHUNK_SHIFT 21
/* What is wider is in one group: a range of 128 TiB has 67 million chunks. */
#define CHUNKS_MAX 1024
#define DRIVERS_MAX 16		/* of one notification */

/* Values that no key has otherwise. */
#define NONE (~0ULL)
#define WIDE (~0ULL - 1)
#define WHOLE (~0ULL - 2)

enum group_count {
	N_NOTIFICATIONS, N_PAGES, N_DELIVERED, N_PERFORMED, N_SKIPPED, N_FAILED, N_UNDETERMINED,
	N_AVOIDABLE, N_PAGES_PERFORMED, N_MIGRATIONS, N_ASKED, N_MIGRATED, N_EXCESS, N_FAULTS,
	N_FAULT_PAGES, COUNTS,
};

static const struct view_column count_columns[COUNTS] = {
	[N_NOTIFICATIONS] = { "notifications", "CALLS", VIEW_NUMBER },
	[N_PAGES] = { "pages", "PAGES", VIEW_NUMBER },
	[N_DELIVERED] = { "delivered", "DELI-\nVERED", VIEW_NUMBER },
	[N_PERFORMED] = { "performed", "PER-\nFORMED", VIEW_NUMBER },
	[N_SKIPPED] = { "skipped", "SKIP-\nPED", VIEW_NUMBER },
	[N_FAILED] = { "failed", NULL, VIEW_NUMBER },
	[N_UNDETERMINED] = { "undetermined", NULL, VIEW_NUMBER },
	[N_AVOIDABLE] = { "avoidable", "AVOID-\nABLE", VIEW_NUMBER },
	[N_PAGES_PERFORMED] = { "pages_performed", "PAGES\nINV", VIEW_NUMBER },
	[N_MIGRATIONS] = { "migrations", "MIGRA-\nTIONS", VIEW_NUMBER },
	[N_ASKED] = { "asked", NULL, VIEW_NUMBER },
	[N_MIGRATED] = { "migrated", NULL, VIEW_NUMBER },
	[N_EXCESS] = { "excess", "EXCESS", VIEW_NUMBER },
	[N_FAULTS] = { "faults", "FAULTS", VIEW_NUMBER },
	[N_FAULT_PAGES] = { "fault_pages", NULL, VIEW_NUMBER },
};

static const struct view_column latency_columns[] = {
	{ "p50_below_ns", "P50 <", VIEW_NUMBER },
	{ "p99_below_ns", "P99 <", VIEW_NUMBER },
	{ "max_ns", "MAX\nns", VIEW_NUMBER },
};

static const struct view_column key_columns[GROUP_KEYS] = {
	[GROUP_PROCESS] = { "process", "PROCESS", VIEW_PROCESS },
	[GROUP_DRIVER] = { "driver", "DRIVER", VIEW_TEXT },
	[GROUP_EVENT] = { "event", "EVENT", VIEW_TEXT },
	[GROUP_PHASE] = { "phase", "PHASE", VIEW_TEXT },
	[GROUP_CAUSE] = { "cause", "CAUSE", VIEW_TEXT },
	[GROUP_OWNER] = { "owner", "OWNER", VIEW_TEXT },
	[GROUP_ADDRESS] = { "address", "ADDRESS", VIEW_ADDRESS },
	[GROUP_SLICE] = { "from_ms", "FROM\nms", VIEW_NUMBER },
};

/* Behind an address: what of that is in the group. */
static const struct view_column range_column = { "range", "RANGE", VIEW_TEXT };

struct group {
	__u64 key[GROUP_KEYS];
	__u64 count[COUNTS];
	__u64 timed, max;
	__u64 bucket[MMUSCOPE_BUCKETS];
};

/* A stack's id and the first one with the same cause. */
struct cause {
	__s32 id;
	unsigned int index;
};

struct cause_name {
	char name[64];
	unsigned int index;
};

/* What a child has from what it is in. */
struct inherited {
	__u64 cause, owner;
};

enum group_key group_key__parse(const char *word, size_t len)
{
	for (int k = 0; k < GROUP_KEYS; k++)
		if (strlen(group_key__name((enum group_key)k)) == len &&
		    !strncmp(word, group_key__name((enum group_key)k), len))
			return (enum group_key)k;
	return GROUP_KEYS;
}

const char *group_key__name(enum group_key key)
{
	return key == GROUP_SLICE ? "slice" : key_columns[key].name;
}

/* Many stacks have one cause. */
static int read_causes(struct groups *g)
{
	for (size_t i = 0; i < g->info->stack_count; i++) {
		const struct recording_stack *s = &g->info->stacks[i];
		struct cause_name key = {}, *name;
		struct cause *cause;
		size_t known = g->cause_names.count;

		strncpy(key.name, s->cause, sizeof(key.name) - 1);
		name = keyed__get(&g->cause_names, key.name);
		cause = keyed__get(&g->causes, &s->id);
		if (!name || !cause)
			return -ENOMEM;
		if (g->cause_names.count != known)
			name->index = (unsigned int)i;
		cause->index = name->index;
	}
	return 0;
}

int groups__init(struct groups *g, const enum group_key *by, size_t by_count, __u64 slice_ns,
		 const struct recording_info *info)
{
	bool process = false, address = false;

	*g = (struct groups){
		.slice_ns = slice_ns,
		.info = info,
		.groups = keyed__of(sizeof(((struct group *)0)->key), sizeof(struct group)),
		.causes = keyed__of(sizeof(__s32), sizeof(struct cause)),
		.cause_names = keyed__of(sizeof(((struct cause_name *)0)->name),
					 sizeof(struct cause_name)),
	};
	for (size_t i = 0; i < by_count; i++) {
		process |= by[i] == GROUP_PROCESS;
		address |= by[i] == GROUP_ADDRESS;
	}
	if (address && !process)
		g->by[g->by_count++] = GROUP_PROCESS;
	for (size_t i = 0; i < by_count; i++)
		g->by[g->by_count++] = by[i];
	if (read_causes(g)) {
		groups__clear(g);
		return -ENOMEM;
	}
	return 0;
}

/* ---- keys ---- */

/* The first of the callbacks that the driver has; a built-in function is its own driver. */
static __u64 driver_of(const struct groups *g, __u64 what)
{
	const struct names *names = &g->info->names;
	const struct name_callback *c = names__callback(names, what);
	size_t i = 0;

	if (!c)
		return NONE;
	if (!c->module[0])
		return (__u64)(c - names->callbacks);
	while (strcmp(names->callbacks[i].module, c->module))
		i++;
	return i;
}

static __u64 cause_of(const struct groups *g, __s32 stack, __u64 inherited)
{
	const struct cause *c = stack < 0 ? NULL : keyed__find(&g->causes, &stack);

	return c ? c->index : inherited;
}

static __u64 value_of(const struct groups *g, enum group_key key, const struct activity *a,
		      const struct inherited *in)
{
	const struct mmuscope_record *r = &a->head;
	const bool told = r->kind == RECORD_NOTIFICATION || r->kind == RECORD_CALLBACK;

	switch (key) {
	case GROUP_PROCESS:
		return (__u64)r->start << 32 | r->tgid;
	case GROUP_EVENT:
		return told ? r->event : NONE;
	case GROUP_PHASE:
		return r->kind == RECORD_MIGRATION ? NONE : r->phase;
	case GROUP_CAUSE:
		return in->cause;
	case GROUP_OWNER:
		return in->owner ? in->owner : NONE;
	case GROUP_SLICE:
		return r->ns > g->zero_ns ? (r->ns - g->zero_ns) / g->slice_ns : 0;
	default:
		return NONE;	/* set by who asks */
	}
}

/* ---- counts ---- */

/* Its part of an activity: where it is one of several chunks, or all. */
struct part {
	__u64 pages, migrated;
	bool first;
};

static void count_callback(struct group *group, const struct activity *a, const struct part *p)
{
	static const enum group_count by_outcome[OUTCOME_MAX] = {
		[OUTCOME_PERFORMED] = N_PERFORMED,
		[OUTCOME_SKIPPED] = N_SKIPPED,
		[OUTCOME_FAILED] = N_FAILED,
		[OUTCOME_UNDETERMINED] = N_UNDETERMINED,
	};
	enum mmuscope_outcome outcome = activity__outcome(a);

	group->count[N_DELIVERED]++;
	group->count[by_outcome[outcome]]++;
	if (outcome == OUTCOME_PERFORMED) {
		group->count[N_PAGES_PERFORMED] += p->pages;
		group->count[N_AVOIDABLE] += a->head.flags & RECORD_AVOIDABLE ? 1 : 0;
	}
	if (!a->timed)
		return;
	group->timed++;
	if (a->head.took > group->max)
		group->max = a->head.took;
	group->bucket[latency__bucket(a->head.took)]++;
}

static int count(struct groups *g, const __u64 key[GROUP_KEYS], const struct activity *a,
		 const struct part *p)
{
	struct group *group = keyed__get(&g->groups, key);

	if (!group)
		return -ENOMEM;
	switch (a->head.kind) {
	case RECORD_NOTIFICATION:
		group->count[N_NOTIFICATIONS]++;
		group->count[N_PAGES] += p->pages;
		break;
	case RECORD_CALLBACK:
		count_callback(group, a, p);
		break;
	case RECORD_MIGRATION:
		if (a->head.flags & RECORD_FAILED)
			break;
		group->count[N_MIGRATIONS]++;
		group->count[N_ASKED] += p->pages;
		group->count[N_MIGRATED] += p->migrated;
		group->count[N_EXCESS] += p->first ? migration__excess(&a->migration) : 0;
		break;
	case RECORD_FAULT:
		group->count[N_FAULTS]++;
		group->count[N_FAULT_PAGES] += p->pages;
		break;
	}
	return 0;
}

static __u64 migrated_in(const struct activity *a, __u64 from, __u64 to)
{
	__u64 n = 0;

	if (a->migration.migrated == a->migration.asked)
		return (to - from) >> 12;
	for (__u64 page = from; page < to; page += 4096)
		n += activity__page(a, page) == PAGE_MIGRATED;
	return n;
}

/* In each chunk that it touches, with its pages there. */
static int count_chunks(struct groups *g, __u64 key[GROUP_KEYS], size_t place,
			const struct activity *a)
{
	const struct mmuscope_record *r = &a->head;
	__u64 last = (r->to - 1) >> CHUNK_SHIFT;
	int err = 0;

	for (key[place] = r->from >> CHUNK_SHIFT; key[place] <= last && !err; key[place]++) {
		__u64 from = key[place] << CHUNK_SHIFT, to = from + (1 << CHUNK_SHIFT);
		struct part p = { .first = from <= r->from };

		from = from > r->from ? from : r->from;
		to = to < r->to ? to : r->to;
		p.pages = (to - from) >> 12;
		if (r->kind == RECORD_MIGRATION)
			p.migrated = migrated_in(a, from, to);
		err = count(g, key, a, &p);
	}
	return err;
}

static int count_places(struct groups *g, __u64 key[GROUP_KEYS], const struct activity *a)
{
	const struct mmuscope_record *r = &a->head;
	const bool whole = record__is_whole(r);
	struct part all = { .pages = record__pages(r), .first = true };
	size_t place = 0;

	if (r->kind == RECORD_MIGRATION) {
		all.pages = a->migration.asked;
		all.migrated = a->migration.migrated;
	}
	while (place < g->by_count && g->by[place] != GROUP_ADDRESS)
		place++;
	if (place == g->by_count)
		return count(g, key, a, &all);
	if (r->from < r->to && (r->to - r->from) >> CHUNK_SHIFT < CHUNKS_MAX)
		return count_chunks(g, key, place, a);
	key[place] = whole ? WHOLE : r->from < r->to ? WIDE : NONE;
	return count(g, key, a, &all);
}

/* The drivers that a notification called, each once. */
static size_t drivers_of(const struct groups *g, const struct activity *a,
			 __u64 drivers[DRIVERS_MAX])
{
	size_t n = 0;

	if (a->head.kind == RECORD_CALLBACK)
		drivers[n++] = driver_of(g, a->head.what);
	for (size_t i = 0; a->head.kind == RECORD_NOTIFICATION && i < a->child_count; i++) {
		__u64 driver = driver_of(g, a->children[i]->head.what);
		size_t known = 0;

		while (known < n && drivers[known] != driver)
			known++;
		if (known == n && n < DRIVERS_MAX)
			drivers[n++] = driver;
	}
	if (!n)
		drivers[n++] = NONE;
	return n;
}

static int add(struct groups *g, const struct activity *a, struct inherited in)
{
	__u64 key[GROUP_KEYS] = {}, drivers[DRIVERS_MAX];
	size_t n = 1, place = g->by_count;
	int err = 0;

	if (a->head.kind == RECORD_MIGRATION)
		in.cause = cause_of(g, a->migration.stack, in.cause);
	else
		in.cause = cause_of(g, a->stack, in.cause);
	if ((a->head.kind == RECORD_MIGRATION || a->head.kind == RECORD_NOTIFICATION) &&
	    a->head.what)
		in.owner = a->head.what;
	for (size_t i = 0; i < g->by_count; i++) {
		key[i] = value_of(g, g->by[i], a, &in);
		if (g->by[i] == GROUP_DRIVER)
			place = i;
	}
	if (place < g->by_count)
		n = drivers_of(g, a, drivers);
	for (size_t i = 0; i < n && !err; i++) {
		if (place < g->by_count)
			key[place] = drivers[i];
		err = count_places(g, key, a);
	}
	for (size_t i = 0; i < a->child_count && !err; i++)
		err = add(g, a->children[i], in);
	return err;
}

int groups__add(struct groups *g, const struct activity *a)
{
	return add(g, a, (struct inherited){ .cause = NONE });
}

/* ---- rows ---- */

static int compare_keys(const struct group *x, const struct group *y)
{
	for (int k = 0; k < GROUP_KEYS; k++)
		if (x->key[k] != y->key[k])
			return x->key[k] < y->key[k] ? -1 : 1;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return compare_keys(*(const struct group *const *)a, *(const struct group *const *)b);
}

static int by_calls(const void *a, const void *b)
{
	const struct group *x = *(const struct group *const *)a;
	const struct group *y = *(const struct group *const *)b;
	static const enum group_count order[] = { N_NOTIFICATIONS, N_DELIVERED, N_MIGRATIONS,
						 N_FAULTS };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (x->count[order[i]] != y->count[order[i]])
			return x->count[order[i]] > y->count[order[i]] ? -1 : 1;
	return compare_keys(x, y);
}

static void put_address(struct view *v, __u64 value)
{
	if (value == WHOLE || value == WIDE || value == NONE)
		view__none(v);
	else
		view__number(v, value << CHUNK_SHIFT);
	view__text(v, value == WHOLE ? "all memory" :
		      value == WIDE  ? "over 2 GiB" :
		      value == NONE  ? NULL :
				       "2 MiB");
}

static void put_key(const struct groups *g, struct view *v, struct names *names,
		    enum group_key key, __u64 value)
{
	const struct name_callback *c;

	if (value == NONE && key != GROUP_PROCESS && key != GROUP_ADDRESS) {
		view__none(v);
		return;
	}
	switch (key) {
	case GROUP_PROCESS:
		view__process(v, names, (__u32)value, (__u32)(value >> 32));
		break;
	case GROUP_DRIVER:
		c = &names->callbacks[value];
		view__text(v, c->module[0] ? c->module : c->symbol);
		break;
	case GROUP_EVENT:
		view__text(v, event_name((unsigned int)value));
		break;
	case GROUP_PHASE:
		view__text(v, phase_name((unsigned int)value));
		break;
	case GROUP_CAUSE:
		view__text(v, g->info->stacks[value].cause);
		break;
	case GROUP_OWNER:
		view__text(v, names__owner(names, value));
		break;
	case GROUP_ADDRESS:
		put_address(v, value);
		break;
	default:
		view__number(v, value * g->slice_ns / 1000000);
	}
}

static void put_latency(struct view *v, const struct group *group)
{
	for (unsigned int p = 0; p < 2; p++) {
		__u64 below = group->timed ?
				      latency__below(group->bucket, group->timed, p ? 99 : 50) :
				      LATENCY_INFINITE;

		if (below == LATENCY_INFINITE)
			view__none(v);
		else
			view__number(v, below);
	}
	if (group->timed)
		view__number(v, group->max);
	else
		view__none(v);
}

static void fill(struct groups *g, struct view *v, struct names *names,
		 const struct group *const *sorted, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < g->by_count; k++)
			put_key(g, v, names, g->by[k], sorted[i]->key[k]);
		for (int c = 0; c < COUNTS; c++)
			view__number(v, sorted[i]->count[c]);
		put_latency(v, sorted[i]);
	}
}

static bool is_ordered(const struct groups *g)
{
	for (size_t i = 0; i < g->by_count; i++)
		if (g->by[i] == GROUP_SLICE)
			return true;
	return false;
}

struct view *groups__view(struct groups *g, struct names *names, size_t top)
{
	const struct group **sorted = malloc((g->groups.count + 1) * sizeof(struct group *));
	size_t n = 0;
	struct view *v;

	if (!sorted)
		return NULL;
	for (size_t k = 0; k < g->by_count; k++) {
		g->columns[n++] = key_columns[g->by[k]];
		if (g->by[k] == GROUP_ADDRESS)
			g->columns[n++] = range_column;
	}
	memcpy(&g->columns[n], count_columns, sizeof(count_columns));
	n += COUNTS;
	memcpy(&g->columns[n], latency_columns, sizeof(latency_columns));
	n += sizeof(latency_columns) / sizeof(latency_columns[0]);
	v = view__new(g->columns, n);
	for (size_t i = 0; i < g->groups.count; i++)
		sorted[i] = keyed__at(&g->groups, i);
	if (g->groups.count)
		qsort(sorted, g->groups.count, sizeof(*sorted), is_ordered(g) ? by_key : by_calls);
	if (v)
		fill(g, v, names, sorted, g->groups.count < top ? g->groups.count : top);
	free(sorted);
	return v;
}

void groups__clear(struct groups *g)
{
	keyed__clear(&g->groups);
	keyed__clear(&g->causes);
	keyed__clear(&g->cause_names);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is dropped waits by its range, and is found by the aligned chunks of 2 MiB that it
 * touches. A range that is dropped again and again is there once, with a time for each:
 * there are as many ranges to look at as are different, however long the recording.
 */
#include "refaults.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "drivers.h"
#include "grow.h"
#include "keyed.h"
#include "latency.h"
#include "record.h"

#define CHUNK_SHIFT 21
/* A range of more is looked at by every fault of its process: there are few. */
#define CHUNKS_MAX 64
#define WIDE (~0ULL)		/* where those are */

struct drop {
	__u64 begin, ns;
	__u32 task;
};

/* Who dropped it, and its totals. */
struct dropper {
	struct dropper_key {
		__u64 what;	/* callback */
		__u32 tgid, start;
	} key;
	__u64 drops, dropped_pages;
	__u64 chains, pages;
	__u64 min, max, sum;
	__u64 bucket[MMUSCOPE_BUCKETS];
};

struct range {
	struct range_key {
		__u64 from, to;
		struct dropper_key dropper;
	} key;
	struct drop *waiting;
	size_t waiting_count;
};

struct chunk {
	struct chunk_key {
		__u64 index;
		__u32 tgid, start;
	} key;
	unsigned int *ranges;	/* indices */
	size_t count;
};

struct refaults {
	const struct names *names;
	int (*found)(void *ctx, const struct refault *r);
	void *ctx;
	struct keyed droppers, ranges, chunks;
};

struct refaults *refaults__new(const struct names *names,
			       int (*found)(void *ctx, const struct refault *r), void *ctx)
{
	struct refaults *rf = calloc(1, sizeof(*rf));

	if (!rf)
		return NULL;
	rf->names = names;
	rf->found = found;
	rf->ctx = ctx;
	rf->droppers = keyed__of(sizeof(struct dropper_key), sizeof(struct dropper));
	rf->ranges = keyed__of(sizeof(struct range_key), sizeof(struct range));
	rf->chunks = keyed__of(sizeof(struct chunk_key), sizeof(struct chunk));
	return rf;
}

/* ---- what is dropped ---- */

static int add_to_chunk(struct refaults *rf, const struct dropper_key *who, __u64 index,
			unsigned int range)
{
	const struct chunk_key key = { index, who->tgid, who->start };
	struct chunk *c = keyed__get(&rf->chunks, &key);
	unsigned int *ranges = c ? grow(c->ranges, c->count, sizeof(*ranges)) : NULL;

	if (!ranges)
		return -ENOMEM;
	c->ranges = ranges;
	ranges[c->count++] = range;
	return 0;
}

static __u64 first_chunk(__u64 from)
{
	return from >> CHUNK_SHIFT;
}

static __u64 last_chunk(__u64 to)
{
	return (to - 1) >> CHUNK_SHIFT;
}

/* A range that is new goes to where faults look for it. */
static int place(struct refaults *rf, const struct range_key *key, unsigned int range)
{
	__u64 last = last_chunk(key->to);
	int err = 0;

	if (last - first_chunk(key->from) >= CHUNKS_MAX)
		return add_to_chunk(rf, &key->dropper, WIDE, range);
	for (__u64 i = first_chunk(key->from); i <= last && !err; i++)
		err = add_to_chunk(rf, &key->dropper, i, range);
	return err;
}

static int add_drop(struct refaults *rf, const struct mmuscope_record *rec)
{
	const struct range_key key = { rec->from, rec->to,
				       { rec->what, rec->tgid, rec->start } };
	struct dropper *who = keyed__get(&rf->droppers, &key.dropper);
	size_t known = rf->ranges.count;
	struct drop *waiting;
	struct range *r;
	int err = 0;

	if (!who)
		return -ENOMEM;
	who->drops++;
	who->dropped_pages += record__pages(rec);
	/* That is the end of an address space: what a process maps behind exec() is new. */
	if (record__is_whole(rec))
		return 0;
	r = keyed__get(&rf->ranges, &key);
	if (!r)
		return -ENOMEM;
	if (rf->ranges.count != known)
		err = place(rf, &key, (unsigned int)known);
	waiting = err ? NULL : grow(r->waiting, r->waiting_count, sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	r->waiting = waiting;
	waiting[r->waiting_count++] = (struct drop){ record__begin(rec), rec->ns, rec->task };
	return 0;
}

/* ---- what is faulted in ---- */

static void count_chain(struct dropper *who, const struct refault *chain)
{
	if (!who->chains++ || chain->ns < who->min)
		who->min = chain->ns;
	if (chain->ns > who->max)
		who->max = chain->ns;
	who->sum += chain->ns;
	who->pages += (chain->to - chain->from) >> 12;
	who->bucket[latency__bucket(chain->ns)]++;
}

/* Ends all that waits for a fault in this range. */
static int end_chains(struct refaults *rf, struct range *r, const struct mmuscope_record *fault)
{
	struct dropper *who = keyed__find(&rf->droppers, &r->key.dropper);
	__u64 begin = record__begin(fault);
	int err = 0;

	for (size_t i = 0; i < r->waiting_count && !err; i++) {
		const struct drop *d = &r->waiting[i];
		struct refault chain = {
			.dropped_ns = d->ns,
			.dropped_by = d->task,
			.dropped_begin = d->begin,
			.from = r->key.from > fault->from ? r->key.from : fault->from,
			.to = r->key.to < fault->to ? r->key.to : fault->to,
			.ns = begin > d->ns ? begin - d->ns : 0,
			.fault = fault,
		};

		count_chain(who, &chain);
		err = rf->found ? rf->found(rf->ctx, &chain) : 0;
	}
	/* Its memory would be asked for again as soon as it is dropped again, or never. */
	free(r->waiting);
	r->waiting = NULL;
	r->waiting_count = 0;
	return err;
}

static int look_at(struct refaults *rf, const struct chunk *c, const struct mmuscope_record *fault)
{
	int err = 0;

	for (size_t i = 0; c && i < c->count && !err; i++) {
		struct range *r = keyed__at(&rf->ranges, c->ranges[i]);

		if (r->waiting_count && r->key.from < fault->to && fault->from < r->key.to)
			err = end_chains(rf, r, fault);
	}
	return err;
}

static int add_fault(struct refaults *rf, const struct mmuscope_record *fault)
{
	struct chunk_key key = { WIDE, fault->tgid, fault->start };
	__u64 first = first_chunk(fault->from), last = last_chunk(fault->to);
	int err = look_at(rf, keyed__find(&rf->chunks, &key), fault);

	/* More chunks than there are: from the other side. */
	if (last - first >= rf->chunks.count) {
		for (size_t i = 0; i < rf->chunks.count && !err; i++) {
			const struct chunk *c = keyed__at(&rf->chunks, i);

			if (c->key.tgid == key.tgid && c->key.start == key.start)
				err = look_at(rf, c, fault);
		}
		return err;
	}
	for (key.index = first; key.index <= last && !err; key.index++)
		err = look_at(rf, keyed__find(&rf->chunks, &key), fault);
	return err;
}

static bool is_interval(const struct refaults *rf, __u64 what)
{
	const struct name_callback *c = names__callback(rf->names, what);

	return !c || !c->kind || strcmp(c->kind, KIND_NOTIFIER);
}

int refaults__add(struct refaults *rf, const struct mmuscope_record *rec)
{
	if (rec->from >= rec->to)
		return 0;
	if (rec->kind == RECORD_CALLBACK && record__outcome(rec) == OUTCOME_PERFORMED)
		return is_interval(rf, rec->what) ? add_drop(rf, rec) : 0;
	/* One that collided or failed has filled no page table. */
	if (rec->kind == RECORD_FAULT && !(rec->flags & RECORD_RETRY) && (__s64)rec->what >= 0)
		return add_fault(rf, rec);
	return 0;
}

/* ---- what is told ---- */

static void put_bound(struct view *v, __u64 ns)
{
	if (ns == LATENCY_INFINITE)
		view__none(v);
	else
		view__number(v, ns);
}

struct view *refaults__view(const struct refaults *rf)
{
	static const struct view_column columns[] = {
		{ "process", "PROCESS", VIEW_PROCESS },
		{ "callback", "CALLBACK", VIEW_TEXT },
		{ "performed", "PERFORMED", VIEW_NUMBER },
		{ "performed_pages", NULL, VIEW_NUMBER },
		{ "chains", "REFAULTED", VIEW_NUMBER },
		{ "pages", "PAGES", VIEW_NUMBER },
		{ "min_ns", "MIN ns", VIEW_NUMBER },
		{ "p50_below_ns", "P50 <", VIEW_NUMBER },
		{ "p99_below_ns", "P99 <", VIEW_NUMBER },
		{ "max_ns", "MAX ns", VIEW_NUMBER },
		{ "sum_ns", NULL, VIEW_NUMBER },
	};
	struct view *v = view__new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; v && i < rf->droppers.count; i++) {
		const struct dropper *d = keyed__at(&rf->droppers, i);

		view__process(v, rf->names, d->key.tgid, d->key.start);
		view__text(v, names__symbol(rf->names, d->key.what));
		view__number(v, d->drops);
		view__number(v, d->dropped_pages);
		view__number(v, d->chains);
		view__number(v, d->pages);
		put_bound(v, d->chains ? d->min : LATENCY_INFINITE);
		for (unsigned int p = 0; p < 2; p++)
			put_bound(v, d->chains ? latency__below(d->bucket, d->chains, p ? 99 : 50) :
						 LATENCY_INFINITE);
		put_bound(v, d->chains ? d->max : LATENCY_INFINITE);
		view__number(v, d->sum);
	}
	return v;
}

void refaults__free(struct refaults *rf)
{
	if (!rf)
		return;
	for (size_t i = 0; i < rf->ranges.count; i++)
		free(((struct range *)keyed__at(&rf->ranges, i))->waiting);
	for (size_t i = 0; i < rf->chunks.count; i++)
		free(((struct chunk *)keyed__at(&rf->chunks, i))->ranges);
	keyed__clear(&rf->droppers);
	keyed__clear(&rf->ranges);
	keyed__clear(&rf->chunks);
	free(rf);
}

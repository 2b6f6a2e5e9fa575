// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "pingpong.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define CHUNK_SHIFT 21
#define CHUNK_PAGES (1U << (CHUNK_SHIFT - 12))
#define ON_DEVICE 1U		/* lowest bit of a page's number, the trips are above it */
/* In all: 1 TiB, which takes 1 GiB here. */
#define CHUNKS_MAX (1U << 19)

struct chunk {
	struct chunk_key {
		__u32 tgid, start;
		__u64 index;
	} key;
	__u32 *pages;
};

void pingpong__init(struct pingpong *pp)
{
	*pp = (struct pingpong){
		.chunks = keyed__of(sizeof(struct chunk_key), sizeof(struct chunk)),
	};
}

static __u32 *pages_of(struct pingpong *pp, const struct chunk_key *key)
{
	struct chunk *c = keyed__get(&pp->chunks, key);

	if (c && !c->pages)
		c->pages = calloc(CHUNK_PAGES, sizeof(*c->pages));
	return c ? c->pages : NULL;
}

/* A trip is complete with the way back. Without a branch: most migrations move whole chunks. */
static __u32 moved(__u32 page, bool to_device)
{
	return to_device ? page | ON_DEVICE : (page + ((page & ON_DEVICE) << 1)) & ~ON_DEVICE;
}

static void move_some(struct pingpong *pp, const struct activity *a, __u32 *pages, __u64 base,
		      unsigned int first, unsigned int last)
{
	const bool to_device = a->head.phase == DIR_TO_DEVICE;

	if (a->migration.migrated == a->migration.asked) {
		for (unsigned int i = first; i < last; i++)
			pages[i] = moved(pages[i], to_device);
		return;
	}
	for (unsigned int i = first; i < last; i++) {
		enum mmuscope_page fate = activity__page(a, base + ((__u64)i << 12));

		if (fate == PAGE_MIGRATED)
			pages[i] = moved(pages[i], to_device);
		pp->unknown += fate == PAGE_MAX;
	}
}

int pingpong__add(struct pingpong *pp, const struct activity *a)
{
	const struct mmuscope_record *m = &a->head;
	struct chunk_key key = { .tgid = m->tgid, .start = m->start };

	if (m->kind != RECORD_MIGRATION)
		return 0;
	if (m->phase == DIR_EVICT)
		pp->evicted += a->migration.migrated;
	/* A mixed one moves pages of both, and does not tell which. */
	if (m->from >= m->to || !a->migration.migrated ||
	    (m->phase != DIR_TO_DEVICE && m->phase != DIR_TO_SYSTEM))
		return 0;
	/* Where it is damaged the range is anything. */
	if ((m->to - m->from) >> 12 != a->migration.asked ||
	    pp->chunks.count + ((m->to - m->from) >> CHUNK_SHIFT) > CHUNKS_MAX) {
		pp->unknown += a->migration.asked;
		return 0;
	}
	for (key.index = m->from >> CHUNK_SHIFT; key.index <= (m->to - 1) >> CHUNK_SHIFT;
	     key.index++) {
		__u64 base = key.index << CHUNK_SHIFT, end = base + (1 << CHUNK_SHIFT);
		__u32 *pages = pages_of(pp, &key);

		if (!pages)
			return -ENOMEM;
		move_some(pp, a, pages, base, m->from > base ? (m->from - base) >> 12 : 0,
			  m->to < end ? (m->to - base) >> 12 : CHUNK_PAGES);
	}
	return 0;
}

struct pingpong_sum pingpong__sum(const struct pingpong *pp)
{
	struct pingpong_sum sum = {};

	for (size_t i = 0; i < pp->chunks.count; i++) {
		const struct chunk *c = keyed__at(&pp->chunks, i);

		for (unsigned int p = 0; c->pages && p < CHUNK_PAGES; p++) {
			sum.pages += c->pages[p] > ON_DEVICE;
			sum.trips += c->pages[p] >> 1;
		}
	}
	return sum;
}

/* ---- rows ---- */

struct run {
	__u32 tgid, start;
	__u64 from, to;
	__u32 trips;
};

static int by_address(const void *a, const void *b)
{
	const struct chunk *x = a, *y = b;

	if (x->key.tgid != y->key.tgid)
		return x->key.tgid < y->key.tgid ? -1 : 1;
	if (x->key.start != y->key.start)
		return x->key.start < y->key.start ? -1 : 1;
	return x->key.index < y->key.index ? -1 : x->key.index > y->key.index;
}

static int by_trips(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->trips != y->trips)
		return x->trips > y->trips ? -1 : 1;
	if (x->to - x->from != y->to - y->from)
		return x->to - x->from > y->to - y->from ? -1 : 1;
	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static int add_page(struct run **runs, size_t *n, const struct run *page)
{
	struct run *last = *n ? &(*runs)[*n - 1] : NULL, *more;

	if (last && last->to == page->from && last->trips == page->trips &&
	    last->tgid == page->tgid && last->start == page->start) {
		last->to = page->to;
		return 0;
	}
	more = grow(*runs, *n, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*runs = more;
	more[(*n)++] = *page;
	return 0;
}

static int merge(const struct chunk *chunks, size_t count, struct run **runs, size_t *n)
{
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		const struct chunk *c = &chunks[i];

		for (unsigned int p = 0; c->pages && p < CHUNK_PAGES && !err; p++) {
			__u64 at = (c->key.index << CHUNK_SHIFT) + ((__u64)p << 12);
			struct run page = { c->key.tgid, c->key.start, at, at + 4096,
					    c->pages[p] >> 1 };

			if (page.trips)
				err = add_page(runs, n, &page);
		}
	}
	return err;
}

static void put_run(struct view *v, const struct names *names, const struct run *r)
{
	view__process(v, names, r->tgid, r->start);
	view__number(v, r->from);
	view__number(v, r->to);
	view__number(v, (r->to - r->from) >> 12);
	view__number(v, r->trips);
}

struct view *pingpong__view(const struct pingpong *pp, const struct names *names, size_t top)
{
	static const struct view_column columns[] = {
		{ "process", "PROCESS", VIEW_PROCESS }, { "from", "FROM", VIEW_ADDRESS },
		{ "to", "TO", VIEW_ADDRESS },		{ "pages", "PAGES", VIEW_NUMBER },
		{ "trips", "THERE AND BACK", VIEW_NUMBER },
	};
	struct chunk *chunks = malloc((pp->chunks.count + 1) * sizeof(*chunks));
	struct view *v = view__new(columns, sizeof(columns) / sizeof(columns[0]));
	struct run *runs = NULL;
	size_t n = 0;
	int err = chunks && v ? 0 : -ENOMEM;

	if (!err && pp->chunks.count) {
		memcpy(chunks, pp->chunks.entries, pp->chunks.count * sizeof(*chunks));
		qsort(chunks, pp->chunks.count, sizeof(*chunks), by_address);
		err = merge(chunks, pp->chunks.count, &runs, &n);
	}
	if (!err && n)
		qsort(runs, n, sizeof(*runs), by_trips);
	for (size_t i = 0; i < n && i < top && !err; i++)
		put_run(v, names, &runs[i]);
	free(runs);
	free(chunks);
	if (!err)
		return v;
	view__free(v);
	return NULL;
}

void pingpong__clear(struct pingpong *pp)
{
	for (size_t i = 0; i < pp->chunks.count; i++)
		free(((struct chunk *)keyed__at(&pp->chunks, i))->pages);
	keyed__clear(&pp->chunks);
}

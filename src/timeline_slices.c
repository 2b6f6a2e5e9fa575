// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "timeline_slices.h"

#include <errno.h>
#include <stdlib.h>

#include "grow.h"
#include "words.h"

#define DEPTH_MAX 16	/* activities do not nest as deep, but a hand may build them */

__u64 slice__begin(__u64 begin, __u64 ns)
{
	return begin < ns || !ns ? begin : ns - 1;
}

/* One that is not timed began with the first thing in it, if not before. */
static __u64 begin_of(const struct activity *a)
{
	__u64 begin = a->begin < a->head.ns ? a->begin : a->head.ns;

	if (a->head.kind == RECORD_CALLBACK || a->head.kind == RECORD_FAULT)
		return slice__begin(begin, a->head.ns);
	for (size_t i = 0; i < a->child_count && !a->timed; i++) {
		const __u64 child = begin_of(a->children[i]);

		begin = child < begin ? child : begin;
	}
	return begin;
}

static int add(struct slices *s, const struct activity *a, const char *phase, __u64 begin,
	       __u64 end, unsigned int depth)
{
	if (s->count == s->peak) {
		struct slice *items = grow(s->items, s->peak, sizeof(*items));

		if (!items)
			return -ENOMEM;
		s->items = items;
		s->peak++;
	}
	s->items[s->count] = (struct slice){
		.a = a, .phase = phase, .begin = begin, .end = end, .depth = depth,
		.order = (unsigned int)s->count
	};
	s->count++;
	return 0;
}

static int add_phases(struct slices *s, const struct activity *a, unsigned int depth)
{
	const struct mmuscope_record_migration *m = &a->migration;
	const struct {
		enum mmuscope_phase phase;
		__u64 ns;
	} phases[] = { { PHASE_SETUP, m->setup },
		       { PHASE_COPY, m->copy },
		       { PHASE_PAGES, m->pages },
		       { PHASE_FINALIZE, m->finalize } };
	__u64 at = begin_of(a);
	int err = 0;

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]) && !err; i++) {
		__u64 left = a->head.ns - at, ns = phases[i].ns < left ? phases[i].ns : left;

		if (ns)
			err = add(s, a, phase_name(phases[i].phase), at, at + ns, depth);
		at += ns;
	}
	return err;
}

static int add_tree(struct slices *s, const struct activity *a, unsigned int depth)
{
	const bool migration = a->head.kind == RECORD_MIGRATION &&
			       !(a->head.flags & RECORD_FAILED);
	int err = add(s, a, NULL, begin_of(a), a->head.ns, depth);

	if (!err && migration)
		err = add_phases(s, a, depth + 1);
	for (size_t i = 0; i < a->child_count && !err && depth < 2 * DEPTH_MAX; i++)
		err = add_tree(s, a->children[i], depth + 1 + migration);
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

bool slice__is_behind(const struct slice *s, const struct slice *open)
{
	if (open->end != s->begin)
		return open->end < s->begin;
	/* Of no length, at the end of it: in it, if that is where the tree has it. */
	return s->end > s->begin || open->depth >= s->depth;
}

/* Whether or not its times make sense, each ends up inside what is around it. */
static int nest(struct slices *s)
{
	size_t *open = malloc((s->count + 1) * sizeof(*open)), n = 0;

	if (!open)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++) {
		struct slice *inner = &s->items[i];

		while (n && slice__is_behind(inner, &s->items[open[n - 1]]))
			n--;
		if (n && inner->end > s->items[open[n - 1]].end) {
			inner->cut = inner->end - s->items[open[n - 1]].end;
			inner->end = s->items[open[n - 1]].end;
		}
		open[n++] = i;
	}
	free(open);
	return 0;
}

int slices__set(struct slices *s, const struct activity *a)
{
	int err;

	s->count = 0;
	err = add_tree(s, a, 0);
	if (err)
		return err;
	qsort(s->items, s->count, sizeof(*s->items), compare);
	return nest(s);
}

void slices__clear(struct slices *s)
{
	free(s->items);
	*s = (struct slices){};
}

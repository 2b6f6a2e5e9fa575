// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "in_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct item {
	__u64 ns;
	__u64 number;		/* of being added */
	struct mmuscope_record rec[RECORD_SLOTS_MAX];
};

struct in_order {
	struct item *items;
	size_t count, room;
	__u64 added;
};

unsigned int record__slots(unsigned int kind)
{
	switch (kind) {
	case RECORD_MIGRATION:
		return sizeof(struct mmuscope_record_migration) / sizeof(struct mmuscope_record);
	case RECORD_PAGES:
		return sizeof(struct mmuscope_record_pages) / sizeof(struct mmuscope_record);
	default:
		return 1;
	}
}

struct in_order *in_order__new(void)
{
	return calloc(1, sizeof(struct in_order));
}

int in_order__add(struct in_order *o, const struct mmuscope_record *rec)
{
	struct item *item;

	if (o->count == o->room) {
		size_t room = o->room ? 2 * o->room : 256;
		struct item *more = realloc(o->items, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		o->items = more;
		o->room = room;
	}
	item = &o->items[o->count++];
	item->ns = rec->ns;
	item->number = o->added++;
	memcpy(item->rec, rec, record__slots(rec->kind) * sizeof(*rec));
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

int in_order__give(struct in_order *o, __u64 until,
		   int (*take)(void *ctx, const struct mmuscope_record *rec), void *ctx)
{
	size_t n = 0;
	int err = 0;

	if (!o->count)
		return 0;
	qsort(o->items, o->count, sizeof(*o->items), by_time);
	while (!err && n < o->count && o->items[n].ns <= until)
		err = take(ctx, o->items[n++].rec);
	o->count -= n;
	memmove(o->items, o->items + n, o->count * sizeof(*o->items));
	return err;
}

void in_order__free(struct in_order *o)
{
	if (!o)
		return;
	free(o->items);
	free(o);
}

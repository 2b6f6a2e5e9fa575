// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "windows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int windows__add(struct windows *w, const struct mmuscope_window *item)
{
	struct mmuscope_window *items = w->items;

	/* Room grows by doubling: whenever the count is a power of two. */
	if (!(w->count & (w->count - 1))) {
		items = reallocarray(items, w->count ? w->count * 2 : 1, sizeof(*items));
		if (!items)
			return -ENOMEM;
		w->items = items;
	}
	items[w->count++] = *item;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct mmuscope_window *x = a, *y = b;

	if (x->open_ns != y->open_ns)
		return x->open_ns > y->open_ns ? -1 : 1;
	if (x->opened_ns != y->opened_ns)
		return x->opened_ns < y->opened_ns ? -1 : 1;
	return x->task < y->task ? -1 : x->task > y->task;
}

void windows__sort(struct windows *w)
{
	if (w->count)
		qsort(w->items, w->count, sizeof(*w->items), by_time);
}

void windows__clear(struct windows *w)
{
	free(w->items);
	w->items = NULL;
	w->count = 0;
	w->still_open = 0;
}

const char *window_fate_name(unsigned int fate)
{
	static const char *const names[WINDOW_FATE_MAX] = {
		[WINDOW_OPEN] = "still open",
		[WINDOW_ENDED] = "ended",
		[WINDOW_TASK_EXITED] = "task exited",
		[WINDOW_OVERRUN] = "overrun",
	};

	return fate < WINDOW_FATE_MAX ? names[fate] : "?";
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "text.h"

#include <stdlib.h>

const bool text__is_plain[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

void text__fail(struct text *t)
{
	t->failed = true;
	t->room = t->len;
}

bool text__grow(struct text *t, size_t more)
{
	size_t room = t->room ? t->room : 4096;
	char *data = NULL;

	while (room && room - t->len < more)
		room *= 2;
	if (room && !t->failed)
		data = realloc(t->data, room);
	if (!data) {
		text__fail(t);
		return false;
	}
	t->data = data;
	t->room = room;
	return true;
}

void text__clear(struct text *t)
{
	free(t->data);
	*t = (struct text){};
}

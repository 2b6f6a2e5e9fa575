// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sentences.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sentences__add(struct sentences *list, const char *fmt, ...)
{
	char **grown, *text;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -ENOMEM;
	sentence__make_printable(text);
	for (size_t i = 0; i < list->n; i++) {
		if (!strcmp(list->text[i], text)) {
			free(text);
			return 0;
		}
	}
	grown = reallocarray(list->text, list->n + 1, sizeof(*grown));
	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	list->text = grown;
	list->text[list->n++] = text;
	return 0;
}

void sentences__clear(struct sentences *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->text[i]);
	free(list->text);
	*list = (struct sentences){0};
}

void sentence__make_printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
}

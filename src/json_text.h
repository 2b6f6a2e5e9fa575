/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_JSON_TEXT_H
#define MMUSCOPE_JSON_TEXT_H

/*
 * JSON written as it comes, byte for byte what jansson makes of the same tree with
 * JSON_COMPACT, for lists of many rows: the tree of a row takes forty times as long.
 *
 *	size_t row = json_text__begin(t);
 *	json_text__key(t, "pid");
 *	json_text__integer(t, 1);
 *	json_text__end(t, row, '{', '}');
 *
 * In front of each member and element there is a comma. That of the first becomes the
 * bracket that opens.
 */
#include <jansson.h>

#include "text.h"

/* Behind it come members or elements, and at last its end. */
static inline size_t json_text__begin(const struct text *t)
{
	return t->len;
}

void json_text__end(struct text *t, size_t begin, char open, char close);

/* A name that is a literal and needs no escapes. */
#define json_text__key(t, name) text__literal(t, ",\"" name "\":")

/* In front of an element of an array. */
#define json_text__comma(t) text__literal(t, ",")

/* Text and an integer behind it, with one look at the room for both. */
static inline void json_text__text_integer(struct text *t, const char *s, size_t size, json_int_t n)
{
	char *at = text__reserve(t, size + 1 + TEXT_DECIMAL);

	if (!at)
		return;
	text__copy(at, s, size);
	at += size;
	if (n < 0)
		*at++ = '-';
	at = text__put_number(at, n < 0 ? -(uint64_t)n : (uint64_t)n);
	t->len = (size_t)(at - t->data);
}

#define json_text__key_integer(t, name, n) \
	json_text__text_integer(t, ",\"" name "\":", sizeof(",\"" name "\":") - 1, n)

static inline void json_text__integer(struct text *t, json_int_t n)
{
	json_text__text_integer(t, "", 0, n);
}

static inline void json_text__null(struct text *t)
{
	text__literal(t, "null");
}

/* A string that is known to need no escape: a word of ours. */
static inline void json_text__word(struct text *t, const char *s)
{
	size_t n = strlen(s);
	char *at = text__reserve(t, n + 2);

	if (!at)
		return;
	*at = '"';
	text__copy(at + 1, s, n);
	at[n + 1] = '"';
	t->len += n + 2;
}

/* null for NULL; what is not UTF-8 is "(not UTF-8)". */
void json_text__string(struct text *t, const char *s);

/* The members of an object, where members go. NULL is no memory, as elsewhere in jansson. */
void json_text__members(struct text *t, const json_t *object);

#endif

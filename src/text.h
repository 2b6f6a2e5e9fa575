/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TEXT_H
#define MMUSCOPE_TEXT_H

/*
 * Text that grows, for what is written a thousand times an interval: what is known when
 * compiling is copied without a call. Without memory it is `failed` and takes no more.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *data;		/* no NUL behind it */
	size_t len, room;
	bool failed;
};

/* False: no memory. */
bool text__grow(struct text *t, size_t more);

/* Something is missing in it: from now on nothing fits. */
void text__fail(struct text *t);

/* Frees what it has; it can be used again. */
void text__clear(struct text *t);

/* Room for `more` behind what is there, which the caller fills. NULL: no memory. */
static inline char *text__reserve(struct text *t, size_t more)
{
	if (t->room - t->len < more && !text__grow(t, more))
		return NULL;
	return t->data + t->len;
}

/* Words and numbers are so short that a call of memcpy() would take longer. */
static inline void text__copy(char *to, const char *from, size_t n)
{
	if (__builtin_constant_p(n)) {
		memcpy(to, from, n);
		return;
	}
	for (; n >= 8; n -= 8, to += 8, from += 8)
		memcpy(to, from, 8);
	if (n & 4) {
		memcpy(to, from, 4);
		to += 4;
		from += 4;
	}
	if (n & 2) {
		memcpy(to, from, 2);
		to += 2;
		from += 2;
	}
	if (n & 1)
		*to = *from;
}

static inline void text__add(struct text *t, const char *s, size_t n)
{
	char *at = text__reserve(t, n);

	if (!at)
		return;
	text__copy(at, s, n);
	t->len += n;
}

#define text__literal(t, s) text__add(t, s, sizeof(s) - 1)

/* Printable ASCII but for the quote and the backslash: what neither a table nor JSON escapes. */
extern const bool text__is_plain[256];

/* How many of the first characters are. */
static inline size_t text__plain(const char *s)
{
	size_t n = 0;

	while (text__is_plain[(unsigned char)s[n]])
		n++;
	return n;
}

#define TEXT_DECIMAL 20		/* the longest number */

/* Puts the digits of `n` before `end`; where they begin. */
static inline char *text__digits(char *end, uint64_t n)
{
	do
		*--end = (char)('0' + n % 10);
	while (n /= 10);
	return end;
}

/* Puts the digits of `n` at `at`, which has room for TEXT_DECIMAL; where they end. */
static inline char *text__put_number(char *at, uint64_t n)
{
	size_t digits = 1;

	for (uint64_t rest = n; rest >= 10; rest /= 10)
		digits++;
	text__digits(at + digits, n);
	return at + digits;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SENTENCES_H
#define MMUSCOPE_SENTENCES_H

/* A growing list of sentences for people: warnings, notes, broken invariants. */
#include <stddef.h>

struct sentences {
	char **text; /* `n` of them, owned by the list; all zero is an empty list */
	size_t n;
};

/*
 * Adds one, made printable, unless the list has it already.
 * Returns 0 or -ENOMEM.
 */
int sentences__add(struct sentences *list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Frees the sentences, not the struct, and leaves an empty list. */
void sentences__clear(struct sentences *list);

/*
 * Replaces control characters with '?': names that come from a file, a command
 * line or a process must not write on the terminal.
 */
void sentence__make_printable(char *text);

#endif

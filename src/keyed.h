/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_KEYED_H
#define MMUSCOPE_KEYED_H

/*
 * Entries of one size, found by the key that they begin with, in the order in which
 * they came. A hash table, because a record costs several searches and there are
 * millions; libc's hsearch() takes text only and no more than was said at first.
 */
#include <stddef.h>

struct keyed {
	size_t key_size, entry_size;
	char *entries;		/* `count` of them, one after the other */
	size_t count;
	unsigned int *slots;	/* 1 + index, 0: free; a power of two, at least twice `count` */
	size_t slot_count;
	size_t last;		/* index of the entry that was got last */
};

/* Keys are compared by their bytes: what they do not use must be 0. */
static inline struct keyed keyed__of(size_t key_size, size_t entry_size)
{
	return (struct keyed){ .key_size = key_size, .entry_size = entry_size };
}

/*
 * The entry of `key`; one that is not there is added, zero behind its key. Valid until the
 * next keyed__get(). NULL: no memory.
 */
void *keyed__get(struct keyed *k, const void *key);

/* NULL where it is not there. */
void *keyed__find(const struct keyed *k, const void *key);

static inline void *keyed__at(const struct keyed *k, size_t i)
{
	return k->entries + i * k->entry_size;
}

/* Frees the entries and leaves an empty table of the same sizes. */
void keyed__clear(struct keyed *k);

#endif

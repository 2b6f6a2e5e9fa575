// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "keyed.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Eight bytes a step; the shifts bring what the multiplication moved up down again. */
static uint64_t hash(const void *key, size_t size)
{
	const char *at = key;
	uint64_t h = size;

	while (size) {
		size_t n = size < 8 ? size : 8;
		uint64_t word = 0;

		memcpy(&word, at, n);
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 32;
		at += n;
		size -= n;
	}
	return h * 0x9e3779b97f4a7c15ULL >> 20;
}

/* Keys are short, and a call would take longer than the comparison. */
static bool same(const void *a, const void *b, size_t size)
{
	const char *x = a, *y = b;
	uint64_t differs = 0;

	while (size) {
		size_t n = size < 8 ? size : 8;
		uint64_t v = 0, w = 0;

		if (n == 8) {
			memcpy(&v, x, 8);
			memcpy(&w, y, 8);
		} else {
			memcpy(&v, x, n);
			memcpy(&w, y, n);
		}
		differs |= v ^ w;
		x += n;
		y += n;
		size -= n;
	}
	return !differs;
}

/* The slot that has the key, or the free one where it would go. */
static unsigned int *slot_of(const struct keyed *k, const void *key)
{
	size_t mask = k->slot_count - 1;

	for (size_t i = hash(key, k->key_size) & mask;; i = (i + 1) & mask)
		if (!k->slots[i] || same(keyed__at(k, k->slots[i] - 1), key, k->key_size))
			return &k->slots[i];
}

/* Twice the slots, and room for half as many entries: both stay no more than half full. */
static int grow(struct keyed *k)
{
	size_t n = k->slot_count ? 2 * k->slot_count : 16;
	unsigned int *slots;
	char *entries;

	if (n / 2 > UINT_MAX)
		return -1;
	entries = realloc(k->entries, n / 2 * k->entry_size);
	if (!entries)
		return -1;
	k->entries = entries;
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		return -1;
	free(k->slots);
	k->slots = slots;
	k->slot_count = n;
	for (size_t i = 0; i < k->count; i++)
		*slot_of(k, keyed__at(k, i)) = (unsigned int)i + 1;
	return 0;
}

void *keyed__get(struct keyed *k, const void *key)
{
	unsigned int *slot;
	char *entry;

	/* The next record is most often of the same process, task or driver. */
	if (k->last < k->count && same(keyed__at(k, k->last), key, k->key_size))
		return keyed__at(k, k->last);
	slot = k->slots ? slot_of(k, key) : NULL;
	if (slot && *slot) {
		k->last = *slot - 1;
		return keyed__at(k, k->last);
	}
	if (2 * k->count == k->slot_count) {
		if (grow(k))
			return NULL;
		slot = slot_of(k, key);
	}
	entry = keyed__at(k, k->count);
	memcpy(entry, key, k->key_size);
	memset(entry + k->key_size, 0, k->entry_size - k->key_size);
	k->last = k->count++;
	*slot = (unsigned int)k->count;
	return entry;
}

void *keyed__find(const struct keyed *k, const void *key)
{
	unsigned int *slot = k->slots ? slot_of(k, key) : NULL;

	return slot && *slot ? keyed__at(k, *slot - 1) : NULL;
}

void keyed__clear(struct keyed *k)
{
	free(k->entries);
	free(k->slots);
	*k = keyed__of(k->key_size, k->entry_size);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "ksyms.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN 0x100000		/* no symbol of the kernel is longer */
#define NO_MODULE ((__u32)-1)

/* Names by their place in one buffer: 100,000 of them would cost more than they say. */
struct entry {
	__u64 address;
	__u32 name;
	__u32 module;
	bool global;
};

struct ksyms {
	struct entry *entries;
	size_t count, room;
	char *text;
	size_t text_used, text_room;
};

static int add_text(struct ksyms *k, const char *text, __u32 *at)
{
	size_t size = strlen(text) + 1;

	if (k->text_used + size > k->text_room) {
		size_t room = 2 * k->text_room + size + 4096;
		char *bigger = realloc(k->text, room);

		if (!bigger)
			return -ENOMEM;
		k->text = bigger;
		k->text_room = room;
	}
	*at = (__u32)k->text_used;
	memcpy(k->text + k->text_used, text, size);
	k->text_used += size;
	return 0;
}

/* kallsyms has the symbols of a module together. */
static int add_module(struct ksyms *k, const char *module, __u32 *at)
{
	const struct entry *last = k->count ? &k->entries[k->count - 1] : NULL;

	if (last && last->module != NO_MODULE && !strcmp(k->text + last->module, module)) {
		*at = last->module;
		return 0;
	}
	return add_text(k, module, at);
}

static int add_entry(struct ksyms *k, __u64 address, char type, const char *name,
		     const char *module)
{
	struct entry e = { .address = address, .module = NO_MODULE, .global = isupper(type) };
	int err = add_text(k, name, &e.name);

	if (!err && module[0])
		err = add_module(k, module, &e.module);
	if (err)
		return err;
	if (k->count == k->room) {
		size_t room = k->room ? 2 * k->room : 1024;
		struct entry *bigger = realloc(k->entries, room * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		k->entries = bigger;
		k->room = room;
	}
	k->entries[k->count++] = e;
	return 0;
}

/* The text's order is the file's. */
static int by_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->global != y->global)
		return x->global ? -1 : 1;
	return (x->name > y->name) - (x->name < y->name);
}

/* "ffffffff81000000 T name", and "\t[module]" behind those of modules. */
static int read_lines(struct ksyms *k, FILE *f, const char *types, bool *hidden)
{
	char *line = NULL;
	size_t cap = 0;
	int err = 0;

	while (!err && getline(&line, &cap, f) > 0) {
		char *rest, *name, *module;
		__u64 address = strtoull(line, &rest, 16);

		if (rest == line || rest[0] != ' ' || !rest[1] || rest[2] != ' ')
			continue;
		if (types && !strchr(types, rest[1]))
			continue;
		if (!address) {
			*hidden = true;
			continue;
		}
		name = rest + 3;
		module = name + strcspn(name, " \t\n");
		if (*module)
			*module++ = '\0';
		module += strspn(module, " \t\n[");
		module[strcspn(module, "]\n")] = '\0';
		err = add_entry(k, address, rest[1], name, module);
	}
	if (!err && ferror(f))
		err = -EIO;
	free(line);
	return err;
}

int ksyms__read(struct ksyms **out, const char *path, const char *types)
{
	FILE *f = fopen(path ? path : "/proc/kallsyms", "re");
	struct ksyms *k = calloc(1, sizeof(*k));
	bool hidden = false;
	int err = f ? 0 : -errno;

	*out = NULL;
	if (!err && !k)
		err = -ENOMEM;
	if (!err)
		err = read_lines(k, f, types, &hidden);
	if (!err && !k->count && hidden)
		err = -EACCES;
	if (f)
		fclose(f);
	if (err) {
		ksyms__free(k);
		return err;
	}
	if (k->count)
		qsort(k->entries, k->count, sizeof(*k->entries), by_address);
	*out = k;
	return 0;
}

bool ksyms__find(const struct ksyms *k, __u64 address, struct ksym *out)
{
	size_t low = 0, high = k->count;
	const struct entry *e;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->entries[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address - k->entries[low - 1].address > SPAN)
		return false;
	e = &k->entries[low - 1];
	while (e > k->entries && e[-1].address == e->address)
		e--;
	out->name = k->text + e->name;
	out->module = e->module == NO_MODULE ? NULL : k->text + e->module;
	out->address = e->address;
	return true;
}

size_t ksyms__count(const struct ksyms *k)
{
	return k->count;
}

void ksyms__free(struct ksyms *k)
{
	if (!k)
		return;
	free(k->entries);
	free(k->text);
	free(k);
}

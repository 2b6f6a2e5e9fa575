// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "names.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentences.h"

#define OWNER_SPAN 0x10000	/* an owner further from a symbol is not of that symbol */

void names__make_legal(char *name)
{
	json_t *legal = json_string(name);

	sentence__make_printable(name);
	for (char *c = name; !legal && *c; c++)
		if (*c & 0x80)
			*c = '?';
	json_decref(legal);
}

/* What a record has of a process: `start` is ns >> 20, cut to 32 bits. */
struct process_index {
	__u32 tgid, start;
	__u32 first;		/* 1 + index */
};

static struct name_process *first_process(const struct names *n, __u32 tgid, __u32 start)
{
	const __u32 key[2] = { tgid, start };
	const struct process_index *i = keyed__find(&n->index, key);

	return i ? &n->processes[i->first - 1] : NULL;
}

static struct name_process *find_process(const struct names *n, __u32 tgid, __u64 start)
{
	struct name_process *p = first_process(n, tgid, (__u32)(start >> 20));

	while (p && p->start != start)
		p = p->next ? &n->processes[p->next - 1] : NULL;
	return p;
}

/* Behind those that a record cannot tell from it, so that the first told stays the first. */
static int index_process(struct names *n, size_t at)
{
	struct name_process *p = &n->processes[at], *first;
	const __u32 key[2] = { p->tgid, (__u32)(p->start >> 20) };
	struct process_index *i;

	if (!n->index.key_size)
		n->index = keyed__of(sizeof(key), sizeof(struct process_index));
	i = keyed__get(&n->index, key);
	if (!i)
		return -ENOMEM;
	p->next = 0;
	if (i->first) {
		first = &n->processes[i->first - 1];
		p->next = first->next;
		first->next = (__u32)at + 1;
	} else {
		i->first = (__u32)at + 1;
	}
	return 0;
}

static struct name_process *new_process(struct names *n, __u32 tgid, __u64 start)
{
	struct name_process *p = realloc(n->processes, (n->process_count + 1) * sizeof(*p));

	if (!p)
		return NULL;
	n->processes = p;
	p += n->process_count;
	p->tgid = tgid;
	p->start = start;
	if (index_process(n, n->process_count))
		return NULL;
	n->process_count++;
	return p;
}

int names__add_process(struct names *n, __u32 tgid, __u64 start, const char *comm)
{
	struct name_process *p = find_process(n, tgid, start);

	if (!p)
		p = new_process(n, tgid, start);
	if (!p)
		return -ENOMEM;
	snprintf(p->comm, sizeof(p->comm), "%s", comm);
	names__make_legal(p->comm);
	return 0;
}

static int new_callback(struct names *n, const char *symbol, const char *module, const char *kind,
			const char *source)
{
	struct name_callback *c = realloc(n->callbacks, (n->callback_count + 1) * sizeof(*c));

	if (!c)
		return -ENOMEM;
	n->callbacks = c;
	c += n->callback_count;
	snprintf(c->symbol, sizeof(c->symbol), "%s", symbol);
	snprintf(c->module, sizeof(c->module), "%s", module ? module : "");
	c->kind = kind;
	c->source = source;
	c->address = 0;
	c->owner_by = OWNER_BY_MIGRATION;
	return (int)n->callback_count++;
}

/* A module that comes back gets its callbacks' old ids, and one table with them. */
int names__add_callback(struct names *n, const char *symbol, const char *module,
			const char *kind, const char *source)
{
	for (size_t i = 0; i < n->callback_count; i++)
		if (!strcmp(n->callbacks[i].symbol, symbol) &&
		    !strcmp(n->callbacks[i].module, module ? module : "") &&
		    !strcmp(n->callbacks[i].source, source))
			return (int)i;
	return new_callback(n, symbol, module, kind, source);
}

bool names__knows_process(const struct names *n, __u32 tgid, __u64 start)
{
	return find_process(n, tgid, start);
}

const struct name_process *names__recorded(const struct names *n, __u32 tgid, __u32 start)
{
	return first_process(n, tgid, start);
}

const char *names__recorded_comm(const struct names *n, __u32 tgid, __u32 start)
{
	const struct name_process *p = tgid ? names__recorded(n, tgid, start) : NULL;

	return p ? p->comm : tgid ? "?" : "(unknown)";
}

const char *names__comm(const struct names *n, __u32 tgid, __u64 start)
{
	const struct name_process *p = tgid ? find_process(n, tgid, start) : NULL;

	return p ? p->comm : tgid ? "?" : "(unknown)";
}

const struct name_callback *names__callback(const struct names *n, __u64 id)
{
	if (id < n->callback_count)
		return n->callbacks[id].address ? NULL : &n->callbacks[id];
	for (size_t i = 0; i < n->callback_count; i++)
		if (n->callbacks[i].address == id)
			return &n->callbacks[i];
	return NULL;
}

const char *names__symbol(const struct names *n, __u64 what)
{
	const struct name_callback *c = names__callback(n, what);

	return c && c->symbol[0] ? c->symbol : "?";
}

const char *names__module(const struct names *n, __u64 what)
{
	const struct name_callback *c = names__callback(n, what);

	return c ? c->module : "";
}

/* The nearest symbol at or below `address`, in one pass: kallsyms is not sorted across modules. */
static void find_symbol(__u64 address, char *out, size_t size)
{
	char line[512], best[64] = "", best_module[64] = "";
	__u64 best_at = 0;
	FILE *f = fopen("/proc/kallsyms", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char name[64], module[64] = "";
		__u64 at = strtoull(line, NULL, 16);

		if (!at || at > address || at < best_at || address - at > OWNER_SPAN)
			continue;
		if (sscanf(line, "%*s %*s %63s %63s", name, module) < 1)
			continue;
		/* Lock classes and the like have size 0 and lie on top of real objects. */
		if (!strncmp(name, "__key.", 6) || !strncmp(name, "__func__.", 9) ||
		    strstr(name, "UNIQUE_ID"))
			continue;
		best_at = at;
		strcpy(best, name);
		strcpy(best_module, module);
	}
	if (f)
		fclose(f);
	if (!best[0])
		snprintf(out, size, "0x%" PRIx64, (uint64_t)address);
	else
		snprintf(out, size, "%s+0x%" PRIx64 "%s%s", best, (uint64_t)(address - best_at),
			 best_module[0] ? " " : "", best_module);
}

void names__function(__u64 address, struct name_callback *out)
{
	char text[sizeof(((struct name_owner *)0)->symbol)], *module;

	memset(out, 0, sizeof(*out));
	find_symbol(address, text, sizeof(text));
	/* "symbol+0x0 [module]" */
	module = strchr(text, '[');
	if (module) {
		*module++ = '\0';
		module[strcspn(module, "]")] = '\0';
		snprintf(out->module, sizeof(out->module), "%.*s", (int)sizeof(out->module) - 1,
			 module);
	}
	text[strcspn(text, "+ ")] = '\0';
	snprintf(out->symbol, sizeof(out->symbol), "%.*s", (int)sizeof(out->symbol) - 1, text);
}

int names__add_function(struct names *n, __u64 address, const char *kind, const char *source)
{
	struct name_callback name;
	int i;

	names__function(address, &name);
	i = new_callback(n, name.symbol, name.module, kind, source);
	if (i < 0)
		return i;
	n->callbacks[i].address = address;
	return 0;
}

const char *names__told_owner(const struct names *n, __u64 address)
{
	for (size_t i = 0; i < n->owner_count; i++)
		if (n->owners[i].address == address)
			return n->owners[i].symbol;
	return NULL;
}

/* Its symbol is for the caller to fill in. */
static struct name_owner *new_owner(struct names *n, __u64 address)
{
	struct name_owner *o = realloc(n->owners, (n->owner_count + 1) * sizeof(*o));

	if (!o)
		return NULL;
	n->owners = o;
	o += n->owner_count++;
	o->address = address;
	return o;
}

const char *names__owner(struct names *n, __u64 address)
{
	const char *known = names__told_owner(n, address);
	struct name_owner *o;

	if (!address)
		return "";
	if (known)
		return known;
	o = new_owner(n, address);
	if (!o)
		return "?";
	find_symbol(address, o->symbol, sizeof(o->symbol));
	return o->symbol;
}

int names__add_owner(struct names *n, __u64 address, const char *symbol)
{
	struct name_owner *o;

	if (!address || names__told_owner(n, address))
		return 0;
	o = new_owner(n, address);
	if (!o)
		return -ENOMEM;
	if (symbol)
		snprintf(o->symbol, sizeof(o->symbol), "%s", symbol);
	else
		snprintf(o->symbol, sizeof(o->symbol), "0x%" PRIx64, (uint64_t)address);
	return 0;
}

/* NULL: no memory. Never empty, so that NULL says nothing else. */
static void *copy_of(const void *array, size_t bytes)
{
	void *copy = malloc(bytes + 1);

	if (copy && bytes)
		memcpy(copy, array, bytes);
	return copy;
}

int names__copy(struct names *to, const struct names *from)
{
	int err = 0;

	*to = *from;
	to->index = (struct keyed){};
	to->processes = copy_of(from->processes, from->process_count * sizeof(*to->processes));
	to->callbacks = copy_of(from->callbacks, from->callback_count * sizeof(*to->callbacks));
	to->owners = copy_of(from->owners, from->owner_count * sizeof(*to->owners));
	if (!to->processes || !to->callbacks || !to->owners)
		err = -ENOMEM;
	for (size_t i = 0; i < to->process_count && !err; i++)
		err = index_process(to, i);
	if (err)
		names__clear(to);
	return err;
}

void names__clear(struct names *n)
{
	free(n->processes);
	free(n->callbacks);
	free(n->owners);
	keyed__clear(&n->index);
	memset(n, 0, sizeof(*n));
}

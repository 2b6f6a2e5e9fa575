/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SUBSCRIBERS_H
#define MMUSCOPE_SUBSCRIBERS_H

/*
 * Who subscribes to the invalidations of which process. Plain data: what the walk
 * found is added row by row, put in order, checked and printed; no BPF behind it.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "bpf/subscribers.h"
#include "names.h"
#include "sentences.h"
#include "symbols.h"

/* One for each process, kind and callback. */
struct subscriber {
	__u32 tgid;
	__u64 mm;
	__u32 kind, ops;
	__u64 function, inner;
	__u64 count, whole, pages, min_pages, max_pages;
};

struct subscribers {
	struct subscriber *list;
	size_t count;
	struct names names;		/* of the processes, by tgid and mm */
	struct symbol *symbols;		/* of the functions */
	size_t symbol_count;
	struct sentences incomplete;	/* why something may be missing */
	size_t changing;		/* of these, those that another walk may settle */
};

/* All zero is an empty list. Frees what it owns and leaves it empty. */
void subscribers__clear(struct subscribers *s);

/*
 * Adds what the walk says of one address space; what is not complete becomes a
 * sentence. Its rows are to be added after it. Returns 0 or -ENOMEM.
 */
int subscribers__add_process(struct subscribers *s, __u64 mm, const struct subscriber_process *p);

/*
 * Adds a row, unless it is of a walk that was given up; the same callback of the
 * same process is one row. Returns 0 or -ENOMEM.
 */
int subscribers__add_row(struct subscribers *s, const struct subscriber_process *p,
			 const struct subscriber_key *key, const struct subscriber_row *row);

/* Looks every function up and puts the rows in order. */
void subscribers__resolve(struct subscribers *s, FILE *kallsyms);

/* How many functions have no name, which is all of them where addresses are hidden. */
size_t subscribers__unnamed(const struct subscribers *s);

/*
 * The driver that a callback belongs to: the module of the innermost function, else
 * what the callback of a built-in driver is known as. NULL: not known.
 */
const char *subscriber__driver(const struct subscribers *s, const struct subscriber *r);

/* Name of an enum subscriber_op, as in the kernel's struct. */
const char *subscriber_op_name(unsigned int op);

/* Returns 0 or -errno; see table.h. */
int subscribers__print(const struct subscribers *s, FILE *out);

/* The mmuscope-subscribers/1 document without what is not of the walk. NULL: no memory. */
json_t *subscribers__json(const struct subscribers *s);

#endif

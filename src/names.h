/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_NAMES_H
#define MMUSCOPE_NAMES_H

/* Names for the numbers in row keys: processes, callbacks, owners. Plain data. */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "keyed.h"

struct name_process {
	__u64 start;
	__u32 tgid;
	__u32 next;		/* 1 + index of one that a record cannot tell from it, 0: none */
	char comm[16];
};

/* A callback's id in the maps is its index here. */
struct name_callback {
	char symbol[64];
	char module[56];
	const char *kind;	/* static string */
	const char *source;	/* static string */
	__u64 address;		/* of a function that was found; 0: known by its id */
	const char *owner_by;	/* static: whose owner an avoidable callback's is */
};

#define OWNER_BY_DRIVER "driver"	/* read from the driver's structures */
#define OWNER_BY_MIGRATION "migration"	/* that of the migration which the task has open */

struct name_owner {
	__u64 address;
	char symbol[96];
};

struct names {
	struct name_process *processes;
	size_t process_count;
	struct name_callback *callbacks;
	size_t callback_count;
	struct name_owner *owners;
	size_t owner_count;
	/* Where a process is in `processes`: each row that is printed asks for its name. */
	struct keyed index;
};

/*
 * Remembers a process's name, with '?' for what is no text; the last one told
 * wins. Returns 0 or -ENOMEM.
 */
int names__add_process(struct names *n, __u32 tgid, __u64 start, const char *comm);
/* Was its name told? */
bool names__knows_process(const struct names *n, __u32 tgid, __u64 start);

/*
 * A process calls itself what it likes, and the kernel cuts that in the middle
 * of a character: jansson refuses what is not UTF-8, and the row with it. Puts '?'
 * for what is no text.
 */
void names__make_legal(char *name);

/* Registers a callback, or finds it again, and returns its id, or -ENOMEM. */
int names__add_callback(struct names *n, const char *symbol, const char *module,
			const char *kind, const char *source);

/*
 * The process of a record, whose `start` is ns >> 20 and cut to 32 bits. NULL where it
 * was not told.
 */
const struct name_process *names__recorded(const struct names *n, __u32 tgid, __u32 start);

/* Its comm, as names__comm(). */
const char *names__recorded_comm(const struct names *n, __u32 tgid, __u32 start);

/* comm of the process; "?" where unknown, "(unknown)" for tgid 0. */
const char *names__comm(const struct names *n, __u32 tgid, __u64 start);

/*
 * The same for a function that only its address tells of. Returns 0 or -ENOMEM.
 */
int names__add_function(struct names *n, __u64 address, const char *kind, const char *source);

/* The name of the function at `address`: symbol and module, from /proc/kallsyms. */
void names__function(__u64 address, struct name_callback *out);

/* By a row key's `what`, an id or an address. NULL where it is neither. */
const struct name_callback *names__callback(const struct names *n, __u64 id);

/* Its function, "?" where that was not told; its module, "" where not or in the kernel. */
const char *names__symbol(const struct names *n, __u64 what);
const char *names__module(const struct names *n, __u64 what);

/*
 * "symbol+0x10 [module]" for the address of a pgmap owner, by one pass over
 * /proc/kallsyms for each new address; its hexadecimal number where no data
 * symbol covers it (within 64 KiB). "" for 0. Owned by `n`.
 */
const char *names__owner(struct names *n, __u64 address);

/* The same of what was told before, with no look-up; NULL where it was not. */
const char *names__told_owner(const struct names *n, __u64 address);

/*
 * What names__owner() shall say; its number where `symbol` is NULL. One that is known stays
 * as it is. Returns 0 or -ENOMEM.
 */
int names__add_owner(struct names *n, __u64 address, const char *symbol);

/* A deep copy into `to`, which is overwritten. Returns 0 or -ENOMEM. */
int names__copy(struct names *to, const struct names *from);

void names__clear(struct names *n);

#endif

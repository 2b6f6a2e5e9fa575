/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_OWNERS_H
#define MMUSCOPE_OWNERS_H

/*
 * Where drivers keep the owner of their device-private memory, as data: the way to it
 * from a subscription, by the names of structs and members, which the BTF of the
 * driver's module turns into offsets.
 */
#include <bpf/btf.h>

#include "bpf/mmuscope.h"

/* From a pointer to the member `from` of a struct (NULL: to the struct) to the value of `to`. */
struct owner_step {
	const char *type, *from, *to;	/* members as "a.b.c" */
};

struct owner_way {
	const char *module;	/* whose BTF has all of it */
	struct owner_step step[MMUSCOPE_OWNER_STEPS]; /* ends before the first without a type */
	bool or_itself;		/* where the last value is NULL it is the last struct's address */
};

/* NULL for OWNER_OF_MIGRATION, whose way leads nowhere. */
const struct owner_way *owner_way(enum mmuscope_owner_reader reader);

/*
 * The same in offsets, by a BTF (of the module, on top of the kernel's). Returns 0, or
 * -ENOENT where that lacks a struct or a member: another release's.
 */
int owner_way__resolve(const struct owner_way *way, const struct btf *btf,
		       struct mmuscope_owner_path *out);

/* Bytes from the beginning of a struct to its member "a.b.c", or -ENOENT. */
long btf_member_offset(const struct btf *btf, const char *type, const char *path);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SURFACE_H
#define MMUSCOPE_SURFACE_H

/*
 * What the BPF programs ask of a kernel: each field, type, enum value and function,
 * read from the programs themselves (the CO-RE relocations of .BTF.ext and the names of
 * the sections), and whether the BTF of a kernel has it. Nothing is loaded.
 */
#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>

enum surface_kind {
	SURFACE_FUNCTION,	/* attached to */
	SURFACE_TRACEPOINT,
	SURFACE_ITERATOR,
	SURFACE_FIELD,
	SURFACE_TYPE,
	SURFACE_ENUM_VALUE,
	SURFACE_KINDS,
};

struct surface_item {
	enum surface_kind kind;
	char name[120];		/* "mm_struct.notifier_subscriptions"; without ___flavors */
	bool present;
	const char *module;	/* static: it may be in the BTF of this module; else NULL */
	const char *otherwise;	/* static: what is done where it is absent; NULL: nothing is said */
};

struct surface {
	struct surface_item *items;	/* by kind and name, each once */
	size_t count;
};

/* An ELF object of BPF programs, as it lies in memory. */
struct surface_object {
	const void *elf;
	size_t size;
};

/* Items of the objects, held against `kernel`. 0; -EINVAL: an object without BTF; -ENOMEM. */
int surface__read(struct surface *surface, const struct surface_object *objects, size_t count,
		  const struct btf *kernel);
void surface__clear(struct surface *surface);

const char *surface_kind_name(enum surface_kind kind);

#endif

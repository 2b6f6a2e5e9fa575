/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_CLONES_H
#define MMUSCOPE_CLONES_H

/*
 * Programs that are loaded once for each driver callback, with constants of their own
 * (bpf/callbacks.bpf.c). libbpf loads an object as a whole and once: opening it anew for
 * each callback means to read the kernel's BTF and to relocate everything anew. Here
 * libbpf relocates them once, with the object that holds them, and they are loaded
 * from that by us.
 *
 * The programs are those whose section names no target: SEC("?fentry"), "?fexit",
 * "?kprobe", "?kretprobe".
 */
#include <bpf/libbpf.h>

#include "plan.h"

struct templates;

/*
 * Of an object that is open and not loaded: every such program will be relocated, and
 * what libbpf loads of it is a stub. Once before bpf_object__open*(): it is how libbpf
 * comes to know. Both give 0 or -errno.
 */
int templates__announce(void);
int templates__new(struct templates **out, struct bpf_object *obj);

/* After bpf_object__load(): the stubs have served. */
void templates__done(struct templates *ts);

/* NULL is fine. */
void templates__free(struct templates *ts);

/* One program, loaded for one target. All zero: it is not there. */
struct clone {
	int prog, link, event;	/* file descriptors, 0: none */
};

/*
 * Makes a map of constants of `size` bytes that programs see in place of `rodata`'s.
 * Returns the file descriptor or -errno.
 */
int clone__constants(const struct bpf_map *rodata, const void *data, size_t size);

/*
 * Loads `prog`, one of the templates' object, for the function of the target. `own` is of
 * clone__constants() and takes the place of `rodata`. 0 or -errno.
 */
int clone__load(struct clone *c, const struct templates *ts, const struct bpf_program *prog,
		const struct bpf_map *rodata, int own, const struct plan_target *t);

/* By the address where the target has one, else by name. 0 or -errno. */
int clone__attach(struct clone *c, const struct templates *ts, const struct bpf_program *prog,
		  const struct plan_target *t);

/* Runs of it that the kernel skipped. */
__u64 clone__recursion_misses(const struct clone *c);

/* The program comes off and stays loaded; clone__close(): it goes too. */
void clone__detach(struct clone *c);
void clone__close(struct clone *c);

#endif

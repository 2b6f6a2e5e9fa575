/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_FLOOR_H
#define MMUSCOPE_FLOOR_H

/*
 * The floor of any watching: empty programs, of the same kinds and on the same
 * functions as those of who watches.
 */
#include <stdbool.h>
#include <stddef.h>

/* Of bpf/floor.bpf.c there are so many fentries and fexits, and one each of the probes. */
#define FLOOR_SLOTS 12
#define FLOOR_PLACES 32

enum floor_kind {
	FLOOR_FENTRY,
	FLOOR_FEXIT,
	FLOOR_KPROBE,
	FLOOR_KRETPROBE,
	/* A fentry that does one thing, of which programs are made. */
	FLOOR_STEPS,
	FLOOR_STORE = FLOOR_STEPS,	/* adds to a word of mapped memory */
	FLOOR_CLOCK,			/* bpf_ktime_get_ns() */
	FLOOR_ARRAY,			/* looks up a per-CPU array's element */
	FLOOR_HASH,			/* a hash's, by an 8-byte key */
	FLOOR_STORAGE,			/* the task's storage */
	FLOOR_RING,			/* 64 bytes of a ring buffer, without waking anybody */
	FLOOR_READ,			/* bpf_probe_read_kernel() of 8 bytes */
	FLOOR_KINDS,
};

struct floor_set {
	size_t count;
	struct floor_place {
		char function[64];
		enum floor_kind kind;
	} place[FLOOR_PLACES];
};

struct floor;

/* Loads and attaches them. Returns 0 or -errno, without a word. */
int floor__attach(struct floor **out, const struct floor_set *set);
void floor__free(struct floor *f);

/*
 * Where fentries and fexits are attached now, whoever did it, of the functions that a
 * notification or a migration runs through. An fsession, which is both, counts as both.
 * 0 or -errno; -EOPNOTSUPP: the kernel does not tell (before 5.13).
 */
int floor__attached(struct floor_set *set);

/* Takes from the set what the other has. */
void floor_set__less(struct floor_set *set, const struct floor_set *other);
bool floor_set__equal(const struct floor_set *a, const struct floor_set *b);
/* "fexit FUNCTION, fentry+fexit FUNCTION, ...", to be freed; NULL: no memory. */
char *floor_set__text(const struct floor_set *set);

#endif

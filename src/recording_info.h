/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECORDING_INFO_H
#define MMUSCOPE_RECORDING_INFO_H

/* The info stream of a recording. A part of recording.c. */
#include <jansson.h>
#include <linux/types.h>
#include <stddef.h>

#include "recording.h"
#include "recording_files.h"

/* Rotation removes this CPU's records of its first packets. */
struct recording_drop {
	__u64 cpu, packets, records; /* since it began */
};

/* A callback's name, until it is known which ids there are. */
struct recording_callback {
	__u64 what;
	struct name_callback name;
};

struct recording_told {
	struct recording_info info;
	struct recording_drop *drops;
	size_t drop_count;
	struct recording_callback *callbacks;
	size_t callback_count;
	json_t *end;		/* packets of each CPU; NULL: the recorder was not closed */
	json_t *kept;		/* objects that own strings of `info` */
};

/*
 * Reads it, and fills all of *told; what is damaged in it is not told. info.dropped and
 * info.complete only by recording_told__compare(). 0 or -errno, silent.
 */
int recording_told__read(struct recording_told *told, const struct recording_files *f);

/*
 * Compares what was told with the files that are there: what rotation removed, and in
 * damage->packets_missing what nobody did.
 */
void recording_told__compare(struct recording_told *told, const struct recording_files *f,
			     struct recording_damage *damage);

void recording_told__clear(struct recording_told *told);

#endif

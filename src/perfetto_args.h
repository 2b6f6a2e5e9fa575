/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_PERFETTO_ARGS_H
#define MMUSCOPE_PERFETTO_ARGS_H

/* What a viewer shows of a slice that is clicked on. */
#include <jansson.h>

#include "recording.h"
#include "timeline_slices.h"

/*
 * `track` is the process in whose track the slice lies: another's memory is said.
 * NULL: no memory. What is not known is left out: viewers show no null.
 */
json_t *perfetto_args__of(const struct recording_info *info, const struct slice *s,
			  const struct mmuscope_record *track);

#define PERFETTO_NUMBER 24

/* The name of an owner, which is not 0; `number` where it was not told. */
const char *perfetto_args__owner(const struct names *names, __u64 owner,
				 char number[PERFETTO_NUMBER]);

/* A string with '?' for what is no text: a damaged recording may hold anything. */
json_t *perfetto_args__text(const char *text);

#endif

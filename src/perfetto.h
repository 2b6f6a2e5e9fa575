/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_PERFETTO_H
#define MMUSCOPE_PERFETTO_H

/*
 * Writes a timeline that the Perfetto UI, chrome://tracing and whatever else reads the
 * Trace Event Format (JSON) open: docs/timeline.md says what is seen. Perfetto's own
 * format needs its .proto files to be written and checked by; those are in no package.
 *
 * What comes is written at once; only arrows wait for the end, 48 bytes each.
 */
#include <stdio.h>

#include "activity.h"
#include "recording.h"
#include "refaults.h"

struct perfetto;

/* `out` and `info` are borrowed until perfetto__close(). NULL: no memory. */
struct perfetto *perfetto__open(FILE *out, const struct recording_info *info);

/*
 * What a history tells, see history.h; `p` is a struct perfetto. Return 0, -ENOMEM, or
 * -EIO once `out` is known to have an error.
 */
int perfetto__record(void *p, const struct mmuscope_record *rec);
int perfetto__activity(void *p, const struct activity *a);
int perfetto__refault(void *p, const struct refault *r);

/* Ends the file, which stays open, and frees. NULL is legal. Returns 0 or the first error. */
int perfetto__close(struct perfetto *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECORD_H
#define MMUSCOPE_RECORD_H

/* What a record tells of itself, whatever it is of. */
#include <stdbool.h>

#include "bpf/mmuscope.h"
#include "bpf/records.h"

/* Of a callback. */
static inline enum mmuscope_outcome record__outcome(const struct mmuscope_record *rec)
{
	return (enum mmuscope_outcome)(rec->flags >> RECORD_OUTCOME_SHIFT & (OUTCOME_MAX - 1));
}

/* When it began; its end where that was not timed. */
static inline __u64 record__begin(const struct mmuscope_record *rec)
{
	if (rec->flags & RECORD_UNTIMED)
		return rec->ns;
	return rec->took < rec->ns ? rec->ns - rec->took : 0;
}

/* A notification or callback for the whole address space, whose 2^52 pages nobody has. */
static inline bool record__is_whole(const struct mmuscope_record *rec)
{
	return !rec->from && rec->to == ~0ULL;
}

/* Of 4 KiB, none where it is the whole address space. */
static inline __u64 record__pages(const struct mmuscope_record *rec)
{
	return record__is_whole(rec) ? 0 : (rec->to - rec->from) >> 12;
}

#endif

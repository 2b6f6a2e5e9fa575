/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECORDING_RECORDS_H
#define MMUSCOPE_RECORDING_RECORDS_H

/* The records of whole CTF folders, by libbabeltrace2. A part of recording.c. */
#include <stddef.h>

#include "bpf/records.h"

struct recording_records;

/* 0 or -errno, silent. -EIO: libbabeltrace2 refuses a folder, -ENOENT: it is not all there. */
int recording_records__open(struct recording_records **out, const char *const *folders,
			    size_t count);

/* As recording__next(), silent. */
int recording_records__next(struct recording_records *r, const struct mmuscope_record **rec);

void recording_records__close(struct recording_records *r);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECORDER_H
#define MMUSCOPE_RECORDER_H

/*
 * Writes a recording: a folder that is a CTF 1.8 trace, one stream for each CPU and one
 * with what the numbers in the records mean.
 *
 * A packet is one page of the file, written at once: a kill, a full disk or a crash
 * leaves whole packets. Each has its number, a checksum and how many records were lost
 * before its end.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/mmuscope.h"
#include "bpf/records.h"
#include "names.h"
#include "plan.h"

#define RECORDING_VERSION 2	/* of the layout, in the metadata */
#define RECORDER_SIZE_MIN (256 * 1024) /* the least bound, bytes */

struct recorder_options {
	const char *dir;	/* made if it is not there; must be empty */
	unsigned int cpus;	/* CPUs are 0..cpus-1 */
	__u64 size;		/* bytes that the records may take, 0: no bound. When they are used
				 * up the oldest file of records goes. Not below
				 * RECORDER_SIZE_MIN: -EINVAL */
	json_t *about;		/* see struct recording_info; borrowed */
};

struct recorder;

/*
 * Each returns 0 or -errno (-ENOSPC, -EIO, -ENOTEMPTY, ...) and says nothing; after an
 * error of writing the recorder only takes recorder__close(), what was written stays.
 */
int recorder__open(struct recorder **out, const struct recorder_options *options);

/* Would recorder__open() take this folder? Writes nothing. */
int recorder__check(const char *dir);

/*
 * One record with all its slots. Those of one CPU in the order of their ring; a time that
 * lies before that of the one before it (a preempted program) is set to it. A callback
 * waits for its notification, or for recorder__flush(): the two are written as one.
 */
int recorder__record(struct recorder *r, unsigned int cpu, const struct mmuscope_record *rec);

/* What numbers mean; to be told again is legal, the last one counts. */
int recorder__process(struct recorder *r, const struct name_process *p);
int recorder__callback(struct recorder *r, __u64 what, const struct name_callback *c);
int recorder__owner(struct recorder *r, __u64 address, const char *name);
int recorder__target(struct recorder *r, const struct plan_target *t);
int recorder__stack(struct recorder *r, __s32 id, const char *cause, const char *const *frames,
		    size_t count);

/* Records of each kind lost so far, in all, and on each CPU for its packets. */
int recorder__lost(struct recorder *r, const __u64 lost[RECORD_KINDS], const __u64 *by_cpu);

/* The counters so far, a mmuscope-stat/1 object; `last`: counting has ended. */
int recorder__counters(struct recorder *r, const json_t *stat, bool last);

/* Writes the packets that are begun, so that a kill costs nothing of what came before. */
int recorder__flush(struct recorder *r);

struct recorder_progress {
	__u64 records;		/* written, in files that are there; not those of packets that
				 * are begun */
	__u64 bytes;		/* of all files but the metadata */
	__u64 dropped;		/* records that rotation removed again */
};
struct recorder_progress recorder__progress(const struct recorder *r);

/* Flushes, syncs and closes. NULL is legal. Returns the first error of all, if any. */
int recorder__close(struct recorder *r);

/* Closes, and takes away what nothing was recorded into: the folder is empty again. */
void recorder__discard(struct recorder *r);

#endif

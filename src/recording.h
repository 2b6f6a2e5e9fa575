/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECORDING_H
#define MMUSCOPE_RECORDING_H

/*
 * A recording on disk, read: a folder that is a CTF 1.8 trace, see recorder.h. What is
 * damaged is left out and counted; libbabeltrace2 reads the rest.
 */
#include <jansson.h>
#include <stdbool.h>

#include "bpf/mmuscope.h"
#include "bpf/records.h"
#include "names.h"
#include "plan.h"

/* A stack, named on the machine that was recorded. */
struct recording_stack {
	__s32 id;
	const char *cause;	/* cause__of() of its frames, static or owned by the recording */
	const char **frames;	/* innermost first */
	size_t frame_count;
};

/* What a recording tells beside its records. */
struct recording_info {
	/*
	 * How it was made: {tool, kernel, clock, scope, command, children, latency,
	 * filter: [..]}, each as in mmuscope-stat/1; `filter` the words of the filters
	 * that left records out, empty where none did. {} where it was damaged.
	 */
	json_t *about;
	/*
	 * Processes, owners, and callbacks: an id is an index, and those that only their
	 * address names lie behind. To be asked by names__callback(), which finds nothing
	 * where an id was not told. Not names__owner(): of an owner that was not told it asks
	 * the kernel of this machine. Strings are the recording's.
	 */
	struct names names;
	struct plan plan;	/* what was watched, and why what was not */
	struct recording_stack *stacks; /* by id */
	size_t stack_count;
	/*
	 * The mmuscope-stat/1 object that the counters gave, the last that was written;
	 * NULL: none. `complete`: that is the one from the end, and the recorder was closed
	 * behind it; without, what was cut off at the end cannot be told from what was never
	 * written.
	 */
	json_t *counters;
	bool complete;
	__u64 lost[RECORD_KINDS];	/* by kind, for which the ring had no room; as told last */
	__u64 dropped;		/* records that rotation (--size) removed again */
};

/* NULL: it was not told; an id below 0 is of none. */
const struct recording_stack *recording_info__stack(const struct recording_info *info, __s32 id);

/* What is missing. All 0: the files are whole. */
struct recording_damage {
	__u64 packets;		/* damaged ones, left out */
	__u64 packets_missing;	/* that are not there, by the numbers of their neighbours */
	__u64 bytes;		/* of packets that were cut off or damaged */
	__u64 files;		/* that could not be used at all */
	bool metadata;		/* damaged: read by what this version would have written */
};

struct recording;

/*
 * Opens `dir` and reads what is beside the records. Returns 0 or -errno, after one
 * sentence on stderr: -ENOENT no folder or no recording in it, -EPROTO a CTF trace of
 * something else or of a version that this one does not know, -ENOMEM, -EIO, or what the
 * file system says (-EACCES). A recording that is damaged, or in several files a CPU, is
 * read through a folder of links in TMPDIR, which recording__close() removes.
 */
int recording__open(struct recording **out, const char *dir);

/* Owned by the recording. */
const struct recording_info *recording__info(const struct recording *r);

/*
 * The next record of all CPUs by time; of several slots they lie one after the other.
 * *rec is valid until the next call. Returns 1, 0 at the end, or -errno after a sentence.
 */
int recording__next(struct recording *r, const struct mmuscope_record **rec);

/* Frees what only reading needs: nothing of it is left in TMPDIR. There is no next then. */
void recording__end_reading(struct recording *r);

/* Final once recording__next() has returned 0. */
const struct recording_damage *recording__damage(const struct recording *r);

/* NULL is legal. */
void recording__close(struct recording *r);

#endif

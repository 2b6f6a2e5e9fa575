/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECORDING_FILES_H
#define MMUSCOPE_RECORDING_FILES_H

/*
 * The files of a recording: which packets of them are whole, and folders for
 * libbabeltrace2 in which nothing else lies. A part of recording.c.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "ctf.h"
#include "recording.h"

struct recording_file {
	char *name;
	/* Of its first whole packet; one that differs is none of this file's. */
	__u8 uuid[16];
	__u32 class;		/* enum ctf_class */
	__u64 instance;		/* the CPU */
	__u64 packets;		/* whole ones */
	__u64 first_seq, last_seq;
	__u64 bad, bad_bytes;	/* packets that are not whole */
	unsigned int rank;	/* how many files of its stream come before it */
};

struct recording_files {
	char *dir;		/* as it was given */
	int dir_fd;
	struct ctf_trace trace;
	struct recording_file *files; /* usable ones, by class, instance and first packet */
	size_t count;
	struct recording_damage damage;
	char *temp;		/* NULL: none was needed */
	char **folders;		/* for libbabeltrace2; a stream has one file in each at most */
	size_t folder_count;
};

/* Looks at every packet. 0 or -errno as recording__open(), after a sentence. */
int recording_files__scan(struct recording_files *f, const char *dir);

/*
 * Calls each(packet, ctx) for the whole packets of a file in their order, until one does
 * not return 0. Returns what it returned, or -errno of reading.
 */
int recording_files__each(const struct recording_files *f, const struct recording_file *file,
			  int (*each)(const union ctf_packet *packet, void *ctx), void *ctx);

/* Fills folders[]. 0 or -errno, after a sentence. */
int recording_files__make_folders(struct recording_files *f);

/* Removes the temporary folder. */
/* They are removed as far as they were made, by recording_files__clear() at the latest. */
void recording_files__remove_folders(struct recording_files *f);
void recording_files__clear(struct recording_files *f);

#endif

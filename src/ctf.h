/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_CTF_H
#define MMUSCOPE_CTF_H

/*
 * The layout of a recording, which recorder.c writes and recording.c reads: CTF 1.8,
 * https://diamon.org/ctf/. A folder with
 *
 *	metadata	 the description, text
 *	records_CPU_N	 stream class 0: records of one CPU; N: the file's number
 *	info		 stream class 1: what the numbers in the records mean
 *
 * Every packet is one page, and so a file that was cut by a kill or a full disk ends
 * with a whole one. The last line of the metadata is its checksum.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/records.h"

#define CTF_MAGIC 0xC1FC1FC1U
#define CTF_PACKET 4096		/* bytes of each packet */
#define CTF_METADATA "metadata"
#define CTF_INFO "info"
#define CTF_RECORDS "records_%u_%u"	/* CPU, number */
#define CTF_METADATA_MAX 65536
#define CTF_CPUS_MAX 65536	/* Linux has no more than 8192 */

enum ctf_class {
	CTF_CLASS_RECORDS,
	CTF_CLASS_INFO,
	CTF_CLASSES,
};

/* Packet header and context of both classes; the last field only records have. */
struct ctf_head {
	__u32 magic;
	__u8 uuid[16];		/* of the recording */
	__u32 stream_id;	/* enum ctf_class */
	__u64 stream_instance_id; /* records: the CPU */
	__u64 timestamp_begin, timestamp_end; /* CLOCK_MONOTONIC, ns */
	__u64 content_size, packet_size; /* bits, from the packet's first */
	__u64 packet_seq_num;	/* from 0, of each stream */
	__u64 events_discarded;	/* records that the CPU lost until its end */
	__u32 crc32;		/* zlib's, of the whole page with 0 here */
	__u32 cpu_id;
};

union ctf_packet {
	struct ctf_head head;
	__u8 bytes[CTF_PACKET];
};

_Static_assert(sizeof(struct ctf_head) == 88, "CTF has no holes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the halves of a callback's flags are told in the order of a little-endian machine");

/* Bytes of a packet before its first event. */
static inline size_t ctf__content(__u32 class)
{
	return class == CTF_CLASS_RECORDS ? sizeof(struct ctf_head) :
					    offsetof(struct ctf_head, cpu_id);
}

/* Every event begins with these, unaligned: its id and its time. */
#define CTF_EVENT_HEAD (1 + 8)

/*
 * A record is an event whose id is its kind. Its fields lie in the order of the struct,
 * without `commit`, `kind` and `ns`: two pieces of memory.
 */
#define CTF_FLAT_BYTES (offsetof(struct mmuscope_record, flags) + 1 - \
			offsetof(struct mmuscope_record, event))
#define CTF_FLAT_BITS offsetof(struct mmuscope_record, event)

enum ctf_type {
	CTF_UNSIGNED,
	CTF_HEX,
	CTF_SIGNED,
	CTF_EVENT,
	CTF_PHASE,
	CTF_DIRECTION,
	CTF_SELECT,
	CTF_FLAGS,
	CTF_OUTCOME,
};

struct ctf_field {
	const char *name;	/* in TSDL: what the field's name has before it goes. NULL: it
				 * is not there, for it is 0 */
	enum ctf_type type;
	__u8 bits;
	__u8 count;		/* elements of an array, 0: it is none */
};

struct ctf_record {
	const char *name;
	unsigned int slots;
	size_t field_count;
	const struct ctf_field *fields; /* event, phase, flags, then from `from` on */
};

/*
 * A notification and the callback before it, where that is its last: one event, for what
 * reading costs goes by events and fields. For who reads the recording they are two.
 */
enum {
	CTF_FOLDED = RECORD_KINDS,
	CTF_FOLDED_PLAIN,	/* of no phase, owner and migration: most are */
	CTF_EVENTS,
};

extern const struct ctf_record ctf_records[CTF_EVENTS]; /* [RECORD_NONE]: empty */

/*
 * What the callback has of its own, behind the notification; its outcome and
 * RECORD_AVOIDABLE are in the notification's flags.
 */
struct ctf_callback {
	__u64 what;
	__s32 took;		/* -1: RECORD_UNTIMED */
	__u32 before;		/* ns from its end to the notification's */
};
#define CTF_OF_CALLBACK (RECORD_AVOIDABLE | 0xf << RECORD_OUTCOME_SHIFT)

/* Bytes of its event, of a kind of record. */
static inline size_t ctf__record_bytes(const struct ctf_record *r)
{
	return CTF_EVENT_HEAD + CTF_FLAT_BYTES + r->slots * sizeof(struct mmuscope_record) -
	       offsetof(struct mmuscope_record, from);
}

/*
 * What the info stream tells: events of one shape, a piece of a text, which is JSON in
 * ASCII. Numbers above 2^63 are "0x.." in it. A text ends with the piece that says so.
 */
enum ctf_text {
	TEXT_ABOUT,		/* struct recording_info */
	TEXT_PROCESS,		/* {tgid, start, comm} */
	TEXT_CALLBACK,		/* {what, symbol, module, kind, source, address, owner_by} */
	TEXT_OWNER,		/* {address, symbol} */
	TEXT_TARGET,		/* {metric, symbol, module, source, off, absent, address, reason} */
	TEXT_STACK,		/* {id, cause, frames[]} */
	TEXT_LOST,		/* {lost[]}, by kind */
	TEXT_DROPPED,		/* {cpu, packets, records}, since it began: their files go now */
	TEXT_COUNTERS,		/* a mmuscope-stat/1 object */
	TEXT_COUNTERS_LAST,	/* the same, at the end */
	TEXT_END,		/* {packets[]} by CPU, with those dropped: it was closed */
	TEXTS,
};

extern const char *const ctf_texts[TEXTS];

/* After the event's head, and before the piece and its NUL. */
struct ctf_piece {
	__u32 number;		/* from 0 */
	__u8 last;
} __attribute__((packed));

/* How a recording is described. */
struct ctf_trace {
	__u8 uuid[16];
	__u64 offset;		/* CLOCK_REALTIME less CLOCK_MONOTONIC, ns */
};

/* Allocates the metadata, with its checksum. NULL: no memory. */
char *ctf__metadata(const struct ctf_trace *trace);

enum ctf_metadata_state {
	CTF_OURS,		/* whole; *trace is filled */
	CTF_DAMAGED,		/* or cut, or never ours */
	CTF_FOREIGN,		/* CTF of another tool */
	CTF_OTHER_VERSION,	/* whole, but of another RECORDING_VERSION */
};

/* Looks at a metadata file's `size` bytes, which end with a NUL behind them. */
enum ctf_metadata_state ctf__parse_metadata(const char *text, size_t size,
					    struct ctf_trace *trace);

/* Of its whole page, with 0 in the place of head.crc32. */
__u32 ctf__checksum(const union ctf_packet *packet);

/* Is it a packet of a recording, whole, and with sizes that lie in the page? */
bool ctf__valid(const union ctf_packet *packet);

#endif

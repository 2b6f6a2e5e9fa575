// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "ctf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libdeflate.h>

#include "bpf/mmuscope.h"
#include "recorder.h"
#include "words.h"

/* What all kinds have behind their own field of struct mmuscope_record.what. */
#define WHO                                                                                    \
	{ "took", CTF_UNSIGNED, 64, 0 }, { "tgid", CTF_UNSIGNED, 32, 0 },                      \
		{ "task", CTF_UNSIGNED, 32, 0 }, { "start", CTF_UNSIGNED, 32, 0 },             \
		{ "migration", CTF_UNSIGNED, 32, 0 }
#define RANGE { "from", CTF_HEX, 64, 0 }, { "to", CTF_HEX, 64, 0 }
/* event and stream are words of TSDL: the reader takes the line before a name away. */
#define EVENT { "_event", CTF_EVENT, 8, 0 }
#define NO_EVENT { "_event", CTF_UNSIGNED, 8, 0 }
#define PHASE { "phase", CTF_PHASE, 8, 0 }
#define FLAGS { "flags", CTF_FLAGS, 8, 0 }

static const struct ctf_field notification_fields[] = {
	EVENT, PHASE, FLAGS, RANGE, { "owner", CTF_HEX, 64, 0 }, WHO,
};

static const struct ctf_field callback_fields[] = {
	EVENT, PHASE,
	/* One byte: RECORD_OUTCOME_SHIFT */
	{ "flags", CTF_FLAGS, 4, 0 }, { "outcome", CTF_OUTCOME, 4, 0 },
	RANGE, { "callback", CTF_HEX, 64, 0 }, WHO,
};

static const struct ctf_field fault_fields[] = {
	NO_EVENT, PHASE, FLAGS, RANGE, { "returned", CTF_SIGNED, 64, 0 }, WHO,
};

static const struct ctf_field migration_fields[] = {
	{ "selects", CTF_SELECT, 8, 0 },
	{ "direction", CTF_DIRECTION, 8, 0 },
	FLAGS, RANGE, { "owner", CTF_HEX, 64, 0 }, WHO,
	{ "setup", CTF_UNSIGNED, 64, 0 },
	{ "copy", CTF_UNSIGNED, 64, 0 },
	{ "pages", CTF_UNSIGNED, 64, 0 },
	{ "finalize", CTF_UNSIGNED, 64, 0 },
	{ "asked", CTF_UNSIGNED, 64, 0 },
	{ "collected", CTF_UNSIGNED, 64, 0 },
	{ "migrated", CTF_UNSIGNED, 64, 0 },
	{ "compound", CTF_UNSIGNED, 64, 0 },
	{ "pages_performed", CTF_UNSIGNED, 64, 0 },
	{ "skipped", CTF_UNSIGNED, 32, 0 },
	{ "performed", CTF_UNSIGNED, 32, 0 },
	{ "failed", CTF_UNSIGNED, 32, 0 },
	{ "undetermined", CTF_UNSIGNED, 32, 0 },
	{ "avoidable", CTF_UNSIGNED, 32, 0 },
	{ "parent", CTF_UNSIGNED, 32, 0 },
	{ "stack", CTF_SIGNED, 32, 0 },
	{ "not_collected", CTF_UNSIGNED, 32, 0 },
	{ "hole", CTF_UNSIGNED, 32, 0 },
	{ "not_selected", CTF_UNSIGNED, 32, 0 },
	{ "other_owner", CTF_UNSIGNED, 32, 0 },
	{ "busy", CTF_UNSIGNED, 32, 0 },
	{ "no_destination", CTF_UNSIGNED, 32, 0 },
	{ "changed", CTF_UNSIGNED, 32, 0 },
};

static const struct ctf_field pages_fields[] = {
	NO_EVENT, PHASE, FLAGS, RANGE, { "what", CTF_HEX, 64, 0 }, WHO,
	/* Two pages each: to read 128 numbers takes twice as long as 64. */
	{ "page", CTF_HEX, 8, RECORD_PAGES_MAX / 2 },
};

static const struct ctf_field stack_fields[] = {
	NO_EVENT, PHASE, FLAGS, RANGE, { "stack", CTF_SIGNED, 64, 0 }, WHO,
};

static const struct ctf_field folded_fields[] = {
	EVENT, PHASE,
	/* One byte: CTF_OF_CALLBACK is the callback's, the rest the notification's. */
	{ "flags", CTF_FLAGS, 4, 0 }, { "outcome", CTF_OUTCOME, 4, 0 },
	RANGE, { "owner", CTF_HEX, 64, 0 }, WHO,
	{ "callback", CTF_HEX, 64, 0 },
	{ "callback_took", CTF_SIGNED, 32, 0 },
	{ "callback_before", CTF_UNSIGNED, 32, 0 },
};

#define ABSENT(bits) { NULL, CTF_UNSIGNED, bits, 0 }
static const struct ctf_field plain_fields[] = {
	EVENT, ABSENT(8), { "flags", CTF_FLAGS, 4, 0 }, { "outcome", CTF_OUTCOME, 4, 0 },
	RANGE, ABSENT(64),
	{ "took", CTF_UNSIGNED, 64, 0 }, { "tgid", CTF_UNSIGNED, 32, 0 },
	{ "task", CTF_UNSIGNED, 32, 0 }, { "start", CTF_UNSIGNED, 32, 0 }, ABSENT(32),
	{ "callback", CTF_HEX, 64, 0 },
	{ "callback_took", CTF_SIGNED, 32, 0 },
	{ "callback_before", CTF_UNSIGNED, 32, 0 },
};

#define RECORD(name, slots) \
	{ #name, slots, sizeof(name##_fields) / sizeof(name##_fields[0]), name##_fields }

const struct ctf_record ctf_records[CTF_EVENTS] = {
	[RECORD_NOTIFICATION] = RECORD(notification, 1),
	[RECORD_CALLBACK] = RECORD(callback, 1),
	[RECORD_FAULT] = { "device_fault", 1, sizeof(fault_fields) / sizeof(fault_fields[0]),
			   fault_fields },
	[RECORD_MIGRATION] = RECORD(migration, 3),
	[RECORD_PAGES] = RECORD(pages, 2),
	[RECORD_STACK] = RECORD(stack, 1),
	[CTF_FOLDED] = { "notification_and_callback", 1,
			 sizeof(folded_fields) / sizeof(folded_fields[0]), folded_fields },
	[CTF_FOLDED_PLAIN] = { "notification_and_callback_outside", 1,
			       sizeof(plain_fields) / sizeof(plain_fields[0]), plain_fields },
};

const char *const ctf_texts[TEXTS] = {
	[TEXT_ABOUT] = "about",
	[TEXT_PROCESS] = "process",
	[TEXT_CALLBACK] = "callback_name",
	[TEXT_OWNER] = "owner",
	[TEXT_TARGET] = "target",
	[TEXT_STACK] = "stack_name",
	[TEXT_LOST] = "lost",
	[TEXT_DROPPED] = "dropped",
	[TEXT_COUNTERS] = "counters",
	[TEXT_COUNTERS_LAST] = "counters_last",
	[TEXT_END] = "end",
};

/* Grows with what is printed to it; `text` NULL from the first failure on. */
struct text {
	char *text;
	size_t used, room;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	/* Nothing here is ever near the bound: a table that is comes out cut, and the tests see. */
	if (t->text && t->used < t->room)
		t->used += (size_t)vsnprintf(t->text + t->used, t->room - t->used, fmt, args);
	va_end(args);
}

static void put_integer(struct text *t, const char *name, unsigned int bits, bool is_signed,
			const char *more)
{
	put(t, "typealias integer { size = %u; align = %u; signed = %s;%s } := %s;\n", bits,
	    bits % 8 ? 1U : 8U, is_signed ? "true" : "false", more, name);
}

static void put_types(struct text *t)
{
	put_integer(t, "u4", 4, false, "");
	put_integer(t, "u8", 8, false, "");
	put_integer(t, "u32", 32, false, "");
	put_integer(t, "u64", 64, false, "");
	put_integer(t, "x8", 8, false, " base = 16;");
	put_integer(t, "x32", 32, false, " base = 16;");
	put_integer(t, "x64", 64, false, " base = 16;");
	put_integer(t, "s32", 32, true, "");
	put_integer(t, "s64", 64, true, "");
}

/* The sums of `n` names of bits, as one label each. */
static void put_bits(struct text *t, const char *(*name)(unsigned int bit), unsigned int n)
{
	put(t, "\t\"-\" = 0,\n");
	for (unsigned int bits = 1; bits < 1U << n; bits++) {
		const char *between = "";

		put(t, "\t\"");
		for (unsigned int b = 0; b < n; b++) {
			if (!(bits & 1U << b))
				continue;
			put(t, "%s%s", between, name(b));
			between = "|";
		}
		put(t, "\" = %u,\n", bits);
	}
	put(t, "};\n");
}

static const char *flag_name(unsigned int bit)
{
	static const char *const names[] = { "failed", "untimed", "avoidable", "retry" };

	return names[bit];
}

static void put_names(struct text *t, const char *(*name)(unsigned int value), unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		put(t, "\t\"%s\" = %u,\n", name(i), i);
	put(t, "};\n");
}

static void put_enums(struct text *t)
{
	put(t, "enum event8 : u8 {\n");
	put_names(t, event_name, MMUSCOPE_EVENTS);
	put(t, "enum phase8 : u8 {\n");
	put_names(t, phase_name, PHASE_MAX);
	put(t, "enum direction8 : u8 {\n");
	put_names(t, direction_name, DIR_MAX);
	put(t, "enum select8 : u8 {\n");
	put_bits(t, select_name, SELECT_BITS);
	put(t, "enum flags8 : u8 {\n");
	put_bits(t, flag_name, RECORD_OUTCOME_SHIFT);
	put(t, "enum flags4 : u4 {\n");
	put_bits(t, flag_name, RECORD_OUTCOME_SHIFT);
	put(t, "enum outcome4 : u4 {\n");
	put_names(t, outcome_name, OUTCOME_MAX);
}

static void put_trace(struct text *t, const struct ctf_trace *trace)
{
	put(t, "trace {\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"");
	for (int i = 0; i < 16; i++)
		put(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", trace->uuid[i]);
	put(t, "\";\n\tbyte_order = le;\n\tpacket.header := struct {\n"
	       "\t\tx32 magic;\n\t\tu8 uuid[16];\n\t\tu32 stream_id;\n"
	       "\t\tu64 stream_instance_id;\n\t};\n};\n");
	put(t, "env {\n\ttracer_name = \"mmuscope\";\n\ttracer_version = \"%s\";\n"
	       "\trecording_version = %d;\n};\n", MMUSCOPE_VERSION, RECORDING_VERSION);
	put(t, "clock {\n\tname = monotonic;\n\tdescription = \"CLOCK_MONOTONIC\";\n"
	       "\tfreq = 1000000000;\n\toffset_s = %" PRIu64 ";\n\toffset = %" PRIu64 ";\n"
	       "\tabsolute = true;\n};\n",
	    (uint64_t)(trace->offset / 1000000000), (uint64_t)(trace->offset % 1000000000));
	put_integer(t, "ns64", 64, false, " map = clock.monotonic.value;");
}

static void put_streams(struct text *t)
{
	for (unsigned int class = 0; class < CTF_CLASSES; class++)
		put(t, "stream {\n\tid = %u;\n"
		       "\tevent.header := struct { u8 id; ns64 timestamp; };\n"
		       "\tpacket.context := struct {\n"
		       "\t\tns64 timestamp_begin;\n\t\tns64 timestamp_end;\n"
		       "\t\tu64 content_size;\n\t\tu64 packet_size;\n"
		       "\t\tu64 packet_seq_num;\n\t\tu64 events_discarded;\n"
		       "\t\tx32 crc32;\n%s\t};\n};\n",
		    class, class == CTF_CLASS_RECORDS ? "\t\tu32 cpu_id;\n" : "");
}

static void put_field(struct text *t, const struct ctf_field *f)
{
	static const char *const types[] = {
		[CTF_UNSIGNED] = "u", [CTF_HEX] = "x", [CTF_SIGNED] = "s",
		[CTF_EVENT] = "enum event", [CTF_PHASE] = "enum phase",
		[CTF_DIRECTION] = "enum direction", [CTF_SELECT] = "enum select",
		[CTF_FLAGS] = "enum flags", [CTF_OUTCOME] = "enum outcome",
	};

	if (!f->name)
		return;
	put(t, "\t\t%s%u %s", types[f->type], f->bits, f->name);
	if (f->count)
		put(t, "[%u]", f->count);
	put(t, ";\n");
}

static void put_events(struct text *t)
{
	for (unsigned int k = RECORD_NONE + 1; k < CTF_EVENTS; k++) {
		put(t, "event {\n\tname = \"%s\";\n\tid = %u;\n\tstream_id = %d;\n"
		       "\tfields := struct {\n", ctf_records[k].name, k, CTF_CLASS_RECORDS);
		for (size_t i = 0; i < ctf_records[k].field_count; i++)
			put_field(t, &ctf_records[k].fields[i]);
		put(t, "\t};\n};\n");
	}
	for (unsigned int i = 0; i < TEXTS; i++)
		put(t, "event {\n\tname = \"%s\";\n\tid = %u;\n\tstream_id = %d;\n"
		       "\tfields := struct { u32 number; u8 last; string text; };\n};\n",
		    ctf_texts[i], i, CTF_CLASS_INFO);
}

static const char first_line[] = "/* CTF 1.8 */\n";
#define CHECKSUM "/* crc32 0x%08x */\n"
#define CHECKSUM_BYTES (sizeof("/* crc32 0x00000000 */\n") - 1)

static __u32 checksum(const void *bytes, size_t size)
{
	return libdeflate_crc32(0, bytes, size);
}

char *ctf__metadata(const struct ctf_trace *trace)
{
	struct text t = { .text = malloc(CTF_METADATA_MAX), .room = CTF_METADATA_MAX };

	put(&t, "%s", first_line);
	put_types(&t);
	put_enums(&t);
	put_trace(&t, trace);
	put_streams(&t);
	put_events(&t);
	if (t.text)
		put(&t, CHECKSUM, checksum(t.text, t.used));
	return t.text;
}

/* The number behind `name`, which the checksum has vouched for. */
static __u64 number_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static bool parse_uuid(const char *text, __u8 uuid[16])
{
	static const char name[] = "\tuuid = \"";
	const char *at = strstr(text, name);

	if (!at)
		return false;
	at += sizeof(name) - 1;
	for (int i = 0; i < 16; i++) {
		unsigned int byte;

		at += *at == '-';
		if (sscanf(at, "%2x", &byte) != 1)
			return false;
		uuid[i] = (__u8)byte;
		at += 2;
	}
	return true;
}

enum ctf_metadata_state ctf__parse_metadata(const char *text, size_t size, struct ctf_trace *trace)
{
	static const __u32 packetized = 0x75d11d57; /* a magic: LTTng writes it so */
	const bool ours = strstr(text, "tracer_name = \"mmuscope\"");
	char line[CHECKSUM_BYTES + 1];
	size_t body;

	if (size >= sizeof(packetized) && !memcmp(text, &packetized, sizeof(packetized)))
		return CTF_FOREIGN;
	if (!strncmp(text, "/* CTF 1.", 9) && !ours && strstr(text, "trace {"))
		return CTF_FOREIGN;
	if (size <= CHECKSUM_BYTES || strlen(text) != size)
		return CTF_DAMAGED;
	body = size - CHECKSUM_BYTES;
	snprintf(line, sizeof(line), CHECKSUM, checksum(text, body));
	if (strcmp(text + body, line) || !ours)
		return CTF_DAMAGED;
	if (number_of(text, "recording_version = ") != RECORDING_VERSION)
		return CTF_OTHER_VERSION;
	if (!parse_uuid(text, trace->uuid))
		return CTF_DAMAGED;
	trace->offset = number_of(text, "\toffset = ");
	trace->offset += number_of(text, "\toffset_s = ") * 1000000000;
	return CTF_OURS;
}

__u32 ctf__checksum(const union ctf_packet *packet)
{
	static const __u8 zero[sizeof(packet->head.crc32)];
	const size_t at = offsetof(struct ctf_head, crc32), behind = at + sizeof(zero);
	__u32 crc = libdeflate_crc32(0, packet->bytes, at);

	crc = libdeflate_crc32(crc, zero, sizeof(zero));
	return libdeflate_crc32(crc, packet->bytes + behind, CTF_PACKET - behind);
}

bool ctf__valid(const union ctf_packet *packet)
{
	const struct ctf_head *head = &packet->head;

	if (head->magic != CTF_MAGIC || head->stream_id >= CTF_CLASSES ||
	    head->packet_size != CTF_PACKET * 8 || head->content_size > head->packet_size ||
	    head->content_size < ctf__content(head->stream_id) * 8 || head->content_size % 8)
		return false;
	if (head->stream_id == CTF_CLASS_RECORDS &&
	    (head->stream_instance_id != head->cpu_id || head->cpu_id >= CTF_CPUS_MAX))
		return false;
	/* To libbabeltrace2 it means that there is none, and it aborts. */
	if (head->packet_seq_num == ~0ULL || head->events_discarded == ~0ULL)
		return false;
	return head->crc32 == ctf__checksum(packet);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctf.h"

#define BATCH_MAX 16	/* packets of a CPU that are written at once */
#define CHUNKS 8	/* into so many files the bound is cut: what goes is one of them */

/* A file of records. The packets of all of a CPU's files are numbered on. */
struct chunk {
	unsigned int cpu, number;
	int fd;			/* below 0: closed, nothing more will be written to it */
	__u64 begin;		/* time of its first record */
	__u64 bytes, records;
	__u64 end_seq;		/* of the packet behind its last */
};

/* What is being put together for one stream. */
struct stream {
	union ctf_packet *packets; /* BATCH_MAX of them, or one; made when first needed */
	__u16 records[BATCH_MAX]; /* in each */
	unsigned int full;	/* packets that are ready to be written */
	size_t used;		/* bytes of the one behind them, 0: not begun */
	__u64 last;		/* time of the last event */
	__u64 seq;		/* of the next packet */
};

struct cpu {
	struct stream stream;
	struct chunk *chunk;	/* that is written to; NULL: the next one is not begun */
	unsigned int chunks;	/* begun so far */
	__u64 lost, lost_told;	/* records: so far, and as its last packet has it */
	__u64 dropped;
	struct mmuscope_record held; /* a callback, its time final; RECORD_NONE: none */
};

struct recorder {
	int dir_fd, info_fd;
	int error;		/* the first of writing: then nothing more is written */
	struct ctf_trace trace;
	__u64 size;
	__u64 chunk_size;
	unsigned int batch;
	unsigned int cpu_count;
	struct cpu *cpus;
	struct stream info;
	__u64 info_bytes;
	__u64 lost[RECORD_KINDS];
	struct chunk **chunks;
	size_t chunk_count;
	struct recorder_progress progress;
};

static __u64 now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (__u64)t.tv_sec * 1000000000 + (__u64)t.tv_nsec;
}

/*
 * Writes whole packets, or as many as the disk takes: of one that it took in part the
 * part is cut off again. Returns how many it took, and in *error why not all.
 */
static size_t write_packets(int fd, const void *bytes, size_t packets, __u64 at, int *error)
{
	const size_t size = packets * CTF_PACKET;
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*error = n ? -errno : -EIO;
			packets = done / CTF_PACKET;
			/* Where that fails as well the reader finds half a packet. */
			if (done % CTF_PACKET && ftruncate(fd, (off_t)(at + packets * CTF_PACKET)))
				return packets;
			break;
		}
		done += (size_t)n;
	}
	return packets;
}

static union ctf_packet *packet_of(const struct stream *s)
{
	return &s->packets[s->full];
}

/* Begins a packet where none is. Returns 0 or -ENOMEM. */
static int stream__begin(struct recorder *r, struct stream *s, __u32 class, __u32 cpu, __u64 ns)
{
	union ctf_packet *p;

	if (s->used)
		return 0;
	if (!s->packets)
		s->packets = aligned_alloc(CTF_PACKET, CTF_PACKET *
					   (class == CTF_CLASS_RECORDS ? r->batch : 1));
	if (!s->packets)
		return -ENOMEM;
	p = packet_of(s);
	memset(&p->head, 0, sizeof(p->head));
	p->head.magic = CTF_MAGIC;
	memcpy(p->head.uuid, r->trace.uuid, sizeof(p->head.uuid));
	p->head.stream_id = class;
	p->head.stream_instance_id = cpu;
	p->head.timestamp_begin = ns;
	p->head.packet_size = CTF_PACKET * 8;
	if (class == CTF_CLASS_RECORDS)
		p->head.cpu_id = cpu;
	s->records[s->full] = 0;
	s->used = ctf__content(class);
	return 0;
}

/* Ends the packet that is begun: it counts as full. */
static void stream__end(struct stream *s, __u64 lost)
{
	union ctf_packet *p = packet_of(s);

	p->head.timestamp_end = s->last;
	p->head.content_size = s->used * 8;
	p->head.packet_seq_num = s->seq++;
	p->head.events_discarded = lost;
	memset(p->bytes + s->used, 0, CTF_PACKET - s->used);
	p->head.crc32 = ctf__checksum(p);
	s->full++;
	s->used = 0;
}

static __u8 *put_event_head(const struct stream *s, unsigned int id, __u64 ns)
{
	__u8 *at = packet_of(s)->bytes + s->used;

	*at++ = (__u8)id;
	memcpy(at, &ns, sizeof(ns));
	return at + sizeof(ns);
}

static int info__write(struct recorder *r)
{
	struct stream *s = &r->info;
	int err = 0;

	if (!s->used)
		return 0;
	stream__end(s, 0);
	r->info_bytes += CTF_PACKET * write_packets(r->info_fd, s->packets, 1, r->info_bytes, &err);
	s->full = 0;
	r->error = err;
	return err;
}

/* One text, in as many events and packets as it needs. */
static int info__text(struct recorder *r, enum ctf_text kind, const char *text)
{
	const size_t around = CTF_EVENT_HEAD + sizeof(struct ctf_piece) + 1;
	struct stream *s = &r->info;
	size_t left = strlen(text);
	struct ctf_piece piece = { 0 };
	int err;

	while (!piece.last) {
		size_t room, n;
		__u8 *at;

		s->last = now(CLOCK_MONOTONIC);
		/* A piece of a few bytes is more event than text. */
		if (s->used && CTF_PACKET - s->used < around + (left < 64 ? left : 64)) {
			err = info__write(r);
			if (err)
				return err;
		}
		err = stream__begin(r, s, CTF_CLASS_INFO, 0, s->last);
		if (err)
			return err;
		room = CTF_PACKET - s->used - around;
		n = left < room ? left : room;
		piece.last = n == left;
		at = put_event_head(s, kind, s->last);
		memcpy(at, &piece, sizeof(piece));
		memcpy(at + sizeof(piece), text, n);
		at[sizeof(piece) + n] = '\0';
		s->used += around + n;
		text += n;
		left -= n;
		piece.number++;
	}
	return 0;
}

/* Takes the object, NULL too. */
static int info__json(struct recorder *r, enum ctf_text kind, json_t *object)
{
	/* ASCII: a text may be cut between any two bytes, and is still one for babeltrace2. */
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	int err = text ? info__text(r, kind, text) : -ENOMEM;

	free(text);
	json_decref(object);
	return err;
}

static void chunk__close(struct recorder *r, struct chunk *c)
{
	struct cpu *cpu = &r->cpus[c->cpu];

	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	if (cpu->chunk == c)
		cpu->chunk = NULL;
}

static void chunk__name(const struct chunk *c, char name[32])
{
	snprintf(name, 32, CTF_RECORDS, c->cpu, c->number);
}

/*
 * Removes the file whose first record is the oldest of all. It is told before: of a kill
 * in between a reader sees that the file is still there.
 */
static int drop_oldest(struct recorder *r)
{
	size_t oldest = 0;
	struct chunk *c;
	struct cpu *cpu;
	char name[32];
	int err;

	for (size_t i = 1; i < r->chunk_count; i++)
		if (r->chunks[i]->begin < r->chunks[oldest]->begin)
			oldest = i;
	c = r->chunks[oldest];
	cpu = &r->cpus[c->cpu];
	cpu->dropped += c->records;
	err = info__json(r, TEXT_DROPPED, json_pack("{s:I, s:I, s:I}", "cpu", (json_int_t)c->cpu,
						    "packets", (json_int_t)c->end_seq,
						    "records", (json_int_t)cpu->dropped));
	if (!err)
		err = info__write(r);
	if (err)
		return err;
	chunk__name(c, name);
	if (unlinkat(r->dir_fd, name, 0) && errno != ENOENT)
		return -errno;
	chunk__close(r, c);
	r->progress.dropped += c->records;
	r->progress.records -= c->records;
	r->progress.bytes -= c->bytes;
	r->chunks[oldest] = r->chunks[--r->chunk_count];
	free(c);
	return 0;
}

static int chunk__open(struct recorder *r, struct cpu *cpu, __u64 begin)
{
	struct chunk **chunks = realloc(r->chunks, (r->chunk_count + 1) * sizeof(*chunks));
	struct chunk *c;
	char name[32];

	if (!chunks)
		return -ENOMEM;
	r->chunks = chunks;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->cpu = (unsigned int)(cpu - r->cpus);
	c->number = cpu->chunks;
	c->begin = begin;
	chunk__name(c, name);
	c->fd = openat(r->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (c->fd < 0) {
		free(c);
		return -errno;
	}
	cpu->chunks++;
	cpu->chunk = c;
	r->chunks[r->chunk_count++] = c;
	return 0;
}

/* Makes room under the bound, and a file to write to. */
static int cpu__prepare(struct recorder *r, struct cpu *cpu, __u64 bytes)
{
	const __u64 begin = cpu->stream.packets[0].head.timestamp_begin;
	struct chunk *c = cpu->chunk;
	int err = 0;

	/* By their first times babeltrace2 knows the order of a CPU's files. */
	if (r->size && c && c->bytes + bytes > r->chunk_size && begin > c->begin)
		chunk__close(r, c);
	while (!err && r->size && r->chunk_count && r->progress.bytes + bytes > r->size)
		err = drop_oldest(r);
	if (!err && !cpu->chunk)
		err = chunk__open(r, cpu, begin);
	return err;
}

static int cpu__write(struct recorder *r, struct cpu *cpu)
{
	struct stream *s = &cpu->stream;
	struct chunk *c;
	size_t written;
	int err;

	if (!s->full)
		return 0;
	err = cpu__prepare(r, cpu, s->full * CTF_PACKET);
	if (!err) {
		c = cpu->chunk;
		written = write_packets(c->fd, s->packets, s->full, c->bytes, &err);
		for (size_t i = 0; i < written; i++) {
			c->records += s->records[i];
			r->progress.records += s->records[i];
		}
		c->bytes += written * CTF_PACKET;
		r->progress.bytes += written * CTF_PACKET;
		c->end_seq = s->seq - s->full + written;
	}
	s->full = 0;
	r->error = err;
	return err;
}

static int cpu__end_packet(struct recorder *r, struct cpu *cpu)
{
	stream__end(&cpu->stream, cpu->lost);
	cpu->lost_told = cpu->lost;
	return cpu->stream.full == r->batch ? cpu__write(r, cpu) : 0;
}

static __u8 *put_bytes(__u8 *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

/* The fields that CTF_FOLDED_PLAIN has, in their order. */
static __u8 *put_plain(__u8 *at, const struct mmuscope_record *rec)
{
	*at++ = rec->event;
	*at++ = rec->flags;
	at = put_bytes(at, &rec->from, offsetof(struct mmuscope_record, what) -
				       offsetof(struct mmuscope_record, from));
	return put_bytes(at, &rec->took, offsetof(struct mmuscope_record, migration) -
					 offsetof(struct mmuscope_record, took));
}

static __u8 *put_whole(__u8 *at, const struct mmuscope_record *rec, size_t bytes)
{
	at = put_bytes(at, &rec->event, CTF_FLAT_BYTES);
	/* The slots behind the first are memory of the caller's too. */
	return put_bytes(at, (const char *)rec + offsetof(struct mmuscope_record, from),
			 bytes - CTF_EVENT_HEAD - CTF_FLAT_BYTES);
}

/* One event: of a record, and of the callback before it if that is not NULL. */
static int cpu__put(struct recorder *r, struct cpu *c, const struct mmuscope_record *rec,
		    const struct ctf_callback *callback)
{
	const bool plain = callback && !rec->phase && !rec->what && !rec->migration;
	const size_t bytes = ctf__record_bytes(&ctf_records[rec->kind]);
	struct stream *s = &c->stream;
	unsigned int id = rec->kind;
	__u8 *at;
	int err;

	if (callback)
		id = plain ? CTF_FOLDED_PLAIN : CTF_FOLDED;
	if (s->used && CTF_PACKET - s->used < bytes + (callback ? sizeof(*callback) : 0)) {
		err = cpu__end_packet(r, c);
		if (err)
			return err;
	}
	if (rec->ns > s->last)
		s->last = rec->ns;
	err = stream__begin(r, s, CTF_CLASS_RECORDS, (__u32)(c - r->cpus), s->last);
	if (err)
		return err;
	at = put_event_head(s, id, s->last);
	at = plain ? put_plain(at, rec) : put_whole(at, rec, bytes);
	if (callback)
		at = put_bytes(at, callback, sizeof(*callback));
	s->used = (size_t)(at - packet_of(s)->bytes);
	s->records[s->full] += callback ? 2 : 1;
	return 0;
}

/* Does the callback go into the notification's event? */
static bool is_last_of(const struct mmuscope_record *c, const struct mmuscope_record *n)
{
	const bool untimed = c->flags & RECORD_UNTIMED;

	return n->kind == RECORD_NOTIFICATION && c->task == n->task && c->from == n->from &&
	       c->to == n->to && c->event == n->event && c->phase == n->phase &&
	       c->migration == n->migration && c->tgid == n->tgid && c->start == n->start &&
	       !(n->flags & CTF_OF_CALLBACK) &&
	       !(c->flags & ~(CTF_OF_CALLBACK | RECORD_UNTIMED)) &&
	       c->took <= (untimed ? 0 : 0x7fffffffU) && (n->ns <= c->ns || n->ns - c->ns <= ~0U);
}

static int cpu__put_held(struct recorder *r, struct cpu *c)
{
	const bool holds = c->held.kind;
	int err = holds ? cpu__put(r, c, &c->held, NULL) : 0;

	c->held.kind = RECORD_NONE;
	return err;
}

static int cpu__put_folded(struct recorder *r, struct cpu *c, const struct mmuscope_record *rec)
{
	const struct ctf_callback callback = {
		.what = c->held.what,
		.took = c->held.flags & RECORD_UNTIMED ? -1 : (__s32)c->held.took,
		.before = rec->ns > c->held.ns ? (__u32)(rec->ns - c->held.ns) : 0,
	};
	struct mmuscope_record notification = *rec;

	if (notification.ns < c->held.ns)
		notification.ns = c->held.ns;
	notification.flags |= c->held.flags & CTF_OF_CALLBACK;
	c->held.kind = RECORD_NONE;
	return cpu__put(r, c, &notification, &callback);
}

int recorder__record(struct recorder *r, unsigned int cpu, const struct mmuscope_record *rec)
{
	struct cpu *c;
	int err;

	if (r->error)
		return r->error;
	if (cpu >= r->cpu_count || rec->kind == RECORD_NONE || rec->kind >= RECORD_KINDS)
		return -EINVAL;
	c = &r->cpus[cpu];
	if (c->held.kind && is_last_of(&c->held, rec))
		return cpu__put_folded(r, c, rec);
	err = cpu__put_held(r, c);
	if (err || rec->kind != RECORD_CALLBACK)
		return err ? err : cpu__put(r, c, rec, NULL);
	c->held = *rec;
	if (c->held.ns < c->stream.last)
		c->held.ns = c->stream.last;
	return 0;
}

/* A name that is not UTF-8 is none for JSON. */
static json_t *legal(const char *name)
{
	json_t *string = json_string(name ? name : "");
	char *copy;

	if (string)
		return string;
	copy = strdup(name);
	if (!copy)
		return NULL;
	names__make_legal(copy);
	string = json_string(copy);
	free(copy);
	return string;
}

/* jansson's integers end at 2^63. */
static json_t *hex(__u64 value)
{
	return json_sprintf("0x%" PRIx64, (uint64_t)value);
}

int recorder__process(struct recorder *r, const struct name_process *p)
{
	if (r->error)
		return r->error;
	return info__json(r, TEXT_PROCESS,
			  json_pack("{s:I, s:o, s:o}", "tgid", (json_int_t)p->tgid, "start",
				    hex(p->start), "comm", legal(p->comm)));
}

int recorder__callback(struct recorder *r, __u64 what, const struct name_callback *c)
{
	if (r->error)
		return r->error;
	return info__json(r, TEXT_CALLBACK,
			  json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "what", hex(what),
				    "symbol", legal(c->symbol), "module", legal(c->module),
				    "kind", legal(c->kind), "source", legal(c->source),
				    "address", hex(c->address), "owner_by", legal(c->owner_by)));
}

int recorder__owner(struct recorder *r, __u64 address, const char *name)
{
	if (r->error)
		return r->error;
	return info__json(r, TEXT_OWNER, json_pack("{s:o, s:o}", "address", hex(address),
						   "symbol", legal(name)));
}

int recorder__target(struct recorder *r, const struct plan_target *t)
{
	if (r->error)
		return r->error;
	return info__json(r, TEXT_TARGET,
			  json_pack("{s:o, s:o, s:o, s:s, s:b, s:b, s:o, s:o}", "metric",
				    legal(t->metric), "symbol", legal(t->symbol), "module",
				    legal(t->module), "source", plan_source_name(t->source),
				    "off", t->off, "absent", t->absent, "address",
				    hex(t->address), "reason", legal(t->reason)));
}

int recorder__stack(struct recorder *r, __s32 id, const char *cause, const char *const *frames,
		    size_t count)
{
	json_t *array = json_array();

	if (r->error) {
		json_decref(array);
		return r->error;
	}
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, legal(frames[i]));
	return info__json(r, TEXT_STACK, json_pack("{s:I, s:o, s:o}", "id", (json_int_t)id,
						   "cause", legal(cause), "frames", array));
}

int recorder__lost(struct recorder *r, const __u64 lost[RECORD_KINDS], const __u64 *by_cpu)
{
	json_t *array;

	if (r->error)
		return r->error;
	for (unsigned int i = 0; i < r->cpu_count; i++)
		r->cpus[i].lost = by_cpu[i];
	if (!memcmp(r->lost, lost, sizeof(r->lost)))
		return 0;
	memcpy(r->lost, lost, sizeof(r->lost));
	array = json_array();
	for (int i = 0; i < RECORD_KINDS; i++)
		json_array_append_new(array, json_integer((json_int_t)lost[i]));
	return info__json(r, TEXT_LOST, json_pack("{s:o}", "lost", array));
}

int recorder__counters(struct recorder *r, const json_t *stat, bool last)
{
	char *text;
	int err;

	if (r->error)
		return r->error;
	text = json_dumps(stat, JSON_COMPACT | JSON_ENSURE_ASCII);
	err = text ? info__text(r, last ? TEXT_COUNTERS_LAST : TEXT_COUNTERS, text) : -ENOMEM;
	free(text);
	return err;
}

int recorder__flush(struct recorder *r)
{
	int err = r->error ? r->error : info__write(r);

	for (unsigned int i = 0; i < r->cpu_count && !err; i++) {
		err = cpu__put_held(r, &r->cpus[i]);
		if (!err && r->cpus[i].stream.used)
			err = cpu__end_packet(r, &r->cpus[i]);
		if (!err)
			err = cpu__write(r, &r->cpus[i]);
	}
	return err;
}

struct recorder_progress recorder__progress(const struct recorder *r)
{
	struct recorder_progress progress = r->progress;

	progress.bytes += r->info_bytes;
	return progress;
}

/* A CPU that lost records behind its last packet gets one that says so. */
static int tell_losses(struct recorder *r)
{
	int err = 0;

	for (unsigned int i = 0; i < r->cpu_count && !err; i++) {
		struct cpu *c = &r->cpus[i];
		struct stream *s = &c->stream;

		/* Its time comes before that of a packet that begins now. */
		err = cpu__put_held(r, c);
		if (err || c->lost == c->lost_told)
			continue;
		if (!s->used && now(CLOCK_MONOTONIC) > s->last)
			s->last = now(CLOCK_MONOTONIC);
		err = stream__begin(r, s, CTF_CLASS_RECORDS, i, s->last);
	}
	return err;
}

/* By the last word a reader knows that nothing was cut off. */
static int tell_end(struct recorder *r)
{
	json_t *packets = json_array();

	for (unsigned int i = 0; i < r->cpu_count; i++)
		json_array_append_new(packets, json_integer((json_int_t)r->cpus[i].stream.seq));
	return info__json(r, TEXT_END, json_pack("{s:o}", "packets", packets));
}

/* Files that are closed already too: rotation does not wait for the disk. */
static int sync_files(struct recorder *r)
{
	int err = 0;

	for (size_t i = 0; i < r->chunk_count && !err; i++) {
		struct chunk *c = r->chunks[i];
		char name[32];

		chunk__name(c, name);
		if (c->fd < 0)
			c->fd = openat(r->dir_fd, name, O_WRONLY | O_CLOEXEC);
		if (c->fd < 0 || fdatasync(c->fd))
			err = -errno;
	}
	if (!err && (fdatasync(r->info_fd) || fsync(r->dir_fd)))
		err = -errno;
	/* A file system that has nothing to sync to says so. */
	return err == -EINVAL ? 0 : err;
}

static void recorder__free(struct recorder *r)
{
	for (size_t i = 0; i < r->chunk_count; i++) {
		if (r->chunks[i]->fd >= 0)
			close(r->chunks[i]->fd);
		free(r->chunks[i]);
	}
	for (unsigned int i = 0; r->cpus && i < r->cpu_count; i++)
		free(r->cpus[i].stream.packets);
	free(r->chunks);
	free(r->cpus);
	free(r->info.packets);
	if (r->info_fd >= 0)
		close(r->info_fd);
	if (r->dir_fd >= 0)
		close(r->dir_fd);
	free(r);
}

void recorder__discard(struct recorder *r)
{
	unlinkat(r->dir_fd, CTF_METADATA, 0);
	unlinkat(r->dir_fd, CTF_INFO, 0);
	recorder__free(r);
}

int recorder__close(struct recorder *r)
{
	int err;

	if (!r)
		return 0;
	err = r->error;
	if (!err)
		err = tell_losses(r);
	if (!err)
		err = recorder__flush(r);
	if (!err)
		err = tell_end(r);
	if (!err)
		err = info__write(r);
	if (!err)
		err = sync_files(r);
	recorder__free(r);
	return err;
}

/* 0, -ENOTEMPTY, or -errno. The folder stays open. */
static int check_empty(int folder)
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0), err = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		err = -errno;
		if (copy >= 0)
			close(copy);
		return err;
	}
	while (!err && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = -ENOTEMPTY;
	closedir(dir);
	return err;
}

/* Opens the folder, which must be empty. Returns it or -errno. */
static int open_empty(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = folder < 0 ? -errno : check_empty(folder);

	if (err && folder >= 0)
		close(folder);
	return err ? err : folder;
}

int recorder__check(const char *path)
{
	int folder = open_empty(path);

	if (folder >= 0)
		close(folder);
	return folder == -ENOENT || folder >= 0 ? 0 : folder;
}

/* Under another name first: a metadata file is whole, or there is none. */
static int write_metadata(struct recorder *r)
{
	char *text = ctf__metadata(&r->trace);
	size_t left, done = 0;
	int fd, err = 0;

	if (!text)
		return -ENOMEM;
	left = strlen(text);
	fd = openat(r->dir_fd, "." CTF_METADATA, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		err = -errno;
	while (!err && left) {
		ssize_t n = write(fd, text + done, left);

		if (n < 0 && errno != EINTR)
			err = -errno;
		if (n > 0) {
			done += (size_t)n;
			left -= (size_t)n;
		}
	}
	free(text);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (!err && renameat(r->dir_fd, "." CTF_METADATA, r->dir_fd, CTF_METADATA))
		err = -errno;
	return err;
}

static int describe(struct recorder *r)
{
	__u64 monotonic = now(CLOCK_MONOTONIC);

	/* Between two looks at the one clock the other was read. */
	r->trace.offset = now(CLOCK_REALTIME);
	r->trace.offset -= (monotonic + now(CLOCK_MONOTONIC)) / 2;
	if (getrandom(r->trace.uuid, sizeof(r->trace.uuid), 0) != sizeof(r->trace.uuid))
		return -EIO;
	r->trace.uuid[6] = (r->trace.uuid[6] & 0x0f) | 0x40; /* version 4 of RFC 4122: random */
	r->trace.uuid[8] = (r->trace.uuid[8] & 0x3f) | 0x80;
	return write_metadata(r);
}

static void set_sizes(struct recorder *r, __u64 size)
{
	r->batch = BATCH_MAX;
	r->size = size;
	if (!size)
		return;
	r->chunk_size = size / CHUNKS / CTF_PACKET * CTF_PACKET;
	if (r->batch > r->chunk_size / CTF_PACKET)
		r->batch = (unsigned int)(r->chunk_size / CTF_PACKET);
}

int recorder__open(struct recorder **out, const struct recorder_options *options)
{
	struct recorder *r;
	int err;

	*out = NULL;
	if (!options->cpus || (options->size && options->size < RECORDER_SIZE_MIN))
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->info_fd = -1;
	r->cpu_count = options->cpus;
	r->cpus = calloc(r->cpu_count, sizeof(*r->cpus));
	set_sizes(r, options->size);
	r->dir_fd = -ENOMEM;
	if (r->cpus && mkdir(options->dir, 0755) && errno != EEXIST)
		r->dir_fd = -errno;
	else if (r->cpus)
		r->dir_fd = open_empty(options->dir);
	err = r->dir_fd < 0 ? r->dir_fd : describe(r);
	if (!err) {
		r->info_fd = openat(r->dir_fd, CTF_INFO, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				    0644);
		if (r->info_fd < 0)
			err = -errno;
	}
	if (!err)
		err = info__json(r, TEXT_ABOUT, options->about ? json_incref(options->about) :
								 json_object());
	if (!err)
		err = info__write(r);
	if (err)
		recorder__free(r);
	else
		*out = r;
	return err;
}

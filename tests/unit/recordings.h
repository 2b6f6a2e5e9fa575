/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TEST_RECORDINGS_H
#define MMUSCOPE_TEST_RECORDINGS_H

/*
 * Recordings of random records, and what must come out of them. Everything lies in one
 * folder for each test, which is TMPDIR too: what recording__open() leaves there is seen.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctf.h"
#include "recorder.h"
#include "recording.h"

#define CPUS 3

/* A record that was written, as it must come out. */
struct sample {
	union {
		struct mmuscope_record head;
		__u8 bytes[RECORD_SLOTS_MAX * sizeof(struct mmuscope_record)];
	} rec;
	unsigned int cpu;
	size_t place;	/* in the order of writing */
};

struct samples {
	struct sample *all;
	size_t count, room;
	__u64 last[CPUS];
	__u64 clock;
	__u32 random;	/* of its own: a child makes what its parent makes */
};

struct sandbox {
	char dir[64];	/* made, and removed with all that is in it */
	char temp[80];	/* TMPDIR, inside */
};

static inline __u32 draw(__u32 *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static inline size_t slots_of(const struct sample *s)
{
	return ctf_records[s->rec.head.kind].slots;
}

/*
 * Makes a record of random bytes. Times of all CPUs run on together, at times not at all,
 * and one in 16 lies before the one before it.
 */
static inline struct sample *make_sample(struct samples *samples)
{
	struct sample *s;
	__u64 ns;

	if (samples->count == samples->room) {
		samples->room = samples->room ? 2 * samples->room : 1024;
		samples->all = realloc(samples->all, samples->room * sizeof(*samples->all));
		assert_non_null(samples->all);
	}
	s = &samples->all[samples->count];
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < sizeof(s->rec); i++)
		s->rec.bytes[i] = (__u8)draw(&samples->random);
	s->place = samples->count++;
	s->cpu = draw(&samples->random) % CPUS;
	s->rec.head.kind = (__u8)(1 + draw(&samples->random) % (RECORD_KINDS - 1));
	samples->clock += draw(&samples->random) % 3;
	ns = samples->clock;
	if (draw(&samples->random) % 16 == 0)
		ns -= draw(&samples->random) % 100;
	s->rec.head.ns = ns;
	return s;
}

/* What the recorder makes of it: no commit, and no time before the one before. */
static inline void settle_sample(struct samples *samples, struct sample *s)
{
	struct mmuscope_record *head = &s->rec.head;

	memset(s->rec.bytes + slots_of(s) * sizeof(*head), 0,
	       sizeof(s->rec) - slots_of(s) * sizeof(*head));
	head->commit = 0;
	if (head->ns < samples->last[s->cpu])
		head->ns = samples->last[s->cpu];
	samples->last[s->cpu] = head->ns;
}

static inline int write_samples(struct recorder *r, struct samples *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct sample *s = make_sample(samples);
		int err = recorder__record(r, s->cpu, &s->rec.head);

		settle_sample(samples, s);
		if (err)
			return err;
	}
	return 0;
}

static inline int by_time(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;

	if (a->rec.head.ns != b->rec.head.ns)
		return a->rec.head.ns < b->rec.head.ns ? -1 : 1;
	if (a->cpu != b->cpu)
		return a->cpu < b->cpu ? -1 : 1;
	return a->place < b->place ? -1 : 1;
}

static inline void sort_samples(struct samples *samples)
{
	qsort(samples->all, samples->count, sizeof(*samples->all), by_time);
}

static inline struct samples begin_samples(__u32 seed)
{
	return (struct samples){ .random = seed, .clock = 1000000 };
}

static inline void join(char out[PATH_MAX], const char *dir, const char *name)
{
	const int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	assert_true(n > 0 && n < PATH_MAX);
}

static inline void remove_tree(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		char inner[PATH_MAX];

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		join(inner, path, entry->d_name);
		if (unlink(inner))
			remove_tree(inner);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static inline void sandbox__make(struct sandbox *box)
{
	snprintf(box->dir, sizeof(box->dir), "/tmp/mmuscope-unit-XXXXXX");
	assert_non_null(mkdtemp(box->dir));
	strcat(strcpy(box->temp, box->dir), "/temp");
	assert_int_equal(mkdir(box->temp, 0700), 0);
	setenv("TMPDIR", box->temp, 1);
}

static inline const char *sandbox__path(const struct sandbox *box, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	join(path, box->dir, name);
	return path;
}

/* The one folder that recording__open() made; "" where it made none. */
static inline const char *sandbox__temp(const struct sandbox *box)
{
	static char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir = opendir(box->temp);

	path[0] = '\0';
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			join(path, box->temp, entry->d_name);
	closedir(dir);
	return path;
}

static inline void sandbox__remove(const struct sandbox *box)
{
	assert_string_equal(sandbox__temp(box), "");
	remove_tree(box->dir);
	unsetenv("TMPDIR");
}

static inline size_t read_whole(const char *path, char **bytes)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*bytes = malloc((size_t)st.st_size + 1);
	assert_non_null(*bytes);
	assert_int_equal(read(fd, *bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	(*bytes)[st.st_size] = '\0';
	return (size_t)st.st_size;
}

static inline void write_whole(const char *path, const char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static inline void copy_file(const char *from, const char *to)
{
	char *bytes;
	size_t size = read_whole(from, &bytes);

	write_whole(to, bytes, size);
	free(bytes);
}

/* `to` is made anew. */
static inline void copy_dir(const char *from, const char *to)
{
	struct dirent *entry;
	DIR *dir = opendir(from);

	assert_non_null(dir);
	remove_tree(to);
	assert_int_equal(mkdir(to, 0755), 0);
	while ((entry = readdir(dir))) {
		char a[PATH_MAX], b[PATH_MAX];

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		join(a, from, entry->d_name);
		join(b, to, entry->d_name);
		copy_file(a, b);
	}
	closedir(dir);
}

static inline struct recorder *open_recorder(const char *dir, __u64 size)
{
	json_t *about = json_pack("{s:s, s:[s]}", "clock", "ns", "command", "sleep");
	const struct recorder_options options = {
		.dir = dir, .cpus = CPUS, .size = size, .about = about,
	};
	struct recorder *r;

	assert_int_equal(recorder__open(&r, &options), 0);
	json_decref(about);
	return r;
}

static inline bool is_damaged(const struct recording_damage *d)
{
	return d->packets || d->packets_missing || d->bytes || d->files || d->metadata;
}

/*
 * Reads all records, each of which must be one of the samples (sorted), in their order.
 * Returns how many; sets present[] of those that came, which may be NULL.
 */
static inline size_t read_samples(struct recording *r, const struct samples *samples,
				  bool *present)
{
	const struct mmuscope_record *rec;
	size_t at = 0, count = 0;
	int err;

	while ((err = recording__next(r, &rec)) == 1) {
		const size_t bytes = ctf_records[rec->kind].slots * sizeof(*rec);

		while (at < samples->count && memcmp(rec, &samples->all[at].rec, bytes))
			at++;
		assert_true(at < samples->count);
		if (present)
			present[at] = true;
		at++;
		count++;
	}
	assert_int_equal(err, 0);
	return count;
}

#endif

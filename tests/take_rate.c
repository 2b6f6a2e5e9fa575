// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * take_rate DIR N: how many records a second `record` takes from a ring and writes to
 * DIR, without a kernel behind the ring. Notifications, each with its callback as a record
 * of its own, N in all; a quarter of the default ring at a time, as it is woken for. Only
 * taking and writing is measured, in CPU time, which sees the writes to the disk's cache.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recorder.h"
#include "session_impl.h"

#define SHIFT 15		/* 2 MiB, what there is without --ring-size */

struct run {
	struct recorder *recorder;
	__u64 taken;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int take(void *ctx, unsigned int cpu, const struct mmuscope_record *rec)
{
	struct run *r = ctx;

	r->taken++;
	return recorder__record(r->recorder, cpu, rec);
}

/* As bpf/record.bpf.h does it. */
static void put(struct session *s, __u64 position)
{
	struct mmuscope_record *rec = &s->records[position & ((1 << SHIFT) - 1)];
	const bool callback = !(position & 1);

	rec->kind = callback ? RECORD_CALLBACK : RECORD_NOTIFICATION;
	rec->event = 1;
	rec->phase = 0;
	rec->flags = callback ? OUTCOME_PERFORMED << RECORD_OUTCOME_SHIFT : 0;
	rec->ns = 1000000000 + 5000 * position;
	rec->from = 16UL << 40;
	rec->to = rec->from + 4096;
	rec->what = 0;
	rec->took = 300 + (position & 255);
	rec->tgid = rec->task = 4242;
	rec->start = 77;
	rec->migration = 0;
	__atomic_store_n(&rec->commit, (__u32)position + 1, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	const struct recorder_options options = { .dir = argc == 3 ? argv[1] : "", .cpus = 1 };
	const __u64 n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	struct session s = { .cpus = 1, .config.record_shift = SHIFT };
	struct run r = {};
	double spent = 0, start;
	long took = 0;
	int err;

	if (!n) {
		fprintf(stderr, "usage: take_rate DIR N\n");
		return 2;
	}
	s.cpu = aligned_alloc(64, sizeof(*s.cpu));
	s.records = aligned_alloc(64, sizeof(*s.records) << SHIFT);
	if (!s.cpu || !s.records)
		return 1;
	memset(s.cpu, 0, sizeof(*s.cpu));
	memset(s.records, 0, sizeof(*s.records) << SHIFT);
	records__lay_out(&s);
	err = recorder__open(&r.recorder, &options);
	if (err) {
		fprintf(stderr, "take_rate: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	for (__u64 at = 0; at < n && took >= 0;) {
		__u64 end = at + (1 << SHIFT) / 4;

		for (end = end < n ? end : n; at < end; at++)
			put(&s, at);
		start = now();
		took = session__take_records(&s, take, &r);
		spent += now() - start;
	}
	start = now();
	err = took < 0 ? (int)took : recorder__flush(r.recorder);
	spent += now() - start;
	err = recorder__close(r.recorder) ?: err;
	if (err || r.taken != n) {
		fprintf(stderr, "take_rate: %ju of %ju records, %s\n", (uintmax_t)r.taken,
			(uintmax_t)n, strerror(-err));
		return 1;
	}
	printf("%ju records, %.3f s of CPU time, %.0f a second\n", (uintmax_t)n, spent,
	       (double)n / spent);
	free(s.cpu);
	free(s.records);
	return 0;
}

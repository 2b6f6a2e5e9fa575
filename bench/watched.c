// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "watched.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "msg.h"
#include "snapshot.h"
#include "workload.h"

struct watched_cost watched__now(void)
{
	struct watched_cost now = { .elapsed = (double)run__clock() };
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	now.own = (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
	return now;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Cost of one iteration, median of the rounds: a timer tick in one of them does not count. */
static int loop(unsigned char *page, unsigned int iterations, struct watched_cost *cost)
{
	double own[WATCHED_ROUNDS], elapsed[WATCHED_ROUNDS];

	for (int r = 0; r < WATCHED_ROUNDS; r++) {
		struct watched_cost start = watched__now(), end;

		for (unsigned int i = 0; i < iterations; i++) {
			*(volatile unsigned char *)page = 1;
			madvise(page, PAGE_BYTES, MADV_DONTNEED);
		}
		end = watched__now();
		own[r] = (end.own - start.own) / iterations;
		elapsed[r] = (end.elapsed - start.elapsed) / iterations;
	}
	qsort(own, WATCHED_ROUNDS, sizeof(own[0]), by_value);
	qsort(elapsed, WATCHED_ROUNDS, sizeof(elapsed[0]), by_value);
	cost->own = own[WATCHED_ROUNDS / 2];
	cost->elapsed = elapsed[WATCHED_ROUNDS / 2];
	return 0;
}

static int cheapest(unsigned char *pages, const struct watched_work *work, unsigned char kind,
		    struct watched_cost *cost)
{
	int err = 0;

	for (unsigned int i = 0; i < work->iterations * WATCHED_ROUNDS && !err; i++) {
		struct watched_cost c;

		err = work->iterate(pages, work->argument, kind, &c);
		if (!err && (!i || c.elapsed < cost->elapsed))
			*cost = c;
	}
	return err;
}

static int measure(unsigned char *pages, const struct watched_work *work, unsigned char kind,
		   struct watched_cost *cost)
{
	return work->iterate ? cheapest(pages, work, kind, cost) :
			       loop(pages, work->iterations, cost);
}

struct answer {
	int err;
	struct watched_cost cost;
};

/* In the child: subscribes, says 0 or -errno, then measures as often as it is told. */
static void answer(const struct watched *w, const struct watched_work *work)
{
	size_t bytes = (work->pages ? work->pages : 1) * PAGE_BYTES;
	/* Amid the address space: intervals may lie on either side. */
	unsigned char *pages = mmap((void *)(16UL << 40), bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char kind = work->kinds ? work->kinds : 1;
	struct answer a = {};

	a.err = pages == MAP_FAILED ? -errno : work->subscribe(pages, work->argument);
	if (!a.err) {
		madvise(pages, bytes, MADV_NOHUGEPAGE);
		while (kind-- && !a.err)
			a.err = measure(pages, work, kind, &a.cost); /* warm-up */
	}
	while (write(w->cost, &a, sizeof(a)) == sizeof(a) && read(w->go, &kind, 1) == 1)
		a.err = measure(pages, work, kind, &a.cost);
	_exit(0);
}

static int hear(const struct watched *w, struct watched_cost *cost)
{
	struct answer a;

	if (read(w->cost, &a, sizeof(a)) != sizeof(a))
		return -ESRCH;
	*cost = a.cost;
	return a.err;
}

int watched__measure(const struct watched *w, unsigned char kind, struct watched_cost *cost)
{
	return write(w->go, &kind, 1) == 1 ? hear(w, cost) : -ESRCH;
}

int watched__start(struct watched *w, const struct watched_work *work)
{
	int go[2] = { -1, -1 }, cost[2] = { -1, -1 };
	struct watched_cost warm;

	if (pipe2(go, O_CLOEXEC) || pipe2(cost, O_CLOEXEC))
		return -errno;
	w->pid = fork();
	if (!w->pid) {
		*w = (struct watched){ .go = go[0], .cost = cost[1] };
		close(go[1]);
		close(cost[0]);
		answer(w, work);
	}
	close(go[0]);
	close(cost[1]);
	w->go = go[1];
	w->cost = cost[0];
	return w->pid < 0 ? -errno : hear(w, &warm);
}

void watched__end(struct watched *w)
{
	close(w->go);
	close(w->cost);
	if (w->pid > 0)
		waitpid(w->pid, NULL, 0);
}

static int count_record(void *ctx, unsigned int cpu, const struct mmuscope_record *rec)
{
	__u64 *of_kind = ctx;

	(void)cpu;
	if (rec->kind < RECORD_KINDS)
		of_kind[rec->kind]++;
	return 0;
}

static int expect(const char *name, const char *did, const char *what, __u64 got, __u64 want)
{
	if (got == want)
		return 0;
	msg("'%s' %s %ju %s where %ju were made.", name, did, (uintmax_t)got, what,
	    (uintmax_t)want);
	return -EIO;
}

/* A watcher that sees nothing is cheap for a bad reason. */
static int check(struct session *s, const struct session_options *options, const char *name,
		 const struct watched_counts *want)
{
	__u64 recorded[RECORD_KINDS] = {};
	struct snapshot snap = {};
	struct snapshot_sums sums;
	int err = session__snapshot(s, &snap);

	if (err)
		return err;
	snapshot__sum(&snap, &sums);
	if (options->scope == SCOPE_ALL) {
		/* Others may have subscribers too. */
		if (sums.delivered < want->callbacks)
			err = expect(name, "counted", "callbacks", sums.delivered,
				     want->callbacks);
	} else {
		err = expect(name, "counted", "callbacks", sums.delivered, want->callbacks);
		err = err ? err : expect(name, "counted", "migrations", sums.migrations,
					 want->migrations);
	}
	if (options->records)
		session__take_records(s, count_record, recorded);
	if (!err && options->records & 1U << RECORD_CALLBACK)
		err = expect(name, "recorded", "callbacks", recorded[RECORD_CALLBACK],
			     want->callbacks);
	if (!err && options->records & 1U << RECORD_MIGRATION)
		err = expect(name, "recorded", "migrations", recorded[RECORD_MIGRATION],
			     want->migrations);
	snapshot__clear(&snap);
	return err;
}

/* ---- the kernel's account ---- */

#define PROGRAMS 512	/* in the kernel, that are looked at */

struct account {
	size_t count;
	struct {
		__u32 id;
		char name[16];
		__u64 runs, ns;
	} program[PROGRAMS];
};

/* Of all programs. */
static void read_account(struct account *a)
{
	__u32 id = 0;

	a->count = 0;
	while (a->count < PROGRAMS && !bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue; /* it has gone meanwhile */
		if (!bpf_obj_get_info_by_fd(fd, &info, &size)) {
			a->program[a->count].id = id;
			a->program[a->count].runs = info.run_cnt;
			a->program[a->count].ns = info.run_time_ns;
			memcpy(a->program[a->count++].name, info.name, sizeof(info.name));
		}
		close(fd);
	}
}

static double time_in_programs(void)
{
	struct account now;
	double sum = 0;

	read_account(&now);
	for (size_t i = 0; i < now.count; i++)
		sum += (double)now.program[i].ns;
	return sum;
}

/* Begins it; its descriptor, or -errno after one sentence. */
static int keep_account(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (fd < 0)
		msg("the kernel gives no account of BPF programs: %s; it does since Linux 5.8.",
		    strerror(-fd));
	return fd;
}

/*
 * Again, as the account is part of the cost; and the least of some times, as a tick of the
 * timer in a program is time of the program.
 */
#define ACCOUNTS 3

static int measure_programs(const struct watched *w, unsigned char kind, double *in_programs)
{
	int fd = keep_account(), err = 0;
	struct watched_cost cost;

	if (fd < 0)
		return fd;
	for (int i = 0; i < ACCOUNTS && !err; i++) {
		double before = time_in_programs(), more;

		err = watched__measure(w, kind, &cost);
		more = time_in_programs() - before;
		if (!i || more < *in_programs)
			*in_programs = more;
	}
	close(fd);
	return err;
}

static int by_cost(const void *a, const void *b)
{
	double x = ((const struct watched_program *)a)->cost;
	double y = ((const struct watched_program *)b)->cost;

	return (x < y) - (x > y);
}

/* The programs of `now` that have run since `before`; both are in the order of ids. */
static void account_of(struct watched_profile *profile, const struct account *before,
		       const struct account *now)
{
	for (size_t i = 0, j = 0; i < now->count && profile->count < WATCHED_PROGRAMS; i++) {
		__u64 runs = now->program[i].runs, ns = now->program[i].ns;
		struct watched_program *p = &profile->program[profile->count];

		while (j < before->count && before->program[j].id < now->program[i].id)
			j++;
		if (j < before->count && before->program[j].id == now->program[i].id) {
			runs -= before->program[j].runs;
			ns -= before->program[j].ns;
		}
		if (!runs)
			continue;
		memcpy(p->name, now->program[i].name, sizeof(p->name));
		p->runs = runs;
		p->cost = (double)ns;
		profile->count++;
	}
	qsort(profile->program, profile->count, sizeof(*profile->program), by_cost);
}

int watched__profile(const struct watched *w, struct watched_profile *profile)
{
	struct account before, now;
	struct watched_cost cost;
	int fd = keep_account(), err;

	profile->count = 0;
	if (fd < 0)
		return fd;
	read_account(&before);
	err = watched__measure(w, 0, &cost);
	read_account(&now);
	close(fd);
	if (!err)
		account_of(profile, &before, &now);
	return err;
}

static int measure_kinds(const struct watched *w, const struct watched_trial *t,
			 struct watched_cost *cost)
{
	int err = 0;

	for (unsigned char kind = 0; kind < t->kinds && !err; kind++) {
		err = watched__measure(w, kind, &cost[kind]);
		if (!err && t->in_programs)
			err = measure_programs(w, kind, &t->in_programs[kind]);
	}
	if (!err && t->profile)
		err = watched__profile(w, t->profile);
	return err;
}

int watched__measure_with(const struct watched *w, const struct watched_trial *t,
			  struct watched_cost *cost)
{
	struct session_options options = *t->session;
	unsigned int times = 1 + (t->in_programs ? ACCOUNTS : 0) + (t->profile ? 1 : 0);
	struct watched_counts counts = { t->counts.callbacks * times,
					 t->counts.migrations * times };
	struct floor_set before, *programs = t->programs;
	bool mine = !options.pid;
	struct session *s = NULL;
	int err = programs ? floor__attached(&before) : 0;

	if (err == -EOPNOTSUPP) {
		programs->count = 0;
		programs = NULL;
		err = 0;
	}
	if (mine && options.scope == SCOPE_PROCESS)
		options.pid = w->pid;
	/* Nobody reads them meanwhile: on one CPU that would be part of the cost. */
	options.record_bytes = (4 * counts.callbacks + 16 * counts.migrations) *
			       sizeof(struct mmuscope_record);
	err = err ? err : session__open(&s, &options);
	err = err ? err : session__load(s);
	err = err ? err : session__attach(s);
	if (!err && programs)
		err = floor__attached(programs);
	if (!err) {
		if (programs)
			floor_set__less(programs, &before);
		if (!t->off)
			session__enable(s, true);
		err = measure_kinds(w, t, cost);
		session__enable(s, false);
		if (!mine || t->off)
			counts = (struct watched_counts){};
		err = err ? err : check(s, &options, t->name, &counts);
	}
	session__free(s);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "watched.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "msg.h"
#include "snapshot.h"
#include "workload.h"

/* Cost of one iteration, median of the rounds: a timer tick in one of them does not count. */
static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double loop(unsigned char *page, unsigned int iterations)
{
	double round[WATCHED_ROUNDS];

	for (int r = 0; r < WATCHED_ROUNDS; r++) {
		__u64 start = run__clock();

		for (unsigned int i = 0; i < iterations; i++) {
			*(volatile unsigned char *)page = 1;
			madvise(page, PAGE_BYTES, MADV_DONTNEED);
		}
		round[r] = (double)(run__clock() - start) / iterations;
	}
	qsort(round, WATCHED_ROUNDS, sizeof(round[0]), by_value);
	return round[WATCHED_ROUNDS / 2];
}

/* In the child: subscribes, says 0 or an errno, then measures as often as it is told. */
static void work(const struct watched *w, subscribe_fn *subscribe, const void *argument,
		 unsigned int iterations)
{
	/* Amid the address space: intervals may lie on either side. */
	unsigned char *page = mmap((void *)(16UL << 40), PAGE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double cost;
	char byte;

	cost = page == MAP_FAILED ? -errno : subscribe(page, argument);
	if (!cost) {
		madvise(page, PAGE_BYTES, MADV_NOHUGEPAGE);
		loop(page, iterations); /* warm-up */
	}
	while (write(w->cost, &cost, sizeof(cost)) == sizeof(cost) && read(w->go, &byte, 1) == 1)
		cost = loop(page, iterations);
	_exit(0);
}

int watched__measure(const struct watched *w, double *cost)
{
	if (write(w->go, "", 1) != 1 || read(w->cost, cost, sizeof(*cost)) != sizeof(*cost))
		return -ESRCH;
	return 0;
}

int watched__start(struct watched *w, subscribe_fn *subscribe, const void *argument,
		   unsigned int iterations)
{
	int go[2] = { -1, -1 }, cost[2] = { -1, -1 };
	double err = -EIO;

	if (pipe2(go, O_CLOEXEC) || pipe2(cost, O_CLOEXEC))
		return -errno;
	w->pid = fork();
	if (!w->pid) {
		*w = (struct watched){ .go = go[0], .cost = cost[1] };
		close(go[1]);
		close(cost[0]);
		work(w, subscribe, argument, iterations);
	}
	close(go[0]);
	close(cost[1]);
	w->go = go[1];
	w->cost = cost[0];
	if (w->pid < 0)
		return -errno;
	return read(w->cost, &err, sizeof(err)) == sizeof(err) ? (int)err : -ESRCH;
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
	__u64 *callbacks = ctx;

	(void)cpu;
	*callbacks += rec->kind == RECORD_CALLBACK;
	return 0;
}

/* Also proves that it counted: a watcher that sees nothing is cheap for a bad reason. */
int watched__measure_with(const struct watched *w, const struct session_options *wanted, bool off,
			  const char *name, __u64 callbacks, double *cost)
{
	struct session_options options = *wanted;
	bool mine = !options.pid;
	struct snapshot snap = {};
	struct snapshot_sums sums;
	struct session *s = NULL;
	__u64 want = mine && !off ? callbacks : 0, recorded = 0;
	int err;

	if (mine && options.scope == SCOPE_PROCESS)
		options.pid = w->pid;
	/* Nobody reads them meanwhile: on one CPU that would be part of the cost. */
	options.record_bytes = 4 * callbacks * sizeof(struct mmuscope_record);
	err = session__open(&s, &options);
	err = err ? err : session__load(s);
	err = err ? err : session__attach(s);
	if (!err) {
		if (!off)
			session__enable(s, true);
		err = watched__measure(w, cost);
		session__enable(s, false);
		err = err ? err : session__snapshot(s, &snap);
	}
	if (!err) {
		snapshot__sum(&snap, &sums);
		if (options.scope != SCOPE_ALL && sums.delivered != want) {
			msg("'%s' counted %ju callbacks where %ju were made.", name,
			    (uintmax_t)sums.delivered, (uintmax_t)want);
			err = -EIO;
		}
	}
	if (!err && options.records) {
		session__take_records(s, count_record, &recorded);
		if (recorded != want) {
			msg("'%s' recorded %ju callbacks where %ju were made.", name,
			    (uintmax_t)recorded, (uintmax_t)want);
			err = -EIO;
		}
	}
	snapshot__clear(&snap);
	session__free(s);
	return err;
}

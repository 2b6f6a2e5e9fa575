// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "crowd.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/types.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "listen.h"
#include "workload.h"

#define PATIENCE 120	/* s; where a process died nobody passes the turn on */

/* What the processes share. Each has a word in a cache line of its own to wait on. */
struct turn {
	__u32 word;
	__u32 pad[15];
};

struct crowd {
	unsigned int count, started;
	size_t bytes;
	int error;		/* of a subscription */
	unsigned int each;	/* notifications of a turn */
	bool alone;		/* the turn is not passed on */
	bool stop;
	pid_t *pids;
	struct turn done;
	struct turn turns[];
};

static void post(struct turn *t)
{
	__atomic_store_n(&t->word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &t->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int await(struct turn *t, const struct timespec *limit)
{
	while (!__atomic_exchange_n(&t->word, 0, __ATOMIC_ACQUIRE))
		if (syscall(SYS_futex, &t->word, FUTEX_WAIT, 0, limit, NULL, 0) &&
		    errno == ETIMEDOUT)
			return -ESRCH;
	return 0;
}

static int await_done(struct crowd *c)
{
	const struct timespec limit = { .tv_sec = PATIENCE };

	return await(&c->done, &limit);
}

void crowd__device(unsigned int drivers, unsigned int i, char path[40])
{
	if (drivers == 1)
		snprintf(path, 40, "/dev/notifier_test");
	else
		snprintf(path, 40, "/dev/notifier_te%02u", i);
}

static int subscribe(unsigned long page, const struct crowd_listeners *l)
{
	int err = 0;

	for (unsigned int i = 0; i < l->drivers && !err; i++) {
		char path[40];

		crowd__device(l->drivers, i, path);
		err = listen__to(path, page, 1, i ? 0 : l->elsewhere);
	}
	return err;
}

/* One of the processes: subscribes, hands on, then does its share whenever it is its turn. */
static void work(struct crowd *c, unsigned int me, const struct crowd_listeners *l)
{
	struct turn *next = me + 1 < c->count ? &c->turns[me + 1] : &c->done;
	/* Amid the address space: intervals may lie on either side. */
	unsigned char *page = mmap((void *)(16UL << 40), PAGE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	err = page == MAP_FAILED ? -errno : subscribe((unsigned long)page, l);
	if (err)
		c->error = err;
	else
		*(volatile unsigned char *)page = 1; /* a fault of the first time costs more */
	post(&c->done);
	while (!await(&c->turns[me], NULL) && !c->stop) {
		for (unsigned int i = 0; i < c->each; i++) {
			*(volatile unsigned char *)page = 1;
			madvise(page, PAGE_BYTES, MADV_DONTNEED);
		}
		post(c->alone ? &c->done : next);
	}
	_exit(0);
}

int crowd__start(struct crowd **out, unsigned int count, const struct crowd_listeners *listeners)
{
	size_t bytes = sizeof(struct crowd) + count * sizeof(struct turn);
	struct crowd *c = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			       -1, 0);
	int err = 0;

	*out = NULL;
	if (c == MAP_FAILED)
		return -errno;
	*out = c;
	c->bytes = bytes;
	c->count = count;
	c->pids = calloc(count, sizeof(*c->pids));
	if (!c->pids)
		return -ENOMEM;
	for (; c->started < count && !err; c->started++) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (!pid)
			work(c, c->started, listeners);
		c->pids[c->started] = pid;
		/* One after the other: their pids are in order. */
		err = await_done(c);
		err = err ? err : c->error;
	}
	return err;
}

void crowd__end(struct crowd *c)
{
	if (!c)
		return;
	c->stop = true;
	for (unsigned int i = 0; i < c->started; i++) {
		post(&c->turns[i]);
		waitpid(c->pids[i], NULL, 0);
	}
	free(c->pids);
	munmap(c, c->bytes);
}

pid_t crowd__pid(const struct crowd *c, unsigned int i)
{
	return c->pids[i];
}

static int run(struct crowd *c, unsigned int each, bool alone, __u64 *cost)
{
	__u64 start = run__clock();
	int err;

	c->each = each;
	c->alone = alone;
	post(&c->turns[0]);
	err = await_done(c);
	*cost = run__clock() - start;
	return err;
}

int crowd__in_turn(struct crowd *c, double *cost)
{
	__u64 all;
	int err = run(c, 1, false, &all);

	*cost = (double)all / c->count;
	return err;
}

int crowd__hot(struct crowd *c, unsigned int notifications, double *cost)
{
	__u64 all;
	int err = run(c, notifications, true, &all);

	*cost = (double)all / notifications;
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * scale processes|threads|turns COUNT N [NAME]: COUNT processes, or threads of one process,
 * on as many processors as there are, cause N notifications each, all at once, or processes
 * one after the other (turns): a page that test_hmm mirrors is touched and given back. With
 * NAME it writes the pids of who will do
 * so to NAME.ready, waits for a file NAME.go, makes NAME.done when all have done so, and
 * ends when there is NAME.end; nobody of them ends before.
 *
 * What is counted begins where the mirror is opened. By then each has its own copy of what
 * it writes to: the copying after a fork is a notification too.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define CROWD 100UL

struct shared {
	unsigned int ready, done, failed;
	unsigned int go[];	/* of each; but for turns the first is that of all */
};

static struct shared *shared;
static unsigned long count, each;
static int processes, turns;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Waits until the word is at least `least`. */
static void await(unsigned int *word, unsigned int least)
{
	unsigned int now;

	while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < least)
		syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

static void raise_word(unsigned int *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void mirror(void)
{
	if (open("/dev/hmm_dmirror0", O_RDWR) >= 0)
		return;
	perror("/dev/hmm_dmirror0");
	__atomic_store_n(&shared->failed, 1, __ATOMIC_RELEASE);
}

static void give_back(volatile unsigned char *page)
{
	*page = 1;
	madvise((void *)page, PAGE, MADV_DONTNEED);
}

static void *produce(void *number)
{
	unsigned long me = (unsigned long)number;
	unsigned char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cpu_set_t cpus;

	if (page == MAP_FAILED)
		fail("mmap");
	CPU_ZERO(&cpus);
	CPU_SET(me % (unsigned long)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	if (!turns)
		sched_setaffinity(0, sizeof(cpus), &cpus);
	give_back(page);
	if (processes)
		mirror();
	raise_word(&shared->ready);
	await(&shared->go[turns ? me : 0], 1);
	for (unsigned long i = 0; i < each; i++)
		give_back(page);
	if (turns && me + 1 < count)
		raise_word(&shared->go[me + 1]);
	raise_word(&shared->done);
	for (;;)
		pause();
	return NULL;
}

static void make_file(const char *name, const char *end, const pid_t *pids, unsigned long n)
{
	char path[256], whole[264];
	FILE *f;

	snprintf(path, sizeof(path), "%s.%s", name, end);
	snprintf(whole, sizeof(whole), "%s.new", path);
	f = fopen(whole, "w");
	if (!f)
		fail(whole);
	for (unsigned long i = 0; i < n; i++)
		fprintf(f, "%d\n", pids[i]);
	if (fclose(f) || rename(whole, path))
		fail(path);
}

static void wait_for(const char *name, const char *end)
{
	char path[256];

	snprintf(path, sizeof(path), "%s.%s", name, end);
	while (access(path, F_OK))
		usleep(20000);
}

static void start_threads(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (unsigned long i = 0; i < count; i++)
		if (pthread_create(&thread, &attr, produce, (void *)i))
			fail("pthread_create");
	await(&shared->ready, (unsigned int)count);
	mirror();
}

static void start_processes(pid_t *pids)
{
	for (unsigned long i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			fail("fork");
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			produce((void *)i);
		}
		/* A crowd that can all run leaves nobody else a processor. */
		await(&shared->ready, (unsigned int)i + 1);
	}
}

int main(int argc, char **argv)
{
	const char *name = argc == 5 ? argv[4] : NULL;
	pid_t *pids;

	turns = argc > 1 && !strcmp(argv[1], "turns");
	processes = turns || (argc > 1 && !strcmp(argv[1], "processes"));
	count = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
	each = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	if (argc > 5 || !count || !each || (!processes && strcmp(argv[1], "threads"))) {
		fprintf(stderr, "usage: scale processes|threads|turns COUNT N [NAME]\n");
		return 2;
	}
	shared = mmap(NULL, sizeof(*shared) + count * sizeof(shared->go[0]),
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pids = calloc(count, sizeof(*pids));
	if (shared == MAP_FAILED || !pids)
		fail("memory");
	pids[0] = getpid();
	if (name)
		make_file(name, "begun", pids, 1);
	if (processes)
		start_processes(pids);
	else
		start_threads();
	if (shared->failed)
		return 1;
	if (name) {
		make_file(name, "ready", pids, processes ? count : 1);
		wait_for(name, "go");
	}
	raise_word(&shared->go[0]);
	await(&shared->done, (unsigned int)count);
	if (name) {
		make_file(name, "done", pids, 1);
		wait_for(name, "end");
	}
	/* The kernel waits when memory with subscribers goes: many wait at once. */
	for (unsigned long i = 0; processes && i < count + CROWD; i++) {
		if (i < count)
			kill(pids[i], SIGKILL);
		if (i >= CROWD)
			waitpid(pids[i - CROWD], NULL, 0);
	}
	/* The threads end with the process, and give back no stack of theirs before. */
	_exit(0);
}

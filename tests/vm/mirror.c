// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mirror OP...: a process that does exactly what it is told to memory which a
 * device of test_hmm mirrors. Independent of bench/, so that the two can be
 * held against each other.
 *
 *	map:N		N pages, no huge ones: the range
 *	thp:N		N huge pages, aligned and touched: the range
 *	file:N		N pages of a file without any: the range
 *	vmas:N		N mappings of one page each, touched: the range
 *	open:D close	/dev/hmm_dmirrorD; opened twice, there are two mirrors
 *	kvm		a guest of KVM without anything in it
 *	opens:N		/dev/hmm_dmirror0 so many times over
 *	notifier remove	/dev/notifier_test, of kernel/module; threads have it too
 *	act:N,P,S	N intervals of P pages, one each S pages of the range, that act on what
 *	decline:N,P,S	they are told or decline it; 1,1,1 where it does not say
 *	send:E,F,N	a notification of event E, of N pages from page F of the range
 *	send-raw:E,S,T	the same from address S to T
 *	leave:E		of the range, without an end
 *	stay:US		the windows of those that follow stay open so long
 *	hop		the task that sends is on another CPU when its window ends, from here on
 *	ledger		writes what the intervals did; with hop, how often that was so
 *	read migrate tosys [:N]	ioctl for the range or its first N pages
 *	snapshot
 *	write touch	the CPU writes or reads a byte of each page
 *	protect unmap dontneed mergeable	the range at once
 *	node:N		moves the range to NUMA node N
 *	pin:N		a pipe holds the first N pages of the range from here on
 *	protect-each unmap-each	by page; protects each in another way than it is
 *	loop:N ... end	N times; 0: for ever
 *	fork ... end	in a child    } with nothing mapped and opened,
 *	thread ... end	in a thread   } side by side with what follows
 *	vfork		a child that has the same memory, and sleeps: the rest waits for its end
 *	lend:N		a child that has the same memory gives the range up N times, and ends
 *	share:FILE	a child has all memory, touches none of it, and ends with FILE
 *	reap		lets the threads go, waits for all of them and all children
 *	meet		waits until all threads are there
 *	quit		ends the thread
 *	say:TEXT wait:FILE sleep:MS crash exit:N
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/mempolicy.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kernel/module/notifier_test.h"

#define PAGE 4096UL
#define HUGE (2UL << 20)

struct command {
	uint64_t addr, ptr, npages, cpages, faults;
};

/* As of 6.1; 5.10 has no migration to the system on request. */
#define READ _IOWR('H', 0, struct command)
#define MIGRATE_TO_DEVICE _IOWR('H', 2, struct command)
#define MIGRATE_TO_SYSTEM _IOWR('H', 3, struct command)
#define SNAPSHOT _IOWR('H', is_5_10() ? 3 : 4, struct command)

static bool is_5_10(void)
{
	struct utsname u;

	return !uname(&u) && !strncmp(u.release, "5.10.", 5);
}

struct state {
	char **op;		/* the next one */
	unsigned char *range, *buffer;
	size_t pages;
	int device, notifier;
	uint64_t stay_us;
	unsigned int hops;
};

/* What `hop` shares with its thread: who is about to send, from which CPU. */
static struct {
	atomic_uint turn;
	pid_t task;
	int cpu;
} hopping;

/* Threads begin when all are there and never end, so that they and their stacks
 * cause no notification of their own. */
static sem_t go, done;
static pthread_barrier_t meeting;
static int thread_count;

static void run(struct state *s, bool nested);

static void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(err));
	exit(99);
}

static void *map(uintptr_t at, size_t size)
{
	void *p = mmap((void *)at, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0), -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/*
 * How many notifications a call causes depends on the address too: mprotect() has
 * one for each GiB, munmap() of a part splits at 2 MiB. So every range begins at
 * the same place in a 4 GiB of its own: the first huge page, or in the page before.
 */
static void map_range(struct state *s, size_t pages, bool huge)
{
	static atomic_ulong ranges;
	uintptr_t at = (4UL << 40) + atomic_fetch_add(&ranges, 1) * (4UL << 30);

	s->pages = pages;
	s->buffer = map(0, pages * PAGE);
	s->range = map(at + HUGE - (huge ? 0 : PAGE), pages * PAGE);
	if (madvise(s->range, pages * PAGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("madvise");
}

static void map_file(struct state *s, size_t pages)
{
	int fd = memfd_create("mirror", MFD_CLOEXEC);

	s->pages = pages;
	s->buffer = map(0, pages * PAGE);
	if (fd < 0 || ftruncate(fd, (off_t)(pages * PAGE)))
		die("memfd_create");
	s->range = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (s->range == MAP_FAILED)
		die("mmap");
}

static unsigned long huge_kib(const unsigned char *at)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib, found = 0;
	bool inside = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)at >= start && (uintptr_t)at < end;
		else if (inside && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			found = kib;
	}
	if (f)
		fclose(f);
	return found;
}

static void map_huge(struct state *s, size_t n)
{
	unsigned long kib;

	map_range(s, n * HUGE / PAGE, true);
	for (size_t i = 0; i < s->pages; i++)
		s->range[i * PAGE] = 1;
	kib = huge_kib(s->range);
	errno = ENOMEM;
	if (kib != n * HUGE / 1024)
		die("%lu KiB are in huge pages", kib);
}

/*
 * The first store to a page that was only read, or is shared since a fork, is
 * copied with a notification: have it now, before there is a mirror.
 */
static void own_all(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512], perms[8];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) != 3 || strcmp(perms, "rw-p"))
			continue;
		for (; start < end; start += PAGE)
			*(volatile char *)start = *(volatile char *)start;
	}
	if (f)
		fclose(f);
}

/* Neighbours differ in what they allow, so they stay mappings of their own. */
static void map_each(struct state *s, size_t n)
{
	map_range(s, n, false);
	for (size_t i = 0; i < n; i++) {
		volatile unsigned char *p = s->range + i * PAGE;

		if (i % 2) {
			*p = 1;
			continue;
		}
		if (mprotect((void *)p, PAGE, PROT_READ))
			die("mprotect");
		(void)*p;
	}
}

static void open_device(struct state *s, const char *number)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/hmm_dmirror%s", number);
	s->device = open(path, O_RDWR);
	if (s->device < 0)
		die("%s", path);
}

static void open_often(struct state *s, size_t n)
{
	const struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("setrlimit");
	for (size_t i = 0; i < n; i++)
		open_device(s, "0");
}

static void open_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR);

	if (kvm < 0 || ioctl(kvm, KVM_CREATE_VM, 0) < 0)
		die("/dev/kvm");
}

static void open_notifier(struct state *s)
{
	s->notifier = open("/dev/notifier_test", O_RDWR);
	if (s->notifier < 0)
		die("/dev/notifier_test");
}

static void add_intervals(struct state *s, const char *op, const char *value)
{
	uint64_t n[3] = { 1, 1, 1 };
	struct notifier_test_add a = { .start = (uintptr_t)s->range };

	sscanf(value, "%lu,%lu,%lu", &n[0], &n[1], &n[2]);
	a.count = n[0];
	a.length = n[1] * PAGE;
	a.stride = n[2] * PAGE;
	a.kind = strcmp(op, "act") ? NOTIFIER_TEST_DECLINE : NOTIFIER_TEST_ACT;
	if (ioctl(s->notifier, NOTIFIER_TEST_ADD, &a))
		die("%s", op);
}

static void bind_to(pid_t task, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(task, sizeof(set), &set))
		die("hop");
}

/* In the middle of each window, so that whoever sends wakes up on the other CPU. */
static void *hop(void *p)
{
	const struct state *s = p;
	unsigned int seen = 0;

	bind_to(0, 0);
	for (;;) {
		while (atomic_load(&hopping.turn) == seen)
			usleep(100);
		seen++;
		usleep((useconds_t)s->stay_us / 4);
		bind_to(hopping.task, !hopping.cpu);
	}
	return NULL;
}

static void start_hopping(struct state *s)
{
	pthread_t t;

	if (pthread_create(&t, NULL, hop, s))
		die("hop");
	hopping.task = (pid_t)syscall(SYS_gettid);
}

static void begin_hop(void)
{
	hopping.cpu = sched_getcpu();
	bind_to(0, hopping.cpu);
	atomic_fetch_add(&hopping.turn, 1);
}

static void send_notification(struct state *s, const char *op, const char *value)
{
	uint64_t n[3] = { 0, 0, s->pages };
	struct notifier_test_notify notify = { .open_ns = s->stay_us * 1000 };

	sscanf(value, "%lu,%lu,%lu", &n[0], &n[1], &n[2]);
	notify.event = (uint32_t)n[0];
	notify.start = (uintptr_t)s->range + n[1] * PAGE;
	notify.end = notify.start + n[2] * PAGE;
	if (!strcmp(op, "send-raw")) {
		notify.start = n[1];
		notify.end = n[2];
	}
	if (!strcmp(op, "leave"))
		notify.flags = NOTIFIER_TEST_NO_END;
	if (hopping.task)
		begin_hop();
	if (ioctl(s->notifier, NOTIFIER_TEST_NOTIFY, &notify))
		die("%s", op);
	s->hops += hopping.task && sched_getcpu() != hopping.cpu;
}

static void write_ledger(struct state *s)
{
	struct notifier_test_ledger l;

	if (ioctl(s->notifier, NOTIFIER_TEST_LEDGER, &l))
		die("ledger");
	dprintf(1, "acted %lu declined %lu\n", (unsigned long)l.acted, (unsigned long)l.declined);
	if (hopping.task)
		dprintf(1, "hops %u\n", s->hops);
}

static bool notifier(struct state *s, const char *op, const char *value)
{
	if (!strcmp(op, "notifier"))
		open_notifier(s);
	else if (!strcmp(op, "remove"))
		close(s->notifier);
	else if (!strcmp(op, "act") || !strcmp(op, "decline"))
		add_intervals(s, op, value);
	else if (!strcmp(op, "send") || !strcmp(op, "send-raw") || !strcmp(op, "leave"))
		send_notification(s, op, value);
	else if (!strcmp(op, "stay"))
		s->stay_us = strtoul(value, NULL, 10);
	else if (!strcmp(op, "hop"))
		start_hopping(s);
	else if (!strcmp(op, "ledger"))
		write_ledger(s);
	else
		return false;
	return true;
}

static void call(struct state *s, const char *op, unsigned long request, size_t pages)
{
	struct command c = { .addr = (uintptr_t)s->range, .ptr = (uintptr_t)s->buffer };

	c.npages = pages ? pages : s->pages;
	/*
	 * A migration reads back what it moved and finds a mapping gone where a
	 * notification came in between or pages were on the device before.
	 */
	while (ioctl(s->device, request, &c) && errno != ENOENT)
		if (errno != EINTR)
			die("%s", op);
}

static void for_each(struct state *s, const char *op)
{
	for (size_t i = 0; i < s->pages; i++) {
		volatile unsigned char *p = s->range + i * PAGE;

		if (!strcmp(op, "write"))
			*p = 1;
		else if (!strcmp(op, "touch"))
			(void)*p;
		else if (!strcmp(op, "unmap-each") ?
				 munmap((void *)p, PAGE) :
				 mprotect((void *)p, PAGE, PROT_READ | (i % 2 ? 0 : PROT_WRITE)))
			die("%s", op);
	}
}

static void whole(struct state *s, const char *op)
{
	int advice = *op == 'd' ? MADV_DONTNEED : MADV_MERGEABLE;
	size_t size = s->pages * PAGE;

	if (!strcmp(op, "protect") ? mprotect(s->range, size, PROT_READ) :
	    !strcmp(op, "unmap")   ? munmap(s->range, size) :
				     madvise(s->range, size, advice))
		die("%s", op);
}

static void move(struct state *s, int node)
{
	int *target = malloc(s->pages * sizeof(*target));
	int *status = malloc(s->pages * sizeof(*status));
	void **page = malloc(s->pages * sizeof(*page));

	if (!target || !status || !page)
		die("node");
	for (size_t i = 0; i < s->pages; i++) {
		page[i] = s->range + i * PAGE;
		target[i] = node;
	}
	if (syscall(SYS_move_pages, 0, s->pages, page, target, status, MPOL_MF_MOVE))
		die("node");
	for (size_t i = 0; i < s->pages; i++)
		if (status[i] != node)
			errno = EBUSY, die("node");
	free(target);
	free(status);
	free(page);
}

/* vmsplice() takes a reference to each page, which migrations see. */
static void pin(struct state *s, size_t n)
{
	struct iovec range = { s->range, n * PAGE };
	int ends[2];

	if (pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, range.iov_len) < 0 ||
	    vmsplice(ends[1], &range, 1, 0) != (ssize_t)range.iov_len)
		die("pin");
}

static void loop(struct state *s, size_t n)
{
	char **body = s->op;

	for (size_t i = 0; !n || i < n; i++) {
		s->op = body;
		run(s, true);
	}
}

static void *thread(void *p)
{
	struct state *s = p;

	sem_wait(&go);
	run(s, true);
	sem_post(&done);
	for (;;)
		pause();
	return NULL;
}

/* Passes over the operations up to the `end` that belongs here. */
static void skip(struct state *s)
{
	int depth = 1;

	for (; *s->op && depth; s->op++)
		if (!strcmp(*s->op, "end"))
			depth--;
		else if (!strncmp(*s->op, "loop:", 5) || !strcmp(*s->op, "fork") ||
			 !strcmp(*s->op, "thread"))
			depth++;
}

static void start(struct state *s, bool as_thread)
{
	struct state *own = calloc(1, sizeof(*own));
	pthread_t t;

	own->op = s->op;
	if (as_thread)
		own->notifier = s->notifier;
	if (!as_thread && !fork()) {
		own_all();
		run(own, true);
		exit(0);
	}
	if (as_thread && (errno = pthread_create(&t, NULL, thread, own)))
		die("pthread_create");
	thread_count += as_thread;
	skip(s);
}

static void share_memory(void)
{
	pid_t pid = vfork();

	if (!pid)
		for (;;)
			pause();
	if (pid < 0)
		die("vfork");
}

/* Another process, which works on memory that is not its own. */
static void lend(struct state *s, unsigned long n)
{
	pid_t pid = vfork();

	if (!pid) {
		for (unsigned long i = 0; i < n; i++)
			if (madvise(s->range, s->pages * PAGE, MADV_DONTNEED))
				_exit(1);
		_exit(0);
	}
	if (pid < 0)
		die("vfork");
}

/* On the child's side nothing but the stack is written, so all else stays shared. */
static void share(const char *file)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child)
		return;
	while (access(file, F_OK))
		usleep(10000);
	_exit(0);
}

static void reap(void)
{
	int status;

	if (thread_count)
		pthread_barrier_init(&meeting, NULL, (unsigned int)thread_count);
	for (int i = 0; i < thread_count; i++)
		sem_post(&go);
	for (; thread_count; thread_count--)
		sem_wait(&done);
	while (wait(&status) > 0) {
		errno = ECHILD;
		if (status)
			die("a child ended with %d", status);
	}
}

static bool memory(struct state *s, const char *op, size_t n)
{
	if (!strcmp(op, "map"))
		map_range(s, n, false);
	else if (!strcmp(op, "thp"))
		map_huge(s, n);
	else if (!strcmp(op, "vmas"))
		map_each(s, n);
	else if (!strcmp(op, "file"))
		map_file(s, n);
	else if (!strcmp(op, "read"))
		call(s, op, READ, n);
	else if (!strcmp(op, "migrate"))
		call(s, op, MIGRATE_TO_DEVICE, n);
	else if (!strcmp(op, "tosys"))
		call(s, op, MIGRATE_TO_SYSTEM, n);
	else if (!strcmp(op, "snapshot"))
		call(s, op, SNAPSHOT, n);
	else if (!strcmp(op, "protect") || !strcmp(op, "unmap") || !strcmp(op, "dontneed") ||
		 !strcmp(op, "mergeable"))
		whole(s, op);
	else if (!strcmp(op, "node"))
		move(s, (int)n);
	else if (!strcmp(op, "pin"))
		pin(s, n);
	else if (!strcmp(op, "write") || !strcmp(op, "touch") || !strcmp(op, "protect-each") ||
		 !strcmp(op, "unmap-each"))
		for_each(s, op);
	else
		return false;
	return true;
}

static void one(struct state *s, const char *op, const char *value)
{
	size_t n = strtoul(value, NULL, 10);

	if (memory(s, op, n) || notifier(s, op, value))
		return;
	if (!strcmp(op, "open"))
		open_device(s, value);
	else if (!strcmp(op, "opens"))
		open_often(s, n);
	else if (!strcmp(op, "kvm"))
		open_kvm();
	else if (!strcmp(op, "close"))
		close(s->device);
	else if (!strcmp(op, "loop"))
		loop(s, n);
	else if (!strcmp(op, "fork") || !strcmp(op, "thread"))
		start(s, *op == 't');
	else if (!strcmp(op, "vfork"))
		share_memory();
	else if (!strcmp(op, "lend"))
		lend(s, n);
	else if (!strcmp(op, "share"))
		share(value);
	else if (!strcmp(op, "reap"))
		reap();
	else if (!strcmp(op, "meet"))
		pthread_barrier_wait(&meeting);
	else if (!strcmp(op, "quit"))
		sem_post(&done), syscall(SYS_exit, 0);
	else if (!strcmp(op, "say"))
		dprintf(1, "%s\n", value);
	else if (!strcmp(op, "wait"))
		while (access(value, F_OK))
			usleep(10000);
	else if (!strcmp(op, "sleep"))
		usleep((useconds_t)n * 1000);
	else if (!strcmp(op, "crash"))
		kill(getpid(), SIGSEGV);
	else if (!strcmp(op, "exit"))
		exit((int)n);
	else
		errno = EINVAL, die("%s", op);
}

/* To the `end` of a loop, a child or a thread, or to the last argument. */
static void run(struct state *s, bool nested)
{
	char op[32];

	while (*s->op) {
		const char *colon = strchr(*s->op, ':');

		snprintf(op, sizeof(op), "%.*s",
			 (int)(colon ? colon - *s->op : (long)strlen(*s->op)), *s->op);
		s->op++;
		if (nested && !strcmp(op, "end"))
			return;
		one(s, op, colon ? colon + 1 : "");
	}
}

int main(int argc, char **argv)
{
	struct state s = { .op = argv + 1 };

	(void)argc;
	/* A thread's own arena would be made, and cut to size, under the mirror's eyes. */
	mallopt(M_ARENA_MAX, 1);
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	/* A shell's background has it ignored. */
	signal(SIGINT, SIG_DFL);
	own_all();
	run(&s, false);
	return 0;
}

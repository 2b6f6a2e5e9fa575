// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * odp PAGES OP...: a process that does exactly what it is told to memory which an
 * RDMA device maps on demand: a range of so many pages that begins as ones and is
 * registered with the first device that can.
 *
 *	read write	the device reads the range and finds what must be there, or writes it
 *	protect unmap dontneed	the range at once; protect: read-only
 *	deregister
 *	loop:N ... end	N times, not nested
 *	say:TEXT wait:FILE
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/rdma.h"

#define PAGE 4096UL

static struct rdma rdma;
static unsigned char *range, *buffer, value = 1;
static size_t size;

static void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s; %s\n", what, strerror(err), rdma.why);
	exit(99);
}

static void check(const char *what, const unsigned char *got)
{
	for (size_t i = 0; i < size; i++)
		if (got[i] != value)
			die(what, EILSEQ);
}

static void *map(void *at)
{
	void *p = mmap(at, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0), -1, 0);

	if (p == MAP_FAILED || madvise(p, size, MADV_NOHUGEPAGE))
		die("mmap", errno);
	return p;
}

static void setup(size_t pages)
{
	int err;

	size = pages * PAGE;
	buffer = map(NULL);
	/* Nobody's neighbour, and in the middle of a page table. */
	range = map((void *)((4UL << 40) + PAGE));
	memset(range, value, size);
	memset(buffer, 0, size);
	err = rdma__open(&rdma, buffer, size);
	err = err ? err : rdma__register(&rdma, range);
	if (err)
		die("the device", -err);
}

static void device_writes(void)
{
	int err;

	memset(buffer, ++value, size);
	err = rdma__write(&rdma);
	if (err)
		die("write", -err);
	check("the CPU", range);
}

static void device_reads(void)
{
	int err = rdma__read(&rdma);

	if (err)
		die("read", -err);
	check("the device", buffer);
}

static void memory(const char *op)
{
	int r;

	if (!strcmp(op, "dontneed")) {
		value = 0;
		r = madvise(range, size, MADV_DONTNEED);
	} else {
		r = *op == 'u' ? munmap(range, size) : mprotect(range, size, PROT_READ);
	}
	if (r)
		die(op, errno);
}

static void one(const char *op)
{
	if (!strcmp(op, "read"))
		device_reads();
	else if (!strcmp(op, "write"))
		device_writes();
	else if (!strcmp(op, "dontneed") || !strcmp(op, "protect") || !strcmp(op, "unmap"))
		memory(op);
	else if (!strcmp(op, "deregister"))
		rdma__deregister(&rdma);
	else if (!strncmp(op, "say:", 4))
		dprintf(1, "%s\n", op + 4);
	else if (!strncmp(op, "wait:", 5))
		while (access(op + 5, F_OK))
			usleep(10000);
	else
		die(op, EINVAL);
}

int main(int argc, char **argv)
{
	char **first = NULL;
	long left = 0;

	if (argc < 2)
		die("usage", EINVAL);
	setup(strtoul(argv[1], NULL, 10));
	for (char **op = argv + 2; *op; op++) {
		if (!strncmp(*op, "loop:", 5)) {
			left = strtol(*op + 5, NULL, 10);
			first = op;
		} else if (!strcmp(*op, "end")) {
			op = --left ? first : op;
		} else {
			one(*op);
		}
	}
	return 0;
}

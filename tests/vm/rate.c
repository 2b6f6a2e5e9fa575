// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * rate FILE CGROUP N: N notifications, each with one callback, as fast as one CPU can:
 * a page that test_hmm mirrors is touched and given back. Writes to FILE what that took,
 * itself (CPU time) and in all. Moves to CGROUP first, so that whoever started it can
 * be told from it; `-` for none.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		exit(1);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void move_to(const char *cgroup)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		fail(path);
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	uint64_t wall, cpu;
	unsigned char *page;
	FILE *out;

	if (!n) {
		fprintf(stderr, "usage: rate FILE CGROUP N\n");
		return 2;
	}
	if (strcmp(argv[2], "-"))
		move_to(argv[2]);
	out = fopen(argv[1], "w");
	if (!out)
		fail(argv[1]);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		fail("mmap");
	/* Nothing of this process is told to it before, so nothing more is to be counted. */
	if (open("/dev/hmm_dmirror0", O_RDWR) < 0)
		fail("/dev/hmm_dmirror0");
	wall = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned long i = 0; i < n; i++) {
		*(volatile unsigned char *)page = 1;
		madvise(page, PAGE, MADV_DONTNEED);
	}
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	fprintf(out, "%" PRIu64 " %" PRIu64 "\n", cpu, wall);
	return fclose(out) ? 1 : 0;
}

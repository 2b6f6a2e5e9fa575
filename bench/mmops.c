// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process does to its own memory, on a mirrored range: fork, COW,
 * mprotect, mremap, MADV_DONTNEED, munmap. No migration, so the series changes
 * nothing here: the control of an experiment, and the cost that stays.
 *
 * Notifications of 6.1 (V: mappings that fork must copy):
 *	fork		V	PROTECTION_PAGE, copy_page_range()
 *	COW		N	CLEAR of one page, wp_page_copy()
 *	mprotect	1	PROTECTION_VMA, change_pmd_range(), one for each 1 GiB
 *	mremap		2	UNMAP, move_page_tables() and the unmapping of the old place
 *	DONTNEED	1	CLEAR, zap_page_range_single()
 *	munmap		1	UNMAP, unmap_vmas()
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session.h"
#include "workload.h"

#define GIB (1UL << 30)

struct mmops {
	unsigned char *area;	/* 2 GiB of reserved addresses */
	unsigned char *home;	/* where the range starts, in the first GiB */
	unsigned char *away;	/* where mremap moves it, in the second */
	size_t copied, copied_pages;	/* V, and their pages, as of this fork */
	int to_child[2];
	pid_t child;
};

static int map_at(struct run *run, unsigned char *at)
{
	size_t size = run->params.pages * PAGE_BYTES;

	if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED ||
	    madvise(at, size, MADV_NOHUGEPAGE))
		return -errno;
	run->range = at;
	return 0;
}

/* The device maps the range (anew), which is then this iteration's data or zeros. */
static int mirror(struct run *run, bool zero)
{
	struct dmirror_result result;
	int err = dmirror__read(&run->device, run->range, run->buffer, run->params.pages, &result);

	if (err)
		return run__failed(run, "reading the range on the device", err);
	return zero ? run__check_zero(run, run->buffer, "the device") :
		      run__check(run, run->buffer, "the device");
}

static int prepare(struct run *run)
{
	struct mmops *m = calloc(1, sizeof(*m));
	unsigned long at;
	int err;

	run->private = m;
	if (!m || pipe(m->to_child))
		return run__failed(run, "pipe", -errno);
	/* Reserved and given back, so that nothing else of ours comes to lie there. */
	m->area = mmap(NULL, 3 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		       0);
	if (m->area == MAP_FAILED)
		return run__failed(run, "mmap", -errno);
	/* Inside one GiB each, or mprotect would notify twice. */
	at = ((unsigned long)m->area + GIB - 1) & ~(GIB - 1);
	m->home = (unsigned char *)at + PAGE_BYTES;
	m->away = (unsigned char *)at + GIB + PAGE_BYTES;
	munmap(m->area, 3 * GIB);
	if (run->params.pages * PAGE_BYTES > GIB - 2 * PAGE_BYTES)
		return run__failed(run, "mmops takes less than 1 GiB", -EINVAL);
	err = map_at(run, m->home);
	if (err)
		return run__failed(run, "mmap", err);
	run__fill(run);
	return mirror(run, false);
}

/*
 * The mappings that fork copies, and so notifies of: private, may be written,
 * with anonymous memory (vma_needs_copy() and is_cow_mapping(), mm/memory.c).
 */
static int count_copied(struct mmops *m)
{
	unsigned long start = 0, end = 0, anonymous = 0;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	m->copied = m->copied_pages = 0;
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		unsigned long a, b;

		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			start = a;
			end = b;
		} else if (sscanf(line, "Anonymous: %lu", &a) == 1) {
			anonymous = a;
		} else if (!strncmp(line, "VmFlags:", 8) && anonymous && strstr(line, " mw") &&
			   !strstr(line, " sh") && !strstr(line, " dc")) {
			m->copied++;
			m->copied_pages += (end - start) / PAGE_BYTES;
		}
	}
	fclose(f);
	return 0;
}

/*
 * Forks and switches counting off before anything is written: the first store
 * to our own stack after a fork is a COW fault with a notification of its own,
 * and how many of those there are is the compiler's choice. The child touches
 * only its copy of `byte`, waits for one in the pipe, and is gone.
 */
static pid_t fork_and_switch_off(volatile __u32 *counting, int fd, void *byte)
{
	long pid;

	__asm__ volatile("syscall\n\t"
			 "test %%eax, %%eax\n\t"
			 "jnz 1f\n\t"
			 "xor %%eax, %%eax\n\t" /* read(fd, byte, 1) */
			 "mov %[fd], %%edi\n\t"
			 "mov %[byte], %%rsi\n\t"
			 "mov $1, %%edx\n\t"
			 "syscall\n\t"
			 "mov $231, %%eax\n\t" /* exit_group(0) */
			 "xor %%edi, %%edi\n\t"
			 "syscall\n\t"
			 "1: movl $0, (%[counting])\n\t"
			 : "=a"(pid)
			 : "a"(SYS_fork), [fd] "r"(fd), [byte] "r"(byte), [counting] "r"(counting)
			 : "rcx", "r11", "rdi", "rsi", "rdx", "memory", "cc");
	return (pid_t)pid;
}

/* Gives every page that the child shares, but for the range, a copy of our own. */
static int unshare_rest(struct run *run)
{
	unsigned char *range_end = run->range + run->params.pages * PAGE_BYTES;
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512], perms[8];

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) != 3 ||
		    strcmp(perms, "rw-p"))
			continue;
		for (unsigned char *p = (unsigned char *)start; p < (unsigned char *)end;
		     p += PAGE_BYTES) {
			if (p >= run->range && p < range_end)
				break;
			*(volatile unsigned char *)p = *(volatile unsigned char *)p;
		}
	}
	fclose(f);
	return 0;
}

static int measure_fork(struct run *run, struct mmops *m, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "fork");
	static __u32 nothing;
	static char byte;
	__u64 start;
	int err;

	err = count_copied(m);
	if (err)
		return run__failed(run, "/proc/self/smaps", err);
	run__count(run, true);
	start = run__clock();
	m->child = fork_and_switch_off(run->counting ? session__switch(run->session) : &nothing,
				       m->to_child[0], &byte);
	step->cost = run__clock() - start;
	run__count(run, false);
	return m->child < 0 ? run__failed(run, "fork", m->child) : unshare_rest(run);
}

static int measure_cow(struct run *run, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "cow");
	__u64 start;

	run__count(run, true);
	start = run__clock();
	for (size_t page = 0; page < run->params.pages; page++) {
		volatile unsigned char *p = run->range + page * PAGE_BYTES;

		*p = *p;
	}
	step->cost = run__clock() - start;
	run__count(run, false);
	return mirror(run, false);
}

enum call { CALL_MPROTECT, CALL_MREMAP, CALL_DONTNEED, CALL_MUNMAP };

static int measure_call(struct run *run, struct mmops *m, struct sample *sample, const char *name,
			enum call call)
{
	struct sample_step *step = sample__step(sample, name);
	size_t size = run->params.pages * PAGE_BYTES;
	void *moved = NULL;
	__u64 start;
	int r = 0;

	run__count(run, true);
	start = run__clock();
	switch (call) {
	case CALL_MPROTECT:
		r = mprotect(run->range, size, PROT_READ);
		break;
	case CALL_MREMAP:
		moved = mremap(run->range, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, m->away);
		break;
	case CALL_DONTNEED:
		r = madvise(run->range, size, MADV_DONTNEED);
		break;
	case CALL_MUNMAP:
		r = munmap(run->range, size);
		break;
	}
	step->cost = run__clock() - start;
	run__count(run, false);
	if (r || moved == MAP_FAILED)
		return run__failed(run, name, -errno);
	if (call == CALL_MREMAP)
		run->range = moved;
	return 0;
}

/* One byte lets the child go; closing would not, it holds the pipe's other end too. */
static void reap(struct mmops *m)
{
	if (m->child > 0) {
		if (write(m->to_child[1], "", 1) != 1)
			kill(m->child, SIGKILL);
		waitpid(m->child, NULL, 0);
	}
	close(m->to_child[1]);
	close(m->to_child[0]);
	m->child = 0;
}

static int measure(struct run *run, struct sample *sample)
{
	struct mmops *m = run->private;
	int err;

	err = measure_fork(run, m, sample);
	/* Fork made the pages read-only: the device maps them again to see the COW. */
	err = err ? err : mirror(run, false);
	err = err ? err : measure_cow(run, sample);
	reap(m);
	err = err ? err : measure_call(run, m, sample, "mprotect", CALL_MPROTECT);
	err = err ? err : mirror(run, false);
	err = err ? err : measure_call(run, m, sample, "mremap", CALL_MREMAP);
	err = err ? err : mirror(run, false);
	if (!err)
		err = run__check(run, run->range, "the CPU");
	err = err ? err : measure_call(run, m, sample, "dontneed", CALL_DONTNEED);
	err = err ? err : mirror(run, true);
	if (!err)
		err = run__check_zero(run, run->range, "the CPU");
	return err ? err : measure_call(run, m, sample, "munmap", CALL_MUNMAP);
}

/* After the munmap nobody may read the range any more. */
static int verify(struct run *run)
{
	struct mmops *m = run->private;
	struct dmirror_result result;
	int err = dmirror__read(&run->device, run->range, run->buffer, run->params.pages, &result);

	run->range = NULL;
	free(m);
	run->private = NULL;
	if (err == -EFAULT)
		return 0;
	snprintf(run->failure, sizeof(run->failure),
		 "the device could still read the range after munmap");
	return -EIO;
}

static void expected(const struct run *run, struct expectation out[EXPECT_MAX])
{
	const struct mmops *m = run->private;
	__u64 n = run->params.pages, v = m->copied, p = m->copied_pages;
	static const char *const calls = "V + N + 5";
	static const struct {
		enum expected_metric metric;
		const char *formula;
	} zeros[] = {
		{ EXPECT_SKIPPED, "0" },   { EXPECT_MIGRATIONS, "0" }, { EXPECT_COLLECTED, "0" },
		{ EXPECT_MIGRATED, "0" },  { EXPECT_EXCESS, "0" },     { EXPECT_REFAULTS, "0" },
	};

	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
		out[zeros[i].metric] = (struct expectation){ zeros[i].formula, true, 0 };
	out[EXPECT_NOTIFICATIONS] = (struct expectation){ calls, true, v + n + 5 };
	out[EXPECT_DELIVERED] = (struct expectation){ calls, true, v + n + 5 };
	out[EXPECT_PERFORMED] = (struct expectation){ calls, true, v + n + 5 };
	out[EXPECT_PAGES_PERFORMED] =
		(struct expectation){ "pages of V + 6 N", true, p + 6 * n };
}

const struct workload workload_mmops = {
	.name = "mmops",
	.summary = "fork, COW, mprotect, mremap, MADV_DONTNEED and munmap of a mirrored range",
	.prepare = prepare,
	.measure = measure,
	.verify = verify,
	.expected = expected,
};

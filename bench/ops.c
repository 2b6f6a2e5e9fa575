// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "ops.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session.h"

#define GIB (1UL << 30)

int ops__map(struct run *run, struct ops *ops)
{
	size_t size = run->params.pages * PAGE_BYTES;
	unsigned char *area;
	unsigned long at;

	if (size > GIB - 2 * PAGE_BYTES)
		return run__failed(run, "this workload takes less than 1 GiB", -EINVAL);
	/* Reserved and given back, so that nothing else of ours comes to lie there. */
	area = mmap(NULL, 3 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return run__failed(run, "mmap", -errno);
	/*
	 * Inside one GiB each, or mprotect would notify twice; and not at the same place
	 * of a page table, or mremap would move all of that and notify of pages before
	 * the range (try_realign_addr(), mm/mremap.c, 6.7).
	 */
	at = ((unsigned long)area + GIB - 1) & ~(GIB - 1);
	ops->home = (unsigned char *)at + PAGE_BYTES;
	ops->away = (unsigned char *)at + GIB + 2 * PAGE_BYTES;
	munmap(area, 3 * GIB);
	if (mmap(ops->home, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED ||
	    madvise(ops->home, size, MADV_NOHUGEPAGE))
		return run__failed(run, "mmap", -errno);
	run->range = ops->home;
	run__fill(run, run->range);
	return 0;
}

/*
 * The mappings that fork copies, and so notifies of: private, may be written,
 * with anonymous memory (vma_needs_copy() and is_cow_mapping(), mm/memory.c).
 */
static int count_copied(struct ops *ops)
{
	unsigned long start = 0, end = 0, anonymous = 0;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	ops->copied = ops->copied_pages = 0;
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
			ops->copied++;
			ops->copied_pages += (end - start) / PAGE_BYTES;
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

/*
 * A task that was preempted finds its processor in its rseq area, which the kernel
 * writes on the way back to it: after a fork that is a COW fault, with a
 * notification, now and then (__rseq_handle_notify_resume(), kernel/rseq.c; where
 * CONFIG_RSEQ is off nothing is registered). The length is that of the
 * registration, which the C library does not tell; without it the kernel refuses.
 */
static void leave_rseq(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	for (unsigned int size = 32; __rseq_size && size <= 256; size += 32)
		if (!syscall(SYS_rseq, area, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG))
			return;
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

int ops__fork(struct run *run, struct ops *ops, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "fork");
	static __u32 nothing;
	static char byte;
	__u64 start;
	int err;

	leave_rseq();
	if (pipe(ops->to_child))
		return run__failed(run, "pipe", -errno);
	err = count_copied(ops);
	if (err)
		return run__failed(run, "/proc/self/smaps", err);
	run__count(run, true);
	start = run__clock();
	ops->child = fork_and_switch_off(run->counting ? session__switch(run->session) : &nothing,
					 ops->to_child[0], &byte);
	step->cost = run__clock() - start;
	run__count(run, false);
	return ops->child < 0 ? run__failed(run, "fork", ops->child) : unshare_rest(run);
}

/* One byte lets the child go; closing would not, it holds the pipe's other end too. */
void ops__reap(struct ops *ops)
{
	if (!ops->to_child[1])
		return;
	if (ops->child > 0) {
		if (write(ops->to_child[1], "", 1) != 1)
			kill(ops->child, SIGKILL);
		waitpid(ops->child, NULL, 0);
	}
	close(ops->to_child[1]);
	close(ops->to_child[0]);
	ops->child = ops->to_child[0] = ops->to_child[1] = 0;
}

static int call(unsigned char *range, size_t size, enum ops_call call, unsigned char *to)
{
	int r = 0;

	switch (call) {
	case OPS_READONLY:
		r = mprotect(range, size, PROT_READ);
		break;
	case OPS_WRITABLE:
		r = mprotect(range, size, PROT_READ | PROT_WRITE);
		break;
	case OPS_AWAY:
	case OPS_HOME:
		r = mremap(range, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to;
		break;
	case OPS_DONTNEED:
		r = madvise(range, size, MADV_DONTNEED);
		break;
	case OPS_UNMAP:
		r = munmap(range, size);
		break;
	}
	return r ? -errno : 0;
}

int ops__call(struct run *run, struct ops *ops, struct sample *sample, const char *name,
	      enum ops_call what)
{
	struct sample_step *step = sample__step(sample, name);
	unsigned char *to = what == OPS_AWAY ? ops->away : ops->home;
	__u64 start;
	int err;

	run__count(run, true);
	start = run__clock();
	err = call(run->range, run->params.pages * PAGE_BYTES, what, to);
	step->cost = run__clock() - start;
	run__count(run, false);
	if (err)
		return run__failed(run, name, err);
	if (what == OPS_AWAY || what == OPS_HOME)
		run->range = to;
	if (what == OPS_UNMAP)
		munmap(ops->home - PAGE_BYTES, PAGE_BYTES);
	return 0;
}

void ops__expect(struct expectation out[EXPECT_MAX], const char *calls_formula, __u64 calls,
		 const char *pages_formula, __u64 pages)
{
	for (int m = 0; m < EXPECT_MAX; m++)
		out[m] = (struct expectation){ "0", true, 0 };
	/* Only workloads of huge pages have any. */
	out[EXPECT_COMPOUND] = (struct expectation){};
	out[EXPECT_NOTIFICATIONS] = (struct expectation){ calls_formula, true, calls };
	out[EXPECT_DELIVERED] = (struct expectation){ calls_formula, true, calls };
	out[EXPECT_PERFORMED] = (struct expectation){ calls_formula, true, calls };
	out[EXPECT_PAGES_PERFORMED] = (struct expectation){ pages_formula, true, pages };
}

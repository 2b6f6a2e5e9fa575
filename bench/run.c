// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What every workload needs: memory, data, the clock and the switch. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "msg.h"
#include "session.h"
#include "workload.h"

void run__count(struct run *run, bool on)
{
	if (run->counting)
		session__enable(run->session, on);
}

__u64 run__clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

struct sample_step *sample__step(struct sample *sample, const char *name)
{
	struct sample_step *step = &sample->step[sample->step_count];

	if (sample->step_count < SAMPLE_STEPS - 1)
		sample->step_count++;
	memset(step, 0, sizeof(*step));
	step->name = name;
	return step;
}

/* The range, which begins `past` bytes, whole pages, after a multiple of 2 MiB. */
static int map_range(struct run *run, size_t past, int advice)
{
	const size_t align = HUGE_PAGES * PAGE_BYTES;
	size_t size = run->params.pages * PAGE_BYTES, before, after;
	size_t room = size + align - PAGE_BYTES + 2 * PAGE_BYTES;
	unsigned char *area;

	area = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return -errno;
	/* A guard page on either side keeps the mapping from merging with a neighbour. */
	before = (align + past - ((unsigned long)area + PAGE_BYTES) % align) % align;
	after = room - before - size - 2 * PAGE_BYTES;
	if (before)
		munmap(area, before);
	run->range = area + before + PAGE_BYTES;
	if (after)
		munmap(run->range + size + PAGE_BYTES, after);
	if (mprotect(run->range, size, PROT_READ | PROT_WRITE) ||
	    madvise(run->range, size, advice))
		return -errno;
	return 0;
}

/*
 * Since 6.19 a hole of 2 MiB is collected as one huge page where it begins at a multiple
 * of that, whatever madvise() was told (migrate_vma_collect_hole(), mm/migrate_device.c):
 * one time in 512 the counts would be others.
 */
int run__map(struct run *run)
{
	return map_range(run, PAGE_BYTES, MADV_NOHUGEPAGE);
}

int run__map_huge(struct run *run)
{
	return map_range(run, 0, MADV_HUGEPAGE);
}

void *run__map_buffer(size_t size)
{
	void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return buffer == MAP_FAILED ? NULL : buffer;
}

void run__unmap(struct run *run)
{
	if (run->range)
		munmap(run->range - PAGE_BYTES, (run->params.pages + 2) * PAGE_BYTES);
	run->range = NULL;
}

/* Every 64-bit word differs from every other one of this and the last iterations. */
static __u64 first_word(const struct run *run, size_t page)
{
	return (run->salt + page) * 0x9e3779b97f4a7c15ULL;
}

void run__fill(const struct run *run, unsigned char *to)
{
	for (size_t page = 0; page < run->params.pages; page++) {
		__u64 *word = (__u64 *)(to + page * PAGE_BYTES);
		__u64 value = first_word(run, page);

		for (size_t i = 0; i < PAGE_BYTES / sizeof(*word); i++)
			word[i] = value + i;
	}
}

int run__check(struct run *run, const unsigned char *got, const char *who)
{
	for (size_t page = 0; page < run->params.pages; page++) {
		const __u64 *word = (const __u64 *)(got + page * PAGE_BYTES);
		__u64 value = first_word(run, page);

		for (size_t i = 0; i < PAGE_BYTES / sizeof(*word); i++) {
			if (word[i] == value + i)
				continue;
			snprintf(run->failure, sizeof(run->failure),
				 "%s read 0x%llx in page %zu, word %zu, where 0x%llx was written",
				 who, word[i], page, i, value + i);
			return -EIO;
		}
	}
	return 0;
}

int run__check_zero(struct run *run, const unsigned char *got, const char *who)
{
	for (size_t i = 0; i < run->params.pages * PAGE_BYTES; i++) {
		if (!got[i])
			continue;
		snprintf(run->failure, sizeof(run->failure),
			 "%s read data where none was written, page %zu", who, i / PAGE_BYTES);
		return -EIO;
	}
	return 0;
}

int run__failed(struct run *run, const char *what, int err)
{
	snprintf(run->failure, sizeof(run->failure), "%s: %s", what, strerror(-err));
	return err;
}

void run__leave_out(struct run *run, const char *operation, const char *reason)
{
	struct left_out *l = &run->left_out[run->left_out_count++];

	l->operation = operation;
	snprintf(l->reason, sizeof(l->reason), "%s", reason);
	if (!run->quiet)
		msg("%s without %s: %s.", run->workload->name, operation, reason);
}

bool run__has(const struct run *run, const char *operation)
{
	for (unsigned int i = 0; i < run->left_out_count; i++)
		if (!strcmp(run->left_out[i].operation, operation))
			return false;
	return true;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process does to its own memory, and has done to it, while that is the
 * memory of a guest: merging by KSM, migration between NUMA nodes, fork, COW by the
 * guest, mprotect, mremap, MADV_DONTNEED, munmap. KVM hears of it through an
 * mmu_notifier, which has no range: its callback is called for every notification
 * of the process, and for all of them it acts.
 *
 * Notifications of 6.1 and 7.2 (V: mappings that fork must copy), N pages:
 *	KSM		3 N	CLEAR of one page: each page of the range has the data of one
 *				of the buffer. write_protect_page() of both, and
 *				replace_page() of the one that goes; in ksmd's context
 *	COW of them	N	CLEAR of one page, wp_page_copy(), in KVM's get_user_pages()
 *	move_pages	N + N	CLEAR of one page, try_to_migrate_one(), there and back
 *	fork		V	PROTECTION_PAGE, copy_page_range()
 *	COW		N	CLEAR of one page, as above
 *	mprotect	1 + 1	PROTECTION_VMA, change_pmd_range(), read-only and back
 *	mremap		2 + 2	UNMAP, away and back: as in mmops
 *	DONTNEED	1	CLEAR, zap_page_range_single()
 *	munmap		1	UNMAP, unmap_vmas()
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ksm.h"
#include "msg.h"
#include "nodes.h"
#include "ops.h"

/* Guest-physical addresses; the range and the buffer have a GiB each. */
#define CODE_AT 0UL
#define RANGE_AT (1UL << 30)
#define BUFFER_AT (2UL << 30)

enum slot { SLOT_CODE, SLOT_BUFFER, SLOT_RANGE };

struct kvm {
	struct ops ops;
	int kvm, vm, vcpu;
	struct kvm_run *state;
	size_t state_size;
	unsigned char *slot_home;	/* where the slot of the range points to */
	struct nodes nodes;
	char calls_formula[32], pages_formula[32];
};

static const char ksm[] = "ksm", move_pages[] = "move_pages";

/* The whole guest: rep movsl; hlt. Where from, where to and how much is in its registers. */
static const unsigned char code[PAGE_BYTES] __attribute__((aligned(4096))) = { 0xf3, 0xa5, 0xf4 };

static int set_slot(struct kvm *k, enum slot slot, __u64 at, const void *memory, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = size,
		.userspace_addr = (__u64)(unsigned long)memory,
	};

	return ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* Flat segments of 4 GiB, no paging: real mode ends after 1 MiB. */
static int flat_mode(struct kvm *k)
{
	struct kvm_sregs sregs;
	struct kvm_segment *data[] = { &sregs.ds, &sregs.es, &sregs.ss };

	if (ioctl(k->vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cr0 |= 1; /* PE */
	sregs.cs = (struct kvm_segment){
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	for (int i = 0; i < 3; i++) {
		*data[i] = sregs.cs;
		data[i]->selector = 16;
		data[i]->type = 3;
	}
	return ioctl(k->vcpu, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

/*
 * Copies the range to the buffer or back, in the guest. -EFAULT: it met a page that
 * the process may not access so.
 */
static int copy(struct run *run, __u64 from, __u64 to)
{
	struct kvm *k = run->private;
	struct kvm_regs regs = {
		.rip = CODE_AT,
		.rflags = 2, /* always set */
		.rsi = from,
		.rdi = to,
		.rcx = run->params.pages * (PAGE_BYTES / 4),
	};
	int r;

	if (ioctl(k->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	do {
		r = ioctl(k->vcpu, KVM_RUN, 0);
	} while (r && errno == EINTR);
	if (r)
		return -errno;
	return k->state->exit_reason == KVM_EXIT_HLT ? 0 : -EIO;
}

static int create_vm(struct run *run, struct kvm *k)
{
	size_t size = run->params.pages * PAGE_BYTES;
	int err;

	k->vm = ioctl(k->kvm, KVM_CREATE_VM, 0);
	/* Intel's KVM wants three pages of the guest's addresses, which nobody else uses. */
	if (k->vm < 0 || ioctl(k->vm, KVM_SET_TSS_ADDR, 0xfffbd000UL))
		return -errno;
	k->vcpu = ioctl(k->vm, KVM_CREATE_VCPU, 0);
	k->state_size = (size_t)ioctl(k->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (k->vcpu < 0)
		return -errno;
	k->state = mmap(NULL, k->state_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->vcpu, 0);
	if (k->state == MAP_FAILED)
		return -errno;
	err = set_slot(k, SLOT_CODE, CODE_AT, code, sizeof(code));
	err = err ? err : set_slot(k, SLOT_BUFFER, BUFFER_AT, run->buffer, size);
	return err ? err : flat_mode(k);
}

static void close_vm(struct run *run)
{
	struct kvm *k = run->private;

	if (!k)
		return;
	if (k->state && k->state != MAP_FAILED)
		munmap(k->state, k->state_size);
	if (k->vcpu > 0)
		close(k->vcpu);
	if (k->vm > 0)
		close(k->vm);
	if (k->kvm > 0)
		close(k->kvm);
	nodes__close(&k->nodes);
	free(k);
	run->private = NULL;
}

static void find_optional(struct run *run, struct kvm *k)
{
	char reason[sizeof(run->left_out->reason)];

	if (!ksm__usable(reason, sizeof(reason)))
		run__leave_out(run, ksm, reason);
	if (!nodes__open(&k->nodes, run->params.pages, reason, sizeof(reason)))
		run__leave_out(run, move_pages, reason);
	nodes__hold_still();
	/* A huge page would be split before it is merged. No error without huge pages. */
	madvise(run->buffer, run->params.pages * PAGE_BYTES, MADV_NOHUGEPAGE);
}

static int open_vm(struct run *run)
{
	struct kvm *k = calloc(1, sizeof(*k));
	int err;

	run->private = k;
	if (!k)
		return -ENOMEM;
	k->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->kvm < 0) {
		err = -errno;
		if (err != -ENOENT && err != -ENODEV && err != -ENXIO) {
			msg("cannot open /dev/kvm: %s; see 'ls -l /dev/kvm'.", strerror(-err));
			return err;
		}
		msg("no /dev/kvm: load kvm and kvm_amd or kvm_intel.");
		return -ENODEV;
	}
	err = create_vm(run, k);
	if (err) {
		msg("KVM cannot make a virtual machine: %s; the kernel's log may say why.",
		    strerror(-err));
		return err;
	}
	find_optional(run, k);
	return 0;
}

/* The guest reads what the process wrote. */
static int guest_reads(struct run *run, bool zero)
{
	int err = copy(run, RANGE_AT, BUFFER_AT);

	if (err)
		return run__failed(run, "reading the range in the guest", err);
	return zero ? run__check_zero(run, run->buffer, "the guest") :
		      run__check(run, run->buffer, "the guest");
}

/* Other data, and not by so little that it could be another page's of before. */
static void renew(struct run *run)
{
	run->salt += 1ULL << 32;
	run__fill(run, run->buffer);
}

static int guest_writes(struct run *run)
{
	int err = copy(run, BUFFER_AT, RANGE_AT);

	return err ? run__failed(run, "writing the range in the guest", err) :
		     run__check(run, run->range, "the CPU");
}

/* A mapping that had stayed would let the guest do it, to a page that is not ours any more. */
static int guest_may_not(struct run *run, bool write, const char *after)
{
	int err = write ? copy(run, BUFFER_AT, RANGE_AT) : copy(run, RANGE_AT, BUFFER_AT);

	if (err == -EFAULT)
		return 0;
	snprintf(run->failure, sizeof(run->failure), "the guest could still %s the range after %s",
		 write ? "write" : "read", after);
	return -EIO;
}

static int both_ways(struct run *run)
{
	int err = guest_reads(run, false);

	renew(run);
	return err ? err : guest_writes(run);
}

static int prepare(struct run *run)
{
	struct kvm *k = run->private;
	size_t size = run->params.pages * PAGE_BYTES;
	int err;

	err = ops__map(run, &k->ops);
	if (err)
		return err;
	if (k->slot_home != run->range) {
		/* A slot cannot be moved in the process, only made anew. */
		if (k->slot_home)
			err = set_slot(k, SLOT_RANGE, RANGE_AT, NULL, 0);
		err = err ? err : set_slot(k, SLOT_RANGE, RANGE_AT, run->range, size);
		if (err)
			return run__failed(run, "giving the range to the guest", err);
		k->slot_home = run->range;
	}
	return both_ways(run);
}

/* The guest writes to each page of the range, which is not the process's alone. */
static int measure_cow(struct run *run, struct sample *sample, const char *name)
{
	struct sample_step *step = sample__step(sample, name);
	__u64 start;
	int err;

	renew(run);
	run__count(run, true);
	start = run__clock();
	err = copy(run, BUFFER_AT, RANGE_AT);
	step->cost = run__clock() - start;
	run__count(run, false);
	return err ? run__failed(run, "writing the range in the guest", err) :
		     run__check(run, run->range, "the CPU");
}

/* May pages of the range and the buffer be merged? */
static int offer(struct run *run, int advice)
{
	size_t size = run->params.pages * PAGE_BYTES;

	return madvise(run->range, size, advice) || madvise(run->buffer, size, advice) ? -errno : 0;
}

static int merge(struct run *run, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, ksm);
	__u64 start;
	int err;

	run__count(run, true);
	start = run__clock();
	err = offer(run, MADV_MERGEABLE);
	err = err ? err : ksm__scan(2 * run->params.pages);
	step->cost = run__clock() - start;
	run__count(run, false);
	return err ? run__failed(run, "merging by KSM", err) : 0;
}

/*
 * Each page of the range is merged with its copy in the buffer, so that no two pairs
 * have the same data, and how many may share a page (max_page_sharing) does not matter.
 */
static int measure_ksm(struct run *run, struct sample *sample)
{
	int err;

	if (!run__has(run, ksm))
		return 0;
	err = merge(run, sample);
	err = err ? err : run__check(run, run->range, "the CPU");
	err = err ? err : run__check(run, run->buffer, "the CPU");
	if (err)
		return err;
	/* Else the guest could as well have read nothing. */
	memset(run->buffer, 0, run->params.pages * PAGE_BYTES);
	err = guest_reads(run, false);
	err = err ? err : measure_cow(run, sample, "ksm_cow");
	if (err)
		return err;
	/* Nothing is merged any more; ksmd takes note when it comes by. */
	err = offer(run, MADV_UNMERGEABLE);
	err = err ? err : ksm__scan(0);
	return err ? run__failed(run, "ending the merging by KSM", err) : 0;
}

static int move(struct run *run, struct sample *sample, const char *name, int node)
{
	struct nodes *nodes = &((struct kvm *)run->private)->nodes;
	struct sample_step *step = sample__step(sample, name);
	__u64 start;
	int err;

	run__count(run, true);
	start = run__clock();
	err = nodes__move(nodes, run->range, node);
	step->cost = run__clock() - start;
	run__count(run, false);
	if (err)
		return run__failed(run, name, err);
	err = run__check(run, run->range, "the CPU");
	memset(run->buffer, 0, run->params.pages * PAGE_BYTES);
	err = err ? err : guest_reads(run, false);
	renew(run);
	return err ? err : guest_writes(run);
}

static int measure_moves(struct run *run, struct sample *sample)
{
	struct nodes *nodes = &((struct kvm *)run->private)->nodes;
	int err;

	if (!run__has(run, move_pages))
		return 0;
	/* What is there already is not moved. */
	err = nodes__move(nodes, run->range, nodes->from);
	if (err)
		return run__failed(run, "gathering the range on one node", err);
	err = move(run, sample, move_pages, nodes->to);
	return err ? err : move(run, sample, "move_pages_back", nodes->from);
}

static int measure(struct run *run, struct sample *sample)
{
	struct ops *ops = &((struct kvm *)run->private)->ops;
	int err;

	err = measure_ksm(run, sample);
	err = err ? err : measure_moves(run, sample);
	err = err ? err : ops__fork(run, ops, sample);
	err = err ? err : guest_reads(run, false);
	err = err ? err : measure_cow(run, sample, "cow");
	ops__reap(ops);
	err = err ? err : ops__call(run, ops, sample, "mprotect", OPS_READONLY);
	err = err ? err : guest_may_not(run, true, "mprotect");
	err = err ? err : guest_reads(run, false);
	err = err ? err : ops__call(run, ops, sample, "mprotect_back", OPS_WRITABLE);
	err = err ? err : both_ways(run);
	err = err ? err : ops__call(run, ops, sample, "mremap", OPS_AWAY);
	err = err ? err : guest_may_not(run, false, "mremap");
	err = err ? err : ops__call(run, ops, sample, "mremap_back", OPS_HOME);
	err = err ? err : both_ways(run);
	err = err ? err : ops__call(run, ops, sample, "dontneed", OPS_DONTNEED);
	err = err ? err : guest_reads(run, true);
	if (!err)
		err = run__check_zero(run, run->range, "the CPU");
	renew(run);
	err = err ? err : guest_writes(run);
	return err ? err : ops__call(run, ops, sample, "munmap", OPS_UNMAP);
}

static int verify(struct run *run)
{
	run->range = NULL;
	return guest_may_not(run, false, "munmap");
}

static void expected(const struct run *run, struct expectation out[EXPECT_MAX])
{
	struct kvm *k = run->private;
	/* Operations on single pages: COW after fork; those that not every machine can do. */
	__u64 single = 1 + (run__has(run, ksm) ? 4 : 0) + (run__has(run, move_pages) ? 2 : 0);
	__u64 n = run->params.pages;

	snprintf(k->calls_formula, sizeof(k->calls_formula),
		 single > 1 ? "V + %llu N + 8" : "V + N + 8", single);
	snprintf(k->pages_formula, sizeof(k->pages_formula), "pages of V + %llu N", single + 8);
	ops__expect(out, k->calls_formula, k->ops.copied + single * n + 8, k->pages_formula,
		    k->ops.copied_pages + (single + 8) * n);
}

static const struct workload_device device = {
	.driver = "kvm",
	.path = "/dev/kvm",
	.open = open_vm,
	.close = close_vm,
};

const struct workload workload_kvm_mmops = {
	.name = "kvm-mmops",
	.summary = "KSM, migration, fork, COW, mprotect, mremap and munmap of a guest's memory",
	.device = &device,
	.optional = { ksm, move_pages },
	.prepare = prepare,
	.measure = measure,
	.verify = verify,
	.expected = expected,
};

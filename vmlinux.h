/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel types that the BPF programs touch, by hand: only the fields that
 * are read, in any order, relocated at load time against the BTF of the kernel
 * that runs (CO-RE). Versions are the upstream ones that have the field.
 * A field that not every claimed kernel has is read through compat.bpf.h.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/bpf.h>
#include <stdbool.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* x86-64; what PT_REGS_PARM*() and PT_REGS_RC() of bpf_tracing.h name. */
struct pt_regs {
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long ip;
	unsigned long sp;
	unsigned long bp;
};

struct kernfs_node {
	u64 id;				/* 5.5+, was a union before */
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self; /* the first member, container_of() is a cast */
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct signal_struct {
	int nr_threads;
};

struct task_struct {
	unsigned int flags;
	struct mm_struct *mm;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	u64 start_boottime;		/* 5.5+, was real_start_time */
	char comm[16];
	struct css_set *cgroups;	/* CONFIG_CGROUPS */
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct rb_root_cached {
	struct rb_root rb_root;
};

struct interval_tree_node {
	struct rb_node rb;
	unsigned long start;
	unsigned long last;
	unsigned long __subtree_last;
};

struct mmu_notifier_subscriptions {	/* 5.8+, mm/mmu_notifier.c */
	struct hlist_head list;
	unsigned long invalidate_seq;
	unsigned long active_invalidate_ranges;
	struct rb_root_cached itree;
	struct hlist_head deferred_list;
};

struct mm_struct {
	struct task_struct *owner;	/* CONFIG_MEMCG */
	struct mmu_notifier_subscriptions *notifier_subscriptions; /* 5.8+ */
	unsigned long task_size;
	void *pgd;
};

struct vm_area_struct {
	struct mm_struct *vm_mm;
	const void *vm_ops;		/* NULL: anonymous memory */
};

enum memory_type {			/* include/linux/memremap.h */
	MEMORY_DEVICE_PRIVATE = 1,
};

struct dev_pagemap {
	enum memory_type type;
	void *owner;			/* 5.7+ */
};

struct page {
	struct dev_pagemap *pgmap;	/* up to 6.13, in struct folio since */
};

enum mmu_notifier_event {
	MMU_NOTIFY_UNMAP = 0,
	MMU_NOTIFY_CLEAR,
	MMU_NOTIFY_PROTECTION_VMA,
	MMU_NOTIFY_PROTECTION_PAGE,
	MMU_NOTIFY_SOFT_DIRTY,
	MMU_NOTIFY_RELEASE,
	MMU_NOTIFY_MIGRATE,		/* 5.9+ */
	MMU_NOTIFY_EXCLUSIVE,		/* 5.14+ */
};

struct mmu_notifier_range {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	enum mmu_notifier_event event;
};

struct mmu_interval_notifier_ops {
	void *invalidate;
};

struct mmu_interval_notifier {
	struct interval_tree_node interval_tree; /* the first member */
	const struct mmu_interval_notifier_ops *ops;
	struct mm_struct *mm;
	unsigned long invalidate_seq;
};

struct mmu_notifier_ops {
	void *release;
	void *clear_flush_young;
	void *clear_young;
	void *test_young;
	void *invalidate_range_start;
	void *invalidate_range_end;
	void *alloc_notifier;
	void *free_notifier;
};

struct mmu_notifier {
	struct hlist_node hlist; /* the first member */
	const struct mmu_notifier_ops *ops;
};

struct migrate_vma {
	struct vm_area_struct *vma;
	unsigned long *dst;
	unsigned long *src;
	unsigned long cpages;
	unsigned long npages;
	unsigned long start;
	unsigned long end;
	void *pgmap_owner;		/* 5.9+, src_owner before */
	unsigned long flags;		/* 5.9+ */
};

struct hmm_range {
	struct mmu_interval_notifier *notifier;
	unsigned long start;
	unsigned long end;
};

/* drivers/gpu/drm/drm_gpusvm.c, 6.15+; in the BTF of a module, or nowhere. */
struct drm_gpusvm_ops {
	void *invalidate;
};

struct drm_gpusvm {
	const struct drm_gpusvm_ops *ops;
};

struct drm_gpusvm_notifier {
	struct drm_gpusvm *gpusvm;
	struct mmu_interval_notifier notifier;
};

struct bpf_iter__task {
	struct task_struct *task;	/* NULL after the last one */
};

struct module {
	char name[56];
};

#pragma clang attribute pop

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Processes that fork or die while they are counted, modules that come and go. */
#include "state.bpf.h"

/*
 * The counted process has another address space, which others may work on before it
 * does (exec_mmap() comes before trace_sched_process_exec(), fs/exec.c).
 */
SEC("?tp_btf/sched_process_exec")
int BPF_PROG(process_exec)
{
	struct task_struct *cur = (void *)bpf_get_current_task();
	struct process p;

	if (bpf_get_current_pid_tgid() >> 32 != cfg.tgid)
		return 0;
	control.target_mm = (u64)BPF_CORE_READ(cur, mm);
	p.tgid = cfg.tgid;
	p.start = 0;
	ring_send(RING_PROCESS, &p, NULL, 0);
	return 0;
}

/* The counted process gets a second thread, which may invalidate beside the first. */
SEC("?tp_btf/sched_process_fork")
int BPF_PROG(thread_created, struct task_struct *parent, struct task_struct *child)
{
	if (!control.evidence_asked && (u32)child->tgid == cfg.tgid) {
		control.evidence_asked = 1;
		ring_send(RING_CONTENDED, NULL, NULL, 0);
	}
	return 0;
}

/* --children: what a counted process forks is counted too. */
SEC("?tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 tgid = BPF_CORE_READ(parent, tgid);
	struct process p;

	if (!bpf_map_lookup_elem(&targets, &tgid))
		return 0;
	process_of_task(&p, child);
	/* A new thread is in the map as its process. */
	if (p.tgid != tgid && bpf_map_update_elem(&targets, &p.tgid, &p.start, BPF_ANY))
		total_add(LOST_STATE, 1);
	return 0;
}

/* ... until nothing of it is left: a task's last, whatever its memory was told before. */
SEC("?tp_btf/sched_process_free")
int BPF_PROG(process_free, struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	u64 *start = bpf_map_lookup_elem(&targets, &tgid);

	/* Its pid may be another's by now. */
	if (start && (u32)BPF_CORE_READ(task, pid) == tgid &&
	    *start == BPF_CORE_READ(task, start_boottime))
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

/* The windows of the running task in slots of CPUs, which end with it. */
static __noinline u32 windows_in_slots(void)
{
	u64 task = current_task();
	struct mmuscope_cpu *c;
	u32 live = 0;

	for_each_cpu(cpu, c) {
		if (c->window.range && c->window.task == task) {
			window_leave_slot(c);
			live++;
		}
	}
	return live;
}

/*
 * do_exit() inside a window (an Oops in a driver) never returns there. What it
 * leaves open is counted, so that the balance of starts and ends stays true.
 */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(process_exit)
{
	struct task_state *st = task_state(false);
	u64 id = bpf_get_current_pid_tgid();
	u32 live = 0;

	/* Perhaps its only thread; else its memory is learned anew. */
	if (id >> 32 == cfg.tgid)
		control.target_mm = 0;
	if (cfg.paired && cfg.slots)
		live = windows_in_slots();
	if (!st) {
		if (live)
			total_add(TOTAL_ABANDONED_WINDOWS, live);
		return 0;
	}
	for (u32 i = 0; i < WINDOW_DEPTH; i++)
		if (i < st->windows && st->window[i].generation == control.generation)
			live++;
	if (live)
		total_add(TOTAL_ABANDONED_WINDOWS, live);
	live = 0;
	for (u32 i = 0; i < CALLBACK_DEPTH; i++)
		if (i < st->callbacks && st->callback[i].generation == control.generation)
			live++;
	if (live)
		total_add(TOTAL_ABANDONED_CALLBACKS, live);
	live = 0;
	for (u32 i = 0; i < MIGRATION_DEPTH; i++)
		if (i < st->migrations && st->migration[i].generation == control.generation)
			live++;
	if (live) {
		total_add(TOTAL_ABANDONED_MIGRATIONS, live);
		__sync_fetch_and_add(&control.migrations_open, -(u64)live);
	}
	st->windows = 0;
	st->callbacks = 0;
	st->migrations = 0;
	if (!cfg.task_storage)
		bpf_map_delete_elem(&task_hash, &id);
	return 0;
}

SEC("?tp_btf/module_load")
int BPF_PROG(module_loaded, struct module *mod)
{
	ring_send(RING_MODULE_LOADED, NULL, mod->name, sizeof(mod->name));
	return 0;
}

SEC("?tp_btf/module_free")
int BPF_PROG(module_gone, struct module *mod)
{
	ring_send(RING_MODULE_GONE, NULL, mod->name, sizeof(mod->name));
	return 0;
}

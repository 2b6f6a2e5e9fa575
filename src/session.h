/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SESSION_H
#define MMUSCOPE_SESSION_H

/*
 * One measurement: the BPF programs, their maps, and the switch.
 *
 *	session__open -> session__load -> session__attach ->
 *		session__enable(true) ... session__enable(false) ->
 *		session__snapshot -> session__free
 *
 * Nothing is counted before session__enable(true); switching is a store into
 * mapped memory and costs no system call.
 *
 * Functions that return int give 0 or -errno, after one sentence on stderr that
 * names what failed and the next step. session__status() turns the error into
 * the exit status that the manual promises.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "surface.h"
#include "causes.h"
#include "msg.h"
#include "names.h"
#include "plan.h"
#include "snapshot.h"
#include "bpf/records.h"
#include "windows.h"

struct session_change {
	enum {
		CHANGE_MODULE_LOADED,
		CHANGE_MODULE_GONE,
		CHANGE_SUBSCRIBED, /* a process, for the first time with this function */
	} what;
	const char *name;	/* the module's, or the subscribing task's, as it calls itself */
	pid_t pid;		/* subscribed: the process, 0: not known */
	__u64 function;
	bool notifier;		/* one of mmu_notifier_ops */
};

struct session_options {
	enum mmuscope_scope scope;
	pid_t pid;		/* SCOPE_PROCESS; SCOPE_PROCESSES: the first one */
	__u64 cgroup_id;	/* SCOPE_CGROUP: inode of the folder in cgroup2 */
	bool latency;		/* histograms; also entries of callbacks, ends, totals */
	bool running;		/* the scope may be in the middle of things when counting
				 * starts or ends: pair every end with its start */
	enum plan_source via;	/* the only rung for callbacks; PLAN_NONE: the best of all */
	unsigned int row_shift;	/* room for 1 << row_shift rows of each kind; 0: default */
	size_t ring_bytes;	/* 0: default; rounded up to a power of two of pages */
	unsigned int cause_every; /* the stack of one in so many notifications; 0: none */
	bool windows;		/* each window by itself, and how long it is open */
	__u64 window_limit_ns;	/* that is reported of which is open for longer */
	__u32 records;		/* the kinds that are taken one by one: 1 << kind. Then ends
				 * of notifications are not watched; with RECORD_STACK
				 * `cause_every` says how often */
	size_t record_bytes;	/* of each CPU's ring, 0: default (2 MiB); at least 4096 */
	/*
	 * Called by session__poll() for each change of who subscribes; may be NULL. The
	 * plan has it already. `change` and its name are the caller's.
	 */
	void (*changed)(void *ctx, const struct session_change *change);
	void *changed_ctx;
};

struct session;

/*
 * Whether this process may trace at all, which session__open() asks as well. From here on
 * libbpf keeps its words to itself.
 */
int session__check(void);

int session__open(struct session **out, const struct session_options *options);
int session__load(struct session *s);

/*
 * Attaches all that the plan has. A target that fails costs no other: it is
 * marked in the plan. An error is returned only if notifications themselves
 * cannot be seen.
 */
int session__attach(struct session *s);

/*
 * Takes all programs off, for good: what they watched costs what it does without us, in
 * a process whose memory is the same as while they were attached. What was counted can
 * still be read.
 */
void session__detach(struct session *s);

/* Adds a process to SCOPE_PROCESSES; the target of SCOPE_PROCESS is fixed at open. */
int session__add_process(struct session *s, pid_t pid);

/*
 * Switches counting on, or off. Off waits up to a second for windows, callbacks
 * and migrations that are counted as begun to end, so that the balance holds.
 */
void session__enable(struct session *s, bool on);

/* The word that session__enable() writes, for code that may not make a call. */
volatile __u32 *session__switch(struct session *s);

/* Sets every count to zero. Only while switched off. */
void session__reset(struct session *s);

/*
 * Reads what the programs sent (names of processes; modules that came: their
 * callbacks are attached, or went). Waits up to timeout_ms, -1: for ever.
 * session__poll_fd() is readable when there is something to read.
 */
int session__poll(struct session *s, int timeout_ms);
int session__poll_fd(const struct session *s);

/*
 * Gives what the CPUs' rings of records hold to take(), CPU by CPU, each in the order of
 * its ring, which is that of time but for programs that were preempted; a record of
 * several slots in one piece. Returns how many, or the first value below 0 that take()
 * returned: that record is taken, what follows stays.
 */
typedef int (*session_record_fn)(void *ctx, unsigned int cpu, const struct mmuscope_record *rec);
long session__take_records(struct session *s, session_record_fn take, void *ctx);

/* Records for which there was no room since loading: how many. by_cpu[cpus] may be NULL. */
__u64 session__lost_records(const struct session *s, __u64 lost[RECORD_KINDS], __u64 *by_cpu);

/* What `record` takes unless it is asked for more: options.records. */
#define SESSION_RECORDS                                                                     \
	(1U << RECORD_NOTIFICATION | 1U << RECORD_CALLBACK | 1U << RECORD_FAULT |           \
	 1U << RECORD_MIGRATION | 1U << RECORD_PAGES)

/* Possible CPUs. */
unsigned int session__cpus(const struct session *s);

/* Sums the counters of all CPUs since loading. The caller clears `snap`. */
int session__snapshot(struct session *s, struct snapshot *snap);

/*
 * Fills in so many rows of either kind, of made-up processes, for a measurement of what
 * reading costs. Only before anything is counted.
 */
void session__fill_rows(struct session *s, __u64 rows, __u64 callbacks);

/*
 * What was reported of windows since the last time, into `windows`, which is emptied
 * first; `stopped`, once, after session__enable(false): also those that are still
 * open. The caller clears `windows`.
 */
int session__read_windows(struct session *s, struct windows *windows, bool stopped);

/*
 * The stacks of the snapshot's causes and of the windows (NULL: none) that `causes`
 * does not have yet.
 */
int session__read_stacks(const struct session *s, const struct snapshot *snap,
			 const struct windows *windows, struct causes *causes);
/* One of them, by the id of a record. */
int session__read_stack(const struct session *s, __u32 id, struct causes *causes);

/* Owned by the session, valid until the next session__poll(). */
const struct plan *session__plan(const struct session *s);
struct names *session__names(struct session *s);

/* Is the target attached, so that zero means zero? */
bool session__observes(const struct session *s, const char *symbol);

enum status session__status(int err);

void session__free(struct session *s);

/* The programs that sessions load, for surface__read(). */
void session__object(struct surface_object *core);

#endif

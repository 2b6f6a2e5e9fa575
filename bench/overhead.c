// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "overhead.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dmirror.h"
#include "floor.h"
#include "kernel_info.h"
#include "session.h"
#include "snapshot.h"
#include "workload.h"

#define ROUNDS 5

enum watcher_kind { WATCH_NOTHING, WATCH_FLOOR, WATCH_SESSION, WATCH_BPFTRACE };

struct watcher {
	const char *name;
	const char *tells;
	enum watcher_kind kind;
	enum floor_kind floor;
	struct session_options session;
	bool off;		/* attached, but switched off */
	const char *script;
};

#define START "__mmu_notifier_invalidate_range_start"
/* Says when it is attached; what comes before the first tick is not measured. */
#define READY " interval:ms:200 { if (!@ready) { @ready = 1; printf(\"ready\\n\"); } }"

static const struct watcher watchers[] = {
	{ .name = "nothing attached", .tells = "-", .kind = WATCH_NOTHING },
	{ .name = "empty fentry", .tells = "-", .kind = WATCH_FLOOR, .floor = FLOOR_FENTRY },
	{ .name = "empty fexit", .tells = "-", .kind = WATCH_FLOOR, .floor = FLOOR_FEXIT },
	{ .name = "empty kprobe", .tells = "-", .kind = WATCH_FLOOR, .floor = FLOOR_KPROBE },
	{ .name = "stat -- COMMAND",
	  .tells = "process, event, phase, callback, outcome, pages, latency",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_PROCESS, .latency = true } },
	{ .name = "stat --no-latency -- COMMAND",
	  .tells = "process, event, phase, callback, outcome, pages",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_PROCESS } },
	{ .name = "stat --by cause --sample 64 -- COMMAND",
	  .tells = "as stat -- COMMAND, and the cause of one in 64",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .cause_every = 64 } },
	{ .name = "stat -p PID",
	  .tells = "the same, and windows open at either end are paired",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .running = true } },
	{ .name = "stat -a",
	  .tells = "the same for every process",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_ALL, .latency = true, .running = true } },
	{ .name = "stat -p OTHER",
	  .tells = "nothing: this process is outside the filter",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_PROCESS, .pid = 1, .latency = true } },
	{ .name = "stat, switched off",
	  .tells = "nothing: attached only",
	  .kind = WATCH_SESSION,
	  .off = true,
	  .session = { .scope = SCOPE_PROCESS, .latency = true } },
	{ .name = "stat --no-latency, switched off",
	  .tells = "nothing: attached only",
	  .kind = WATCH_SESSION,
	  .off = true,
	  .session = { .scope = SCOPE_PROCESS } },
	{ .name = "bpftrace count, kfunc",
	  .tells = "event",
	  .kind = WATCH_BPFTRACE,
	  .script = "kfunc:" START " { @[args->range->event] = count(); }" READY },
	{ .name = "bpftrace count, kprobe",
	  .tells = "event",
	  .kind = WATCH_BPFTRACE,
	  .script = "kprobe:" START
		    " { @[((struct mmu_notifier_range *)arg0)->event] = count(); }" READY },
	{ .name = "bpftrace latency",
	  .tells = "event, latency of the notification",
	  .kind = WATCH_BPFTRACE,
	  .script = "kprobe:" START " { @e[tid] = ((struct mmu_notifier_range *)arg0)->event;"
		    " @s[tid] = nsecs; } kretprobe:" START " /@s[tid]/ {"
		    " @[@e[tid]] = hist(nsecs - @s[tid]); delete(@s[tid]); delete(@e[tid]); }" READY },
};

#define WATCHERS (sizeof(watchers) / sizeof(watchers[0]))

/* Cost of one iteration, median of the rounds: a timer tick in one of them does not count. */
static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double loop(unsigned char *page, unsigned int iterations)
{
	double round[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		__u64 start = run__clock();

		for (unsigned int i = 0; i < iterations; i++) {
			*(volatile unsigned char *)page = 1;
			madvise(page, PAGE_BYTES, MADV_DONTNEED);
		}
		round[r] = (double)(run__clock() - start) / iterations;
	}
	qsort(round, ROUNDS, sizeof(round[0]), by_value);
	return round[ROUNDS / 2];
}

/*
 * The process that is watched. It is one of its own, because attaching maps memory,
 * and the more mappings a process has the longer madvise() takes to find one: in
 * our own process the watcher's mappings would seem to be the cost of watching.
 */
struct worker {
	pid_t pid;
	int go, cost;		/* pipes: a byte starts a measurement, a double comes back */
};

/* In the child: mirrors a page, says 0 or an errno, then measures as often as it is told. */
static void work(const struct worker *w, unsigned int device, unsigned int iterations)
{
	unsigned char *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct dmirror mirror;
	double cost;
	char byte;

	cost = page == MAP_FAILED ? -errno : dmirror__open(&mirror, device);
	if (!cost) {
		madvise(page, PAGE_BYTES, MADV_NOHUGEPAGE);
		loop(page, iterations); /* warm-up */
	}
	while (write(w->cost, &cost, sizeof(cost)) == sizeof(cost) && read(w->go, &byte, 1) == 1)
		cost = loop(page, iterations);
	_exit(0);
}

static int worker__measure(const struct worker *w, double *cost)
{
	if (write(w->go, "", 1) != 1 || read(w->cost, cost, sizeof(*cost)) != sizeof(*cost))
		return -ESRCH;
	return 0;
}

static int worker__start(struct worker *w, unsigned int device, unsigned int iterations)
{
	int go[2] = { -1, -1 }, cost[2] = { -1, -1 };
	double err = -EIO;

	if (pipe2(go, O_CLOEXEC) || pipe2(cost, O_CLOEXEC))
		return -errno;
	w->pid = fork();
	if (!w->pid) {
		*w = (struct worker){ .go = go[0], .cost = cost[1] };
		close(go[1]);
		close(cost[0]);
		work(w, device, iterations);
	}
	close(go[0]);
	close(cost[1]);
	w->go = go[1];
	w->cost = cost[0];
	if (w->pid < 0)
		return -errno;
	return read(w->cost, &err, sizeof(err)) == sizeof(err) ? (int)err : -ESRCH;
}

/* Closing the pipe ends it. */
static void worker__end(struct worker *w)
{
	close(w->go);
	close(w->cost);
	if (w->pid > 0)
		waitpid(w->pid, NULL, 0);
}

/* Also proves that it counted: a watcher that sees nothing is cheap for a bad reason. */
static int with_session(const struct watcher *w, const struct worker *worker,
			unsigned int iterations, double *cost)
{
	struct session_options options = w->session;
	bool mine = !options.pid;
	struct snapshot snap = {};
	struct snapshot_sums sums;
	struct session *s = NULL;
	__u64 want = mine && !w->off ? (__u64)iterations * ROUNDS : 0;
	int err;

	if (mine && options.scope == SCOPE_PROCESS)
		options.pid = worker->pid;
	err = session__open(&s, &options);
	err = err ? err : session__load(s);
	err = err ? err : session__attach(s);
	if (!err) {
		if (!w->off)
			session__enable(s, true);
		err = worker__measure(worker, cost);
		session__enable(s, false);
		err = err ? err : session__snapshot(s, &snap);
	}
	if (!err) {
		snapshot__sum(&snap, &sums);
		if (options.scope != SCOPE_ALL && sums.delivered != want) {
			msg("'%s' counted %ju callbacks where %ju were made.", w->name,
			    (uintmax_t)sums.delivered, (uintmax_t)want);
			err = -EIO;
		}
	}
	snapshot__clear(&snap);
	session__free(s);
	return err;
}

static int with_floor(const struct watcher *w, const struct worker *worker, double *cost)
{
	struct floor *f;
	int err = floor__attach(&f, w->floor);

	if (!err)
		err = worker__measure(worker, cost);
	floor__free(f);
	return err;
}

/* Waits for the script's first word. -ENOENT: bpftrace is not installed. */
static int start_bpftrace(const char *script, pid_t *pid, int *out)
{
	char byte;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	*pid = fork();
	if (!*pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(fds[1], 1);
		dup2(null, 2);
		execlp("bpftrace", "bpftrace", "-B", "line", "-e", script, NULL);
		_exit(127);
	}
	close(fds[1]);
	*out = fds[0];
	if (*pid < 0)
		return -errno;
	/* "Attaching N probes...\nready\n": the line after the first. */
	for (int lines = 0; lines < 2;) {
		if (read(*out, &byte, 1) != 1)
			return -ENOENT;
		lines += byte == '\n';
	}
	return 0;
}

static int with_bpftrace(const struct watcher *w, const struct worker *worker, double *cost)
{
	pid_t pid = -1;
	int out = -1, err = start_bpftrace(w->script, &pid, &out);

	if (!err)
		err = worker__measure(worker, cost);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(out);
	return err;
}

static int measure(const struct watcher *w, const struct worker *worker,
		   unsigned int iterations, double *cost)
{
	switch (w->kind) {
	case WATCH_FLOOR:
		return with_floor(w, worker, cost);
	case WATCH_SESSION:
		return with_session(w, worker, iterations, cost);
	case WATCH_BPFTRACE:
		return with_bpftrace(w, worker, cost);
	default:
		return worker__measure(worker, cost);
	}
}

static json_t *watcher_json(const struct watcher *w, int err, double cost, double base)
{
	const char *reason = NULL;

	if (err)
		reason = w->kind == WATCH_BPFTRACE ? "bpftrace is not installed or did not start" :
						     strerror(-err);
	return json_pack("{s:s, s:s, s:o, s:o, s:s?}", "watcher", w->name, "tells", w->tells,
			 "cost", err ? json_null() : json_real(cost), "added",
			 err ? json_null() : json_real(cost - base), "reason", reason);
}

enum status overhead__run(unsigned int device, unsigned int iterations, json_t **doc)
{
	const struct session_options options = { .scope = SCOPE_PROCESS, .pid = getpid() };
	json_t *rows = json_array();
	struct session *s = NULL;
	struct worker worker = { .go = -1, .cost = -1 };
	double cost = 0, base = 0;
	int err;

	*doc = NULL;
	/* Whether it may trace at all; and libbpf keeps its words to itself from here on. */
	err = session__open(&s, &options);
	session__free(s);
	if (err) {
		json_decref(rows);
		return session__status(err);
	}
	err = worker__start(&worker, device, iterations);
	if (err) {
		msg("cannot mirror a page with /dev/hmm_dmirror%u: %s; load test_hmm, or choose "
		    "another --device.",
		    device, strerror(-err));
		worker__end(&worker);
		json_decref(rows);
		return session__status(err);
	}
	for (size_t i = 0; i < WATCHERS; i++) {
		err = measure(&watchers[i], &worker, iterations, &cost);
		if (!i)
			base = cost;
		/* A session has said what failed; without it the table says nothing. */
		if (err && watchers[i].kind == WATCH_SESSION)
			break;
		json_array_append_new(rows, watcher_json(&watchers[i], err, cost, base));
		err = 0;
	}
	worker__end(&worker);
	if (!err)
		*doc = json_pack("{s:s, s:o, s:o, s:s, s:I, s:O}", "schema", "mmuscope-overhead/1",
				 "tool", tool_info__json(), "kernel", kernel_info__json(), "clock",
				 kernel_info__clock(), "iterations", (json_int_t)iterations * ROUNDS,
				 "watchers", rows);
	json_decref(rows);
	return err ? session__status(err) : STATUS_OK;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "overhead.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dmirror.h"
#include "floor.h"
#include "kernel_info.h"
#include "watched.h"

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
	{ .name = "record -- COMMAND",
	  .tells = "as stat -- COMMAND, and each notification and callback by itself",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_PROCESS, .latency = true, .records = SESSION_RECORDS } },
	{ .name = "record --no-latency -- COMMAND",
	  .tells = "as stat --no-latency, and each notification and callback by itself",
	  .kind = WATCH_SESSION,
	  .session = { .scope = SCOPE_PROCESS, .records = SESSION_RECORDS } },
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

static int with_floor(const struct watcher *w, const struct watched *worker, double *cost)
{
	struct floor *f;
	int err = floor__attach(&f, w->floor);

	if (!err)
		err = watched__measure(worker, cost);
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

static int with_bpftrace(const struct watcher *w, const struct watched *worker, double *cost)
{
	pid_t pid = -1;
	int out = -1, err = start_bpftrace(w->script, &pid, &out);

	if (!err)
		err = watched__measure(worker, cost);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(out);
	return err;
}

static int measure(const struct watcher *w, const struct watched *worker,
		   unsigned int iterations, double *cost)
{
	switch (w->kind) {
	case WATCH_FLOOR:
		return with_floor(w, worker, cost);
	case WATCH_SESSION:
		return watched__measure_with(worker, &w->session, w->off, w->name,
					     (__u64)iterations * WATCHED_ROUNDS, cost);
	case WATCH_BPFTRACE:
		return with_bpftrace(w, worker, cost);
	default:
		return watched__measure(worker, cost);
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

static int open_mirror(unsigned char *page, const void *device)
{
	static struct dmirror mirror;

	(void)page; /* a mirror is of the whole address space */
	return dmirror__open(&mirror, *(const unsigned int *)device);
}

enum status overhead__run(unsigned int device, unsigned int iterations, json_t **doc)
{
	const struct session_options options = { .scope = SCOPE_PROCESS, .pid = getpid() };
	json_t *rows = json_array();
	struct session *s = NULL;
	struct watched worker = { .go = -1, .cost = -1 };
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
	err = watched__start(&worker, open_mirror, &device, iterations);
	if (err) {
		msg("cannot mirror a page with /dev/hmm_dmirror%u: %s; load test_hmm, or choose "
		    "another --device.",
		    device, strerror(-err));
		watched__end(&worker);
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
	watched__end(&worker);
	if (!err)
		*doc = json_pack("{s:s, s:o, s:o, s:s, s:I, s:O}", "schema", "mmuscope-overhead/1",
				 "tool", tool_info__json(), "kernel", kernel_info__json(), "clock",
				 kernel_info__clock(), "iterations", (json_int_t)iterations * WATCHED_ROUNDS,
				 "watchers", rows);
	json_decref(rows);
	return err ? session__status(err) : STATUS_OK;
}

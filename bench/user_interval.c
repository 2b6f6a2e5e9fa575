// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What `stat -I` needs of a core: a real one, of processes that are mirrored. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dmirror.h"
#include "user_side.h"
#include "workload.h"

#define PROCESSES 250
#define ROWS (4 * PROCESSES) /* of two events, a notification and a callback each */
#define INTERVAL_MS 100

struct crowd {
	pid_t pids[PROCESSES];
	int ready[2], go[2];	/* each process says once that it is mirrored, and waits */
};

/* Two notifications, CLEAR and PROTECTION_VMA; no access between them: none of migration. */
static void notify(unsigned char *page)
{
	*(volatile unsigned char *)page = 1;
	mprotect(page, PAGE_BYTES, PROT_READ);
	mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE);
	madvise(page, PAGE_BYTES, MADV_DONTNEED);
}

static void member(const struct crowd *c, const char *path, bool busy)
{
	const struct timespec pause = { .tv_nsec = INTERVAL_MS * 1000000 / 2 };
	unsigned char *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (page == MAP_FAILED || fd < 0 || write(c->ready[1], "", 1) != 1)
		_exit(1);
	close(c->go[1]);
	/* The other end is closed when the tool has started to count. */
	if (read(c->go[0], &byte, 1))
		_exit(1);
	do {
		notify(page);
		nanosleep(&pause, NULL);
	} while (busy);
	for (;;)
		sleep(3600);
}

static int start_crowd(struct crowd *c, bool busy, const char *path)
{
	char byte;

	if (pipe2(c->ready, O_CLOEXEC) || pipe2(c->go, O_CLOEXEC))
		return -errno;
	for (int i = 0; i < PROCESSES; i++) {
		c->pids[i] = fork();
		if (!c->pids[i])
			member(c, path, busy);
		if (c->pids[i] < 0)
			return -errno;
	}
	close(c->ready[1]);
	for (int i = 0; i < PROCESSES; i++)
		if (read(c->ready[0], &byte, 1) != 1)
			return -ESRCH;
	return 0;
}

static void end_crowd(struct crowd *c)
{
	for (int i = 0; i < PROCESSES; i++) {
		if (c->pids[i] <= 0)
			continue;
		kill(c->pids[i], SIGKILL);
		waitpid(c->pids[i], NULL, 0);
	}
	close(c->ready[0]);
}

/* What is measured: rows that all change or do not, as JSON or as tables. */
struct way {
	const char *name;
	bool busy, json;
};

/* The tool itself, whose output comes to us. */
static pid_t start_stat(const struct way *way, FILE **out)
{
	char interval[16];
	int ends[2];
	pid_t pid;

	snprintf(interval, sizeof(interval), "%d", INTERVAL_MS);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/proc/self/exe", "mmuscope", "stat", "-I", interval, "-a",
		      way->json ? "--json" : NULL, NULL);
		_exit(1);
	}
	close(ends[1]);
	*out = fdopen(ends[0], "re");
	return pid;
}

/* The rows in the next line, which is one interval; -EIO: there is none. */
static int read_json(FILE *out)
{
	static const char *const lists[] = { "notifications", "callbacks" };
	json_t *doc = json_loadf(out, JSON_DISABLE_EOF_CHECK, NULL);
	size_t rows = 0;

	for (size_t i = 0; i < 2; i++)
		rows += json_array_size(json_object_get(doc, lists[i]));
	json_decref(doc);
	return doc ? (int)rows : -EIO;
}

/* The rows, "name:1234 ...", up to the line that begins the next interval. */
static int read_tables(FILE *out)
{
	char line[512];
	int rows = 0;

	while (fgets(line, sizeof(line), out)) {
		char *colon = strchr(line, ':');

		if (!strncmp(line, "--- ", 4))
			return rows;
		rows += colon && !memchr(line, ' ', (size_t)(colon - line)) && isdigit(colon[1]);
	}
	return -EIO;
}

static double cpu_of(pid_t pid)
{
	struct timespec t = {};
	clockid_t clock;

	if (!clock_getcpuclockid(pid, &clock))
		clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Intervals that are not measured, while rows are new, and those that are. */
enum { SETTLE = 5, MEASURED = 20 };

static int measure(const struct way *way, pid_t pid, FILE *out, struct crowd *c,
		   json_t **result)
{
	int told = 0;
	double cpu = 0;

	/* With the first one it counts. */
	for (int i = -1; i < SETTLE + MEASURED; i++) {
		int rows = way->json ? read_json(out) : read_tables(out);

		if (rows < 0)
			return rows;
		if (i == -1) {
			close(c->go[0]);
			close(c->go[1]);
		}
		if (i == SETTLE - 1)
			cpu = cpu_of(pid);
		told += rows;
		/* Each is in every interval, or in one: when it was counted; others may come. */
		if (way->busy && i >= SETTLE && rows < ROWS)
			return -ENODATA;
	}
	if (told < ROWS)
		return -ENODATA;
	cpu = (cpu_of(pid) - cpu) / MEASURED;
	*result = json_pack("{s:i, s:f, s:f}", "rows", ROWS, "cpu", cpu, "core_pct",
			    cpu / (INTERVAL_MS * 1e4));
	return 0;
}

static int run(const struct way *way, const char *path, json_t *intervals)
{
	json_t *result = NULL;
	struct crowd c = {};
	FILE *out = NULL;
	int err = start_crowd(&c, way->busy, path);
	pid_t pid = err ? -1 : start_stat(way, &out);

	if (!err && (pid < 0 || !out))
		err = -EIO;
	err = err ? err : measure(way, pid, out, &c, &result);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (out)
		fclose(out);
	end_crowd(&c);
	if (!err && json_object_set_new(intervals, way->name, result))
		err = -ENOMEM;
	return err;
}

json_t *user_interval__measure(void)
{
	static const struct way ways[] = {
		{ "idle", false, true },
		{ "busy", true, true },
		{ "busy_table", true, false },
	};
	json_t *intervals = json_pack("{s:i}", "interval_ms", INTERVAL_MS);
	struct dmirror d;
	int err = dmirror__open(&d, 0);

	if (!err)
		dmirror__close(&d);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && !err; i++)
		err = run(&ways[i], d.path, intervals);
	if (!err)
		return intervals;
	json_decref(intervals);
	return json_pack("{s:s}", "reason",
			 err == -ENODEV	 ? "no test device (test_hmm)" :
			 err == -ENODATA ? "not every row was counted in every interval" :
					   strerror(-err));
}

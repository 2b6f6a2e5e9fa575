// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "user_side.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel_info.h"
#include "session.h"
#include "table.h"
#include "workload.h"

enum step { OPEN, LOAD, ATTACH, SNAPSHOT, STOP, STEPS };

static const char *const step_names[STEPS] = { "open", "load", "attach", "snapshot", "stop" };

static const struct mode {
	const char *name;
	struct session_options options;
} modes[] = {
	{ "stat -- COMMAND", { .scope = SCOPE_PROCESS, .latency = true } },
	{ "stat --no-latency -- COMMAND", { .scope = SCOPE_PROCESS } },
	{ "stat -a", { .scope = SCOPE_ALL, .latency = true, .running = true } },
	{ "record -- COMMAND",
	  { .scope = SCOPE_PROCESS, .latency = true, .records = SESSION_RECORDS } },
};

#define MODES (sizeof(modes) / sizeof(modes[0]))

/* Of each step: how long it took, and what of that this process was at work for. */
struct costs {
	int err;
	double elapsed[STEPS], cpu[STEPS];
};

static double clock_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double elapsed_clock(void)
{
	return clock_of(CLOCK_MONOTONIC_RAW);
}

static double cpu_clock(void)
{
	return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

struct stopwatch {
	struct costs *costs;
	double elapsed, cpu;
};

static void begin(struct stopwatch *w)
{
	w->elapsed = elapsed_clock();
	w->cpu = cpu_clock();
}

static void end(struct stopwatch *w, enum step step)
{
	w->costs->cpu[step] = cpu_clock() - w->cpu;
	w->costs->elapsed[step] = elapsed_clock() - w->elapsed;
	begin(w);
}

static void run_session(const struct session_options *options, struct costs *costs)
{
	struct stopwatch w = { .costs = costs };
	struct snapshot snap = {};
	struct session *s = NULL;
	int err;

	begin(&w);
	err = session__open(&s, options);
	end(&w, OPEN);
	err = err ? err : session__load(s);
	end(&w, LOAD);
	err = err ? err : session__attach(s);
	end(&w, ATTACH);
	if (!err)
		session__enable(s, true);
	begin(&w);
	err = err ? err : session__snapshot(s, &snap);
	end(&w, SNAPSHOT);
	if (!err)
		session__enable(s, false);
	snapshot__clear(&snap);
	begin(&w);
	session__free(s);
	end(&w, STOP);
	costs->err = err;
}

/* In a process of its own: what one session has read and asked the next need not. */
static int in_child(void (*work)(const void *argument, struct costs *costs), const void *argument,
		    struct costs *costs)
{
	int out[2], err = -EIO;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		memset(costs, 0, sizeof(*costs));
		work(argument, costs);
		_exit(write(out[1], costs, sizeof(*costs)) != sizeof(*costs));
	}
	close(out[1]);
	if (pid < 0)
		err = -errno;
	else if (read(out[0], costs, sizeof(*costs)) == sizeof(*costs))
		err = costs->err;
	close(out[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return err;
}

static void start_and_stop(const void *argument, struct costs *costs)
{
	struct session_options options = *(const struct session_options *)argument;
	pid_t target = 0;

	if (options.scope == SCOPE_PROCESS) {
		target = fork();
		if (!target)
			for (;;)
				pause();
		options.pid = target;
	}
	run_session(&options, costs);
	if (target > 0) {
		kill(target, SIGKILL);
		waitpid(target, NULL, 0);
	}
}

static int measure_start(const struct mode *m, json_t *rows)
{
	struct costs costs;
	int err = in_child(start_and_stop, &m->options, &costs);
	json_t *row = json_pack("{s:s}", "mode", m->name), *steps = json_array();
	double elapsed = 0, cpu = 0;

	for (int i = 0; i < STEPS; i++) {
		json_array_append_new(steps, json_pack("{s:s, s:f, s:f}", "step", step_names[i],
						       "elapsed", costs.elapsed[i], "cpu",
						       costs.cpu[i]));
		if (i > ATTACH)
			continue;
		elapsed += costs.elapsed[i];
		cpu += costs.cpu[i];
	}
	json_object_set_new(row, "start",
			    json_pack("{s:f, s:f}", "elapsed", elapsed, "cpu", cpu));
	json_object_set_new(row, "steps", steps);
	json_array_append_new(rows, row);
	return err;
}

#define SNAPSHOT_ROWS 10000
#define SNAPSHOT_SHIFT 13	/* 8192 of either kind */
#define SNAPSHOTS 9

/* Rows that nothing was counted in, filled in by hand: reading is what is measured. */
static void read_rows(const void *argument, struct costs *costs)
{
	const struct session_options options = {
		.scope = SCOPE_ALL,
		.latency = true,
		.row_shift = SNAPSHOT_SHIFT,
	};
	struct stopwatch w = { .costs = costs };
	struct session *s = NULL;
	int err = session__open(&s, &options);

	(void)argument;
	err = err ? err : session__load(s);
	if (!err)
		session__fill_rows(s, SNAPSHOT_ROWS / 2, SNAPSHOT_ROWS / 2);
	for (int i = 0; i < SNAPSHOTS && !err; i++) {
		struct snapshot snap;

		begin(&w);
		err = session__snapshot(s, &snap);
		end(&w, SNAPSHOT);
		if (!err && snap.row_count + snap.callback_count != SNAPSHOT_ROWS)
			err = -EIO;
		snapshot__clear(&snap);
	}
	session__free(s);
	costs->err = err;
}

static int measure_snapshot(json_t **out)
{
	struct costs costs;
	int err = in_child(read_rows, NULL, &costs);

	if (!err)
		*out = json_pack("{s:i, s:i, s:f, s:f}", "rows", SNAPSHOT_ROWS, "cpus",
				 (int)sysconf(_SC_NPROCESSORS_CONF), "elapsed",
				 costs.elapsed[SNAPSHOT], "cpu", costs.cpu[SNAPSHOT]);
	return err;
}

enum status user_side__run(const struct bench_options *o, json_t **doc)
{
	json_t *starts = json_array(), *snapshot = NULL;
	int err = 0;

	(void)o;
	*doc = NULL;
	for (size_t i = 0; i < MODES && !err; i++)
		err = measure_start(&modes[i], starts);
	err = err ? err : measure_snapshot(&snapshot);
	if (!err)
		*doc = json_pack("{s:s, s:o, s:o, s:s, s:O, s:O, s:o}", "schema",
				 "mmuscope-user-side/1", "tool", tool_info__json(), "kernel",
				 kernel_info__json(), "clock", kernel_info__clock(), "starts",
				 starts, "snapshot", snapshot, "interval",
				 user_interval__measure());
	json_decref(starts);
	json_decref(snapshot);
	return err ? session__status(err) : STATUS_OK;
}

/* ---- printing ---- */

static double number(const json_t *o, const char *field)
{
	return json_number_value(json_object_get(o, field));
}

/* Millions of instructions, and milliseconds, are the same number of digits away. */
static const char *millions(double n, char text[32])
{
	snprintf(text, 32, "%.2f", n / 1e6);
	return text;
}

static int print_starts(const json_t *doc, FILE *out)
{
	static const struct table_column columns[] = {
		{ "START", false },  { "OPEN", true },	   { "LOAD", true }, { "ATTACH", true },
		{ "TOGETHER", true }, { "SNAPSHOT", true }, { "STOP", true },
	};
	struct table *table = table__new(columns, 7);
	int err = table ? 0 : -ENOMEM;
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(doc, "starts"), i, row) {
		const json_t *steps = json_object_get(row, "steps");
		char text[STEPS + 1][32];
		const char *cells[7] = { json_string_value(json_object_get(row, "mode")) };

		for (int s = 0; s < STEPS; s++)
			cells[s > ATTACH ? s + 2 : s + 1] = millions(
				number(json_array_get(steps, (size_t)s), "cpu"), text[s]);
		cells[ATTACH + 2] =
			millions(number(json_object_get(row, "start"), "cpu"), text[STEPS]);
		err = err ? err : table__add_row(table, cells);
	}
	err = err ? err : table__print(table, out);
	table__free(table);
	return err;
}

static void print_interval(const json_t *interval, const char *unit, FILE *out)
{
	static const char *const kinds[][2] = {
		{ "idle", "nothing is counted, as JSON" },
		{ "busy", "every row changes, as JSON" },
		{ "busy_table", "every row changes, as tables" },
	};
	const char *reason = json_string_value(json_object_get(interval, "reason"));
	char text[32];

	if (reason) {
		fprintf(out, "stat -I: not measured: %s\n", reason);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const json_t *o = json_object_get(interval, kinds[i][0]);

		fprintf(out, "stat -I %.0f -a with %.0f rows, %s: %s %s an interval, %.2f %% of a core\n",
			number(interval, "interval_ms"), number(o, "rows"), kinds[i][1],
			millions(number(o, "cpu"), text), unit, number(o, "core_pct"));
	}
}

enum status user_side__print(const json_t *doc, FILE *out)
{
	bool insn = !strcmp(json_string_value(json_object_get(doc, "clock")), "guest-insn");
	const char *unit = insn ? "million guest instructions" : "ms of CPU time";
	const json_t *snapshot = json_object_get(doc, "snapshot");
	char text[32];
	int err;

	fprintf(out, "In %s, on %s\n", unit,
		json_string_value(json_object_get(json_object_get(doc, "kernel"), "release")));
	err = print_starts(doc, out);
	fprintf(out, "Snapshot of %.0f rows on %.0f CPU%s: %s %s\n", number(snapshot, "rows"),
		number(snapshot, "cpus"), number(snapshot, "cpus") > 1 ? "s" : "",
		millions(number(snapshot, "cpu"), text), unit);
	print_interval(json_object_get(doc, "interval"), unit, out);
	return err ? STATUS_FAILED : STATUS_OK;
}

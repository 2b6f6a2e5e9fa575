// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "scale.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "kernel_info.h"
#include "session.h"
#include "table.h"
#include "workload.h"

#define LAPS 5			/* of all processes; the median counts */
#define RING_BYTES (8UL << 20)	/* each new row is told, and nobody reads meanwhile */

struct population {
	const char *of;
	unsigned int count, processes;
	struct crowd_listeners listeners;
};

#define SUBSCRIBERS(n) { "subscribers", n, 1, { 1, (n) - 1 } }
#define PROCESSES(n) { "processes", n, n, { 1, 0 } }
#define DRIVERS(n) { "drivers", n, 1, { n, 0 } }

static const struct population populations[] = {
	SUBSCRIBERS(1), SUBSCRIBERS(100), SUBSCRIBERS(10000),
	PROCESSES(1), PROCESSES(10), PROCESSES(100), PROCESSES(1000), PROCESSES(10000),
	DRIVERS(1), DRIVERS(4), DRIVERS(16), DRIVERS(64),
};

#define POPULATIONS (sizeof(populations) / sizeof(populations[0]))

static const struct {
	const char *name;
	bool latency;
} modes[] = { { "stat -a", true }, { "stat -a --no-latency", false } };

#define MODES (sizeof(modes) / sizeof(modes[0]))

/* Of one notification; `fresh`: one that makes its rows. */
struct costs {
	double hot, in_turn, fresh;
};

struct run_of {
	const struct population *p;
	struct crowd *crowd;
	unsigned int iterations;
	struct costs unwatched;
};

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double v[LAPS])
{
	qsort(v, LAPS, sizeof(v[0]), by_value);
	return v[LAPS / 2];
}

static int measure(const struct run_of *r, struct costs *out)
{
	double cost[LAPS];
	int err = crowd__in_turn(r->crowd, &out->fresh);

	for (int i = 0; i < LAPS && !err; i++)
		err = crowd__in_turn(r->crowd, &cost[i]);
	out->in_turn = median(cost);
	for (int i = 0; i < LAPS && !err; i++)
		err = crowd__hot(r->crowd, r->iterations, &cost[i]);
	out->hot = median(cost);
	return err;
}

/* ---- was each row counted, and right? ---- */

static long process_of(const struct crowd *c, unsigned int count, __u32 tgid)
{
	unsigned int low = 0, high = count;

	/* They were made one after the other; where pids began anew the first are higher. */
	while (low < high && crowd__pid(c, low) > crowd__pid(c, high - 1))
		if (crowd__pid(c, low++) == (pid_t)tgid)
			return low - 1;
	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (crowd__pid(c, middle) == (pid_t)tgid)
			return middle;
		if (crowd__pid(c, middle) < (pid_t)tgid)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/* Adds a row of ours to what was found of its process. */
static void check_row(const struct run_of *r, const struct mmuscope_row_key *key, __u64 count,
		      unsigned int *found, unsigned int *wrong)
{
	long i = process_of(r->crowd, r->p->processes, key->tgid);
	__u64 want = 1 + LAPS;

	if (i < 0)
		return;
	if (!i)
		want += (__u64)LAPS * r->iterations;
	found[i]++;
	*wrong += count != want;
}

/* One row of notifications of each process, and one of callbacks for each of its drivers. */
static int check(const struct run_of *r, const struct snapshot *snap, const char *name)
{
	unsigned int n = r->p->processes, wrong = 0, missing = 0;
	unsigned int *rows = calloc(n, sizeof(*rows)), *callbacks = calloc(n, sizeof(*callbacks));
	int err = rows && callbacks ? 0 : -ENOMEM;

	for (size_t i = 0; i < snap->row_count && !err; i++)
		check_row(r, &snap->rows[i].key, snap->rows[i].count[NOTIFICATION_CALLS], rows,
			  &wrong);
	for (size_t i = 0; i < snap->callback_count && !err; i++)
		check_row(r, &snap->callbacks[i].key, callback_row__delivered(&snap->callbacks[i]),
			  callbacks, &wrong);
	for (unsigned int i = 0; i < n && !err; i++)
		missing += rows[i] != 1 || callbacks[i] != r->p->listeners.drivers;
	if (wrong || missing || snap->total[LOST_ROWS] || snap->total[LOST_EVENTS]) {
		msg("'%s' with %u %s: %u rows are wrong, those of %u processes are not all there, "
		    "%ju counts and %ju messages were lost.",
		    name, r->p->count, r->p->of, wrong, missing,
		    (uintmax_t)snap->total[LOST_ROWS], (uintmax_t)snap->total[LOST_EVENTS]);
		err = -EIO;
	}
	free(rows);
	free(callbacks);
	return err;
}

/* ---- memory ---- */

/*
 * What one file of ours says of a map; false where it is none. The ring is not counted: it
 * is what --ring-size says, and before 6.4 the kernel says that it is nothing.
 */
static bool read_map(const char *name, unsigned long *id, unsigned long *bytes)
{
	char path[300], line[128];
	unsigned int type = 0;
	FILE *f;

	*id = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", name);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "map_type: %u", &type);
		sscanf(line, "memlock: %lu", bytes);
		sscanf(line, "map_id: %lu", id);
	}
	fclose(f);
	return *id > 0 && type != BPF_MAP_TYPE_RINGBUF;
}

/* Of all maps of this process, each once: the objects of callbacks have the same again. */
static __u64 map_bytes(void)
{
	unsigned long seen[1024], id, bytes = 0, sum = 0;
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *e;
	size_t n = 0, i;

	while (dir && (e = readdir(dir))) {
		if (!read_map(e->d_name, &id, &bytes))
			continue;
		for (i = 0; i < n && seen[i] != id; i++)
			;
		if (i < n || n == sizeof(seen) / sizeof(seen[0]))
			continue;
		seen[n++] = id;
		sum += bytes;
	}
	if (dir)
		closedir(dir);
	return sum;
}

/* ---- one line of the table ---- */

static json_t *cost_json(const struct run_of *r, double cost, bool one_process_has_it)
{
	return r->p->processes > 1 || one_process_has_it ? json_real(cost) : json_null();
}

static unsigned int row_shift(const struct population *p)
{
	unsigned int shift = 12;

	while (1U << shift < p->processes * p->listeners.drivers + 1)
		shift++;
	return shift;
}

static int watch(const struct run_of *r, int mode, json_t *watchers)
{
	const struct session_options options = {
		.scope = SCOPE_ALL,
		.latency = modes[mode].latency,
		.running = true,
		.row_shift = row_shift(r->p),
		.ring_bytes = RING_BYTES,
	};
	const struct costs *u = &r->unwatched;
	struct snapshot snap = {};
	struct session *s = NULL;
	__u64 bytes = 0, start;
	struct costs c;
	int err = session__open(&s, &options);

	err = err ? err : session__load(s);
	err = err ? err : session__attach(s);
	if (!err) {
		bytes = map_bytes();
		session__enable(s, true);
		err = measure(r, &c);
		session__enable(s, false);
		if (err)
			msg("a process has died: is there memory for %u of them?",
			    r->p->processes);
	}
	start = run__clock();
	err = err ? err : session__snapshot(s, &snap);
	start = run__clock() - start;
	err = err ? err : check(r, &snap, modes[mode].name);
	if (!err)
		json_array_append_new(
			watchers,
			json_pack("{s:s, s:b, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "watcher",
				  modes[mode].name, "latency", modes[mode].latency, "hot", json_real(c.hot - u->hot), "in_turn",
				  cost_json(r, c.in_turn - u->in_turn, false), "new",
				  cost_json(r, c.fresh - u->fresh, true), "rows",
				  (json_int_t)snap.row_count, "callback_rows",
				  (json_int_t)snap.callback_count, "max_rows",
				  (json_int_t)1 << options.row_shift, "map_bytes",
				  (json_int_t)bytes, "snapshot", (json_int_t)start));
	snapshot__clear(&snap);
	session__free(s);
	return err;
}

/* Are there so many? *reason says what is missing. */
static bool has_devices(const struct population *p, char reason[80])
{
	char path[40];

	for (unsigned int i = 0; i < p->listeners.drivers; i++) {
		crowd__device(p->listeners.drivers, i, path);
		if (!access(path, R_OK | W_OK))
			continue;
		snprintf(reason, 80, "there is no %s", path);
		return false;
	}
	return true;
}

static int measure_population(const struct population *p, unsigned int iterations, json_t *rows)
{
	struct run_of r = { .p = p, .iterations = iterations };
	json_t *watchers = json_array(), *unwatched = json_null();
	char reason[80] = "";
	int err = 0;

	if (has_devices(p, reason)) {
		err = crowd__start(&r.crowd, p->processes, &p->listeners);
		err = err ? err : measure(&r, &r.unwatched);
		if (err)
			msg("cannot make %u %s: %s.", p->count, p->of, strerror(-err));
		unwatched = json_pack("{s:f, s:o}", "hot", r.unwatched.hot, "in_turn",
				      cost_json(&r, r.unwatched.in_turn, false));
		for (int i = 0; i < (int)MODES && !err; i++)
			err = watch(&r, i, watchers);
		crowd__end(r.crowd);
	}
	json_array_append_new(rows, json_pack("{s:s, s:i, s:o, s:o, s:s?}", "of", p->of, "count",
					      (int)p->count, "unwatched", unwatched, "watchers",
					      watchers, "reason", reason[0] ? reason : NULL));
	return err;
}

enum status scale__run(unsigned int iterations, unsigned int most, json_t **doc)
{
	char reason[80];
	json_t *rows;
	int err;

	*doc = NULL;
	err = session__check();
	if (err)
		return session__status(err);
	if (!has_devices(&populations[0], reason)) {
		msg("cannot subscribe: %s; load notifier_test.ko, which kernel/module has.",
		    reason);
		return STATUS_UNAVAILABLE;
	}
	rows = json_array();
	for (size_t i = 0; i < POPULATIONS && !err; i++)
		if (populations[i].count <= most)
			err = measure_population(&populations[i], iterations, rows);
	if (!err)
		*doc = json_pack("{s:s, s:o, s:o, s:s, s:I, s:i, s:O}", "schema",
				 "mmuscope-scale/1", "tool", tool_info__json(), "kernel",
				 kernel_info__json(), "clock", kernel_info__clock(), "iterations",
				 (json_int_t)iterations, "cpus",
				 (int)sysconf(_SC_NPROCESSORS_CONF), "populations", rows);
	json_decref(rows);
	return err ? session__status(err) : STATUS_OK;
}

/* ---- the table ---- */

static const char *cell(const json_t *value, char text[24])
{
	if (json_is_null(value))
		return "-";
	snprintf(text, 24, "%.0f", json_number_value(value));
	return text;
}

static int add_line(struct table *table, const json_t *population, const json_t *watcher)
{
	const json_t *unwatched = json_object_get(population, "unwatched");
	json_int_t rows = json_integer_value(json_object_get(watcher, "rows")) +
			  json_integer_value(json_object_get(watcher, "callback_rows"));
	char text[6][24], sum[24], kib[24];
	const char *const cells[] = {
		json_string_value(json_object_get(population, "of")),
		cell(json_object_get(population, "count"), text[0]),
		json_is_true(json_object_get(watcher, "latency")) ? "yes" : "no",
		cell(json_object_get(unwatched, "hot"), text[1]),
		cell(json_object_get(watcher, "hot"), text[2]),
		cell(json_object_get(watcher, "in_turn"), text[3]),
		cell(json_object_get(watcher, "new"), text[4]),
		sum,
		kib,
		cell(json_object_get(watcher, "snapshot"), text[5]),
	};

	snprintf(sum, sizeof(sum), "%jd", (intmax_t)rows);
	snprintf(kib, sizeof(kib), "%jd",
		 (intmax_t)json_integer_value(json_object_get(watcher, "map_bytes")) / 1024);
	return table__add_row(table, cells);
}

enum status scale__print(const json_t *doc, FILE *out)
{
	static const struct table_column columns[] = {
		{ "OF", false },      { "COUNT", true },  { "LATENCY", false },
		{ "UNWATCHED", true }, { "HOT", true },	  { "IN TURN", true },
		{ "NEW", true },      { "ROWS", true },	  { "MAPS KiB", true },
		{ "SNAPSHOT", true },
	};
	bool insn = !strcmp(json_string_value(json_object_get(doc, "clock")), "guest-insn");
	struct table *table = table__new(columns, sizeof(columns) / sizeof(columns[0]));
	int err = table ? 0 : -ENOMEM;
	json_t *population, *watcher;
	size_t i, j;

	fprintf(out, "What stat -a adds to one notification, in %s, on %s\n",
		insn ? "guest instructions" : "ns",
		json_string_value(json_object_get(json_object_get(doc, "kernel"), "release")));
	json_array_foreach(json_object_get(doc, "populations"), i, population)
		json_array_foreach(json_object_get(population, "watchers"), j, watcher)
			err = err ? err : add_line(table, population, watcher);
	err = err ? err : table__print(table, out);
	table__free(table);
	json_array_foreach(json_object_get(doc, "populations"), i, population)
		if (json_is_string(json_object_get(population, "reason")))
			fprintf(out, "%s, %jd: n/o: %s\n",
				json_string_value(json_object_get(population, "of")),
				(intmax_t)json_integer_value(json_object_get(population, "count")),
				json_string_value(json_object_get(population, "reason")));
	return err ? STATUS_FAILED : STATUS_OK;
}

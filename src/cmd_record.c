// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope record: each migration, notification, callback and device fault to disk. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "capture.h"
#include "causes.h"
#include "cmd.h"
#include "filter.h"
#include "msg.h"
#include "recorder.h"
#include "recorder_names.h"

#define TICK_MS 100
#define SECOND_NS 1000000000ULL

struct record_run {
	struct capture capture;
	struct filter filter;
	const char *dir;
	unsigned long long size; /* bytes, 0: no bound */
	bool stacks;
	unsigned int every;	/* --sample, 0: not given */
	struct causes causes;
	struct recorder *recorder;
	struct recorder_names names;
	__u64 *lost_by_cpu;
	__u64 kept[RECORD_KINDS], told_lost;
	__u64 counted_at;	/* when the counters were written last, ns */
	__u64 flushed_at;
	bool on_terminal;	/* progress is shown */
};

static void help(FILE *out)
{
	fputs("Usage: mmuscope record -o DIR [OPTIONS] [-a | -p PID | -c CGROUP | -- COMMAND [ARGS]]\n\n"
	      "Writes each migration, notification, callback and device fault to DIR, a CTF 1.8\n"
	      "trace: 'mmuscope report DIR' reads it, and so do babeltrace2 and other readers of CTF.\n"
	      "Ends with the command or process, or at Ctrl-C. What was written before a kill, a\n"
	      "crash or a full disk can be read.\n\n"
	      "What to record:\n" CAPTURE_HELP_SCOPE "\n"
	      "What to keep, of all that is counted:\n" FILTER_HELP "\n"
	      "Options:\n"
	      "  -o, --output DIR     the recording, a folder that is empty or not there yet\n"
	      "      --size N[K|M|G]  bytes of records at most: the oldest go (default: no bound)\n"
	      "      --stack          also the kernel's stack of migrations and notifications\n"
	      "      --sample N       with --stack: of one in N notifications (default 1)\n"
	      "  -d, --duration S     stop after S seconds\n"
	      "      --no-latency     callbacks without probes and times, half of the cost\n"
	      "      --via RUNG       callbacks by fentry, kprobe or registry only\n"
	      "      --ring-size N    bytes of records for each CPU (default 2097152)\n"
	      "      --max-rows N     room for rows of counts, a power of two (default 4096)\n"
	      "  -h, --help           this text\n\n"
	      "Exit status: 0 all was recorded; 3 records were lost, see the last lines; 4 cannot\n"
	      "be recorded here.\n\n"
	      "Examples:\n"
	      "  sudo mmuscope record -o run1 -- ./hmm-program\n"
	      "  sudo mmuscope record -o kvm --size 256M -a --driver kvm -d 60\n"
	      "  mmuscope report run1\n",
	      out);
}

/* ---- what a recording tells beside its records ---- */

static json_t *make_about(const struct record_run *r, const struct report *report)
{
	static const char *const keys[] = { "tool", "kernel", "clock", "scope", "command",
					    "children" };
	json_t *stat = report__json(report), *about = json_object(), *filter = json_array();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_set(about, keys[i], json_object_get(stat, keys[i]));
	json_object_set_new(about, "latency", json_boolean(report->latency));
	for (size_t i = 0; i < r->filter.word_count; i++)
		json_array_append_new(filter, json_string(r->filter.words[i]));
	json_object_set_new(about, "filter", filter);
	json_decref(stat);
	return about;
}

static struct report make_report(struct record_run *r, const struct snapshot *snap)
{
	const struct capture *c = &r->capture;
	struct report report = capture__report(c, snap, (c->stopped ? c->stopped : capture__now()) -
								c->started);

	report.causes = r->stacks ? &r->causes : NULL;
	report.stacks = &r->causes;
	return report;
}

/* `last`: counting has ended; then *broken says whether something is broken. */
static int write_counters(struct record_run *r, bool last, bool *broken)
{
	struct snapshot snap;
	struct report report;
	json_t *stat = NULL;
	int err = session__snapshot(r->capture.session, &snap);

	if (err)
		return err;
	report = make_report(r, &snap);
	if (r->stacks)
		err = session__read_stacks(r->capture.session, &snap, NULL, &r->causes);
	if (last)
		*broken = capture__say_broken(&report);
	stat = err ? NULL : report__json(&report);
	err = err ? err : stat ? recorder__counters(r->recorder, stat, last) : -ENOMEM;
	json_decref(stat);
	snapshot__clear(&snap);
	r->counted_at = capture__now();
	return err;
}

static int write_lost(struct record_run *r)
{
	__u64 lost[RECORD_KINDS];
	__u64 sum = session__lost_records(r->capture.session, lost, r->lost_by_cpu);

	if (sum == r->told_lost)
		return 0;
	if (r->on_terminal)
		fputc('\n', stderr);
	msg("%ju records were lost, the ring is full: name a larger --ring-size, or less to record.",
	    (uintmax_t)(sum - r->told_lost));
	r->told_lost = sum;
	return recorder__lost(r->recorder, lost, r->lost_by_cpu);
}

/* ---- records ---- */

static int take(void *ctx, unsigned int cpu, const struct mmuscope_record *rec)
{
	struct record_run *r = ctx;
	int err;

	if (r->filter.word_count &&
	    !filter__record(&r->filter, rec, session__names(r->capture.session)))
		return 0;
	err = recorder__record(r->recorder, cpu, rec);
	if (err)
		return err;
	r->kept[rec->kind]++;
	return recorder_names__meet(&r->names, rec);
}

static void show_progress(const struct record_run *r)
{
	const struct recorder_progress p = recorder__progress(r->recorder);

	if (!r->on_terminal)
		return;
	fprintf(stderr, "\r%8.1f s  %12ju records  %9.1f MiB  %ju lost  %ju dropped ",
		capture__seconds(&r->capture), (uintmax_t)p.records, (double)p.bytes / (1 << 20),
		(uintmax_t)r->told_lost, (uintmax_t)p.dropped);
	fflush(stderr);
}

/* A tenth of the time goes by between two writings of the counters, at least a second. */
static bool counters_due(const struct record_run *r, __u64 now)
{
	__u64 gap = (now - r->capture.started) / 10;

	return now - r->counted_at >= (gap > SECOND_NS ? gap : SECOND_NS);
}

static int tick(void *ctx)
{
	struct record_run *r = ctx;
	long n = session__take_records(r->capture.session, take, r);
	__u64 now = capture__now();
	int err = n < 0 ? (int)n : write_lost(r);

	if (err || now - r->flushed_at < SECOND_NS)
		return err;
	err = recorder_names__tell(&r->names, r->capture.session, r->recorder, &r->causes);
	if (!err && counters_due(r, now))
		err = write_counters(r, false, NULL);
	err = err ? err : recorder__flush(r->recorder);
	r->flushed_at = now;
	show_progress(r);
	return err;
}

static int finish(struct record_run *r, bool *broken)
{
	long n = session__take_records(r->capture.session, take, r);
	int err = n < 0 ? (int)n : write_lost(r);

	err = err ? err : recorder_names__tell(&r->names, r->capture.session, r->recorder, &r->causes);
	return err ? err : write_counters(r, true, broken);
}

/* ---- the run ---- */

static void tell_result(const struct record_run *r)
{
	const struct recorder_progress p = recorder__progress(r->recorder);
	char dropped[80] = "";

	if (p.dropped)
		snprintf(dropped, sizeof(dropped), ", of which the oldest %ju were dropped (--size)",
			 (uintmax_t)p.dropped);
	msg("%s: %ju migrations, %ju notifications, %ju callbacks, %ju device faults in %.3f s%s; "
	    "%.1f MiB, %ju records lost. 'mmuscope report %s' reads it.",
	    r->dir, (uintmax_t)r->kept[RECORD_MIGRATION], (uintmax_t)r->kept[RECORD_NOTIFICATION],
	    (uintmax_t)r->kept[RECORD_CALLBACK], (uintmax_t)r->kept[RECORD_FAULT],
	    capture__seconds(&r->capture), dropped, (double)p.bytes / (1 << 20),
	    (uintmax_t)r->told_lost, r->dir);
}

static enum status write_failed(const struct record_run *r, int err)
{
	msg("cannot write the recording %s: %s; what was written before can be read.", r->dir,
	    strerror(-err));
	return STATUS_FAILED;
}

static int say_refused(const struct record_run *r, int err)
{
	if (err == -ENOTEMPTY)
		msg("%s is not empty; name another folder with --output, or remove it.", r->dir);
	else if (err)
		msg("cannot make the recording %s: %s; name another folder with --output.", r->dir,
		    strerror(-err));
	return err;
}

static int open_recorder(struct record_run *r)
{
	struct recorder_options options = {
		.dir = r->dir,
		.cpus = session__cpus(r->capture.session),
		.size = r->size,
	};
	struct snapshot nothing = {};
	struct report report = make_report(r, &nothing);
	int err;

	options.about = make_about(r, &report);
	r->lost_by_cpu = calloc(options.cpus, sizeof(*r->lost_by_cpu));
	err = options.about && r->lost_by_cpu ? recorder__open(&r->recorder, &options) : -ENOMEM;
	json_decref(options.about);
	return say_refused(r, err);
}

static enum status record(struct record_run *r)
{
	const struct capture_hooks hooks = { .tick = tick, .woken = tick, .ctx = r };
	bool broken = false;
	int err;

	err = recorder_names__tell(&r->names, r->capture.session, r->recorder, &r->causes);
	err = err ? err : recorder__flush(r->recorder);
	if (err)
		return write_failed(r, err);
	if (capture__start(&r->capture)) {
		/* So that the same folder does for the command as it was meant. */
		recorder__discard(r->recorder);
		r->recorder = NULL;
		rmdir(r->dir);
		return STATUS_FAILED;
	}
	r->counted_at = r->flushed_at = r->capture.started;
	r->on_terminal = isatty(STDERR_FILENO);
	if (!r->capture.command && r->on_terminal)
		msg("recording to %s; Ctrl-C ends it.", r->dir);
	err = capture__loop(&r->capture, &hooks);
	capture__finish(&r->capture);
	err = err ? err : finish(r, &broken);
	if (r->on_terminal)
		fputc('\n', stderr);
	if (err)
		return write_failed(r, err);
	err = recorder__flush(r->recorder);
	filter__say_unknown(&r->filter, session__names(r->capture.session));
	tell_result(r);
	err = recorder__close(r->recorder) ?: err;
	r->recorder = NULL;
	if (err)
		return write_failed(r, err);
	return broken || r->told_lost ? STATUS_INCOMPLETE : STATUS_OK;
}

static enum status run(struct record_run *r)
{
	struct session_options *so = &r->capture.session_options;
	enum status status;
	int err = 0;

	so->records = SESSION_RECORDS;
	r->capture.interval_ms = TICK_MS;
	if (r->stacks) {
		so->records |= 1 << RECORD_STACK;
		so->cause_every = r->causes.every = r->every ? r->every : 1;
		err = capture__read_symbols(&r->causes.ksyms);
	}
	if (err)
		return session__status(err);
	/* Before all that takes time. */
	if (say_refused(r, recorder__check(r->dir)))
		return STATUS_FAILED;
	status = capture__open(&r->capture);
	if (status)
		return status;
	if (open_recorder(r))
		return STATUS_FAILED;
	return record(r);
}

/* ---- the command line ---- */

enum { OPT_STACK = OPT_OWN, OPT_SAMPLE, OPT_SIZE, OPT_RING_SIZE, OPT_FILTER };

static const struct option longs[] = {
	CAPTURE_LONG_OPTIONS,
	FILTER_LONG_OPTIONS(OPT_FILTER),
	{ "output", required_argument, NULL, 'o' },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "stack", no_argument, NULL, OPT_STACK },
	{ "sample", required_argument, NULL, OPT_SAMPLE },
	{ "ring-size", required_argument, NULL, OPT_RING_SIZE },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* "256M": bytes, at least RECORDER_SIZE_MIN. */
static bool parse_size(const char *text, unsigned long long *out)
{
	static const char units[] = "KMG";
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, toupper((unsigned char)text[len - 1])) : NULL;
	int shift = unit && *unit ? 10 * (int)(unit - units + 1) : 0;
	char number[24];

	if (!len || len >= sizeof(number))
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)(len - (shift ? 1 : 0)), text);
	if (!parse_number(number, 1, 1ULL << 60 >> shift, out))
		return false;
	*out <<= shift;
	return *out >= RECORDER_SIZE_MIN;
}

/* Sets one option. False where its value is bad. */
static bool take_option(void *ctx, int opt, const char *value)
{
	struct record_run *r = ctx;
	int taken = capture__take_option(&r->capture, opt, value);
	unsigned long long n = 0;
	bool ok = taken >= 0;

	if (taken)
		return ok;
	if (opt >= OPT_FILTER && opt < OPT_FILTER + FILTER_OPTIONS)
		return filter__take_option(&r->filter, opt - OPT_FILTER, option_name(longs, opt),
					   value);
	switch (opt) {
	case 'o':
		r->dir = value;
		break;
	case OPT_SIZE:
		ok = parse_size(value, &r->size);
		break;
	case OPT_STACK:
		r->stacks = true;
		break;
	case OPT_SAMPLE:
		ok = parse_number(value, 1, 1000000, &n);
		r->every = (unsigned int)n;
		break;
	case OPT_RING_SIZE:
		ok = parse_number(value, 4096, 1 << 30, &n);
		r->capture.session_options.record_bytes = n;
		break;
	}
	return ok;
}

static const struct option_set options = {
	.shorts = "+" CAPTURE_SHORT_OPTIONS "o:h",
	.longs = longs,
	.help = help,
	.take = take_option,
};

int cmd_record(int argc, char **argv)
{
	struct record_run r = { .capture = CAPTURE_INIT };
	enum status status;
	int done = take_options(argc, argv, &options, &r);

	if (done != OPTIONS_TAKEN)
		return done;
	status = capture__check(&r.capture, argc, argv);
	if (status)
		return status;
	if (!r.dir)
		return usage_error("takes a folder for the recording: -o DIR.");
	if (r.every && !r.stacks)
		return usage_error("--sample goes with --stack.");
	status = run(&r);
	recorder__close(r.recorder);
	capture__close(&r.capture);
	recorder_names__clear(&r.names);
	causes__clear(&r.causes);
	free(r.lost_by_cpu);
	return status;
}

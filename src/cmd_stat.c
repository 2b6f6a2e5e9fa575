// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope stat: counts of a system, a process, a cgroup or a command. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "kernel_info.h"
#include "msg.h"
#include "capture.h"

#define DEFAULT_SAMPLE 64

struct stat_run {
	struct capture capture;
	bool json;
	const char *path;
	bool by_cause;
	unsigned int every;	/* --sample, 0: not given */
	struct windows windows;	/* with session_options.windows */
	struct causes causes;
	FILE *out;
	struct snapshot last;	/* at the last interval */
	__u64 last_at;		/* ns */
	bool broken;
	bool printed;		/* something, to the output */
	struct text line;	/* the last interval as JSON: its memory is taken once */
};

static void help(FILE *out)
{
	fputs("Usage: mmuscope stat [OPTIONS] [-a | -p PID | -c CGROUP | -- COMMAND [ARGS]]\n\n"
	      "Counts the notifications that Linux sends to secondary MMUs, what each driver\n"
	      "callback made of them, migrations of device memory and device faults; prints\n"
	      "the tables when the command or process ends, or at Ctrl-C.\n\n"
	      "What to count:\n"
	      CAPTURE_HELP_SCOPE "\n"
	      "Options:\n"
	      "  -I, --interval MS    print every MS milliseconds what came since the last\n"
	      "  -d, --duration S     stop after S seconds\n"
	      "      --no-latency     no latency histograms, a third of the cost\n"
	      "      --via RUNG       callbacks by fentry, kprobe or registry only\n"
	      "      --by cause       also what the kernel did that caused the notifications\n"
	      "      --sample N       with --by: look at one in N of them (default 64); 1: exact\n"
	      "      --windows US     also which windows were open for more than US microseconds\n"
	      "                       or never ended\n"
	      "      --max-rows N     room for rows of counts, a power of two (default 4096)\n"
	      "      --ring-size N    bytes for messages from the kernel (default 262144)\n"
	      "  -j, --json           JSON, one object, or one a line with --interval\n"
	      "  -o, --output FILE    write to FILE instead of standard output\n"
	      "  -h, --help           this text\n\n"
	      "Exit status: 0 all counted; 3 something was lost or an invariant is broken, see\n"
	      "the last lines; 4 cannot be measured here.\n\n"
	      "Examples:\n"
	      "  sudo mmuscope stat -- ./hmm-program\n"
	      "  sudo mmuscope stat -p 1234 -I 1000\n"
	      "  sudo mmuscope stat --by cause --sample 1 -- ./hmm-program\n"
	      "  sudo mmuscope stat --windows 1000 -a -d 10\n"
	      "  sudo mmuscope stat -a -d 10 --json -o before.json\n",
	      out);
}

/* ---- output ---- */

static struct report make_report(struct stat_run *r, const struct snapshot *snap, bool interval,
				 __u64 duration)
{
	struct report report = capture__report(&r->capture, snap, duration);

	report.interval = interval;
	report.causes = r->by_cause ? &r->causes : NULL;
	report.windows = r->capture.session_options.windows ? &r->windows : NULL;
	report.stacks = &r->causes;
	return report;
}

/* What was counted, where and for how long: a table that is kept must say so itself. */
static void print_heading(const struct stat_run *r, const struct report *report)
{
	char scope[300];

	fprintf(r->out, "%s, %.3f s of Linux %s\n\n", capture__scope(&r->capture, scope, sizeof(scope)),
		(double)report->duration_ns / 1e9, kernel_info__release());
}

static int print_report(struct stat_run *r, const struct report *report)
{
	json_t *doc;
	int err = 0;

	if (r->path && !r->printed)
		begin_output(r->out);
	r->printed = true;
	if (r->causes.ksyms)
		err = session__read_stacks(r->capture.session, report->snap, report->windows, &r->causes);
	if (err) {
		msg("cannot read the stacks of causes and windows: %s.", strerror(-err));
		return err;
	}
	if (r->json && report->interval) {
		r->line.len = 0;
		report__write_json(report, &r->line);
		text__literal(&r->line, "\n");
		err = r->line.failed ? -ENOMEM : 0;
		if (!err && fwrite(r->line.data, 1, r->line.len, r->out) != r->line.len)
			err = -EIO;
	} else if (r->json) {
		doc = report__json(report);
		err = doc ? 0 : -ENOMEM;
		if (doc && json_dumpf(doc, r->out, JSON_INDENT(1)))
			err = -EIO;
		json_decref(doc);
		fputc('\n', r->out);
	} else {
		if (report->interval)
			fprintf(r->out, "--- %.3f s\n", capture__seconds(&r->capture));
		else
			print_heading(r, report);
		err = report__print(report, r->out);
	}
	if (!err && ferror(r->out))
		err = -EIO;
	return err;
}

/* `stopped`: at the end. */
static int read_windows(struct stat_run *r, bool stopped)
{
	int err = 0;

	if (r->capture.session_options.windows)
		err = session__read_windows(r->capture.session, &r->windows, stopped);
	if (err)
		msg("cannot read what was reported of windows: %s.", strerror(-err));
	windows__sort(&r->windows);
	return err;
}

static int print_interval(struct stat_run *r, bool stopped)
{
	struct snapshot now, delta;
	struct report report;
	__u64 at = capture__now();
	int err = session__snapshot(r->capture.session, &now);

	/* At the end they have been read already. */
	err = err || stopped ? err : read_windows(r, false);
	err = err ? err : snapshot__difference(&delta, &now, &r->last);
	if (err)
		return err;
	snapshot__clear(&r->last);
	r->last = now;
	report = make_report(r, &delta, true, at - r->last_at);
	err = print_report(r, &report);
	r->last_at = at;
	snapshot__clear(&delta);
	return err ? err : fflush(r->out) ? -EIO : 0;
}

static int tick(void *ctx)
{
	return print_interval(ctx, false);
}

static int measure(struct stat_run *r)
{
	const struct capture_hooks hooks = { .tick = tick, .ctx = r };
	struct report report;
	struct snapshot end;
	int err = capture__start(&r->capture);

	if (err)
		return err;
	r->last_at = r->capture.started;
	if (!r->capture.command && isatty(STDERR_FILENO))
		msg("counting; Ctrl-C ends it.");
	err = capture__loop(&r->capture, &hooks);
	capture__finish(&r->capture);
	/* A full disk is close_output()'s to report. */
	if (err == -EIO)
		return 0;
	err = err ? err : session__snapshot(r->capture.session, &end);
	err = err ? err : read_windows(r, true);
	if (err) {
		msg("the measurement broke off: %s.", strerror(-err));
		return err;
	}
	report = make_report(r, &end, false, r->capture.stopped - r->capture.started);
	r->broken |= capture__say_broken(&report);
	err = r->capture.interval_ms ? print_interval(r, true) : print_report(r, &report);
	snapshot__clear(&end);
	return err == -EIO ? 0 : err;
}

/* ---- the command line ---- */

enum { OPT_BY = OPT_OWN, OPT_SAMPLE, OPT_WINDOWS, OPT_RING_SIZE };

static const struct option longs[] = {
	CAPTURE_LONG_OPTIONS,
	{ "interval", required_argument, NULL, 'I' },
	{ "by", required_argument, NULL, OPT_BY },
	{ "sample", required_argument, NULL, OPT_SAMPLE },
	{ "windows", required_argument, NULL, OPT_WINDOWS },
	{ "ring-size", required_argument, NULL, OPT_RING_SIZE },
	{ "json", no_argument, NULL, 'j' },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* Sets one option. False where its value is bad. */
static bool take_option(void *ctx, int opt, const char *value)
{
	struct stat_run *r = ctx;
	struct session_options *so = &r->capture.session_options;
	unsigned long long n = 0;
	int taken = capture__take_option(&r->capture, opt, value);
	bool ok = taken >= 0;

	if (taken)
		return ok;
	switch (opt) {
	case 'I':
		ok = parse_number(value, 10, 86400000, &r->capture.interval_ms);
		break;
	case OPT_BY:
		r->by_cause = ok = !strcmp(value, "cause");
		break;
	case OPT_SAMPLE:
		ok = parse_number(value, 1, 1000000, &n);
		r->every = (unsigned int)n;
		break;
	case OPT_WINDOWS:
		ok = parse_number(value, 0, 86400000000, &n);
		so->windows = true;
		so->window_limit_ns = r->windows.limit_ns = n * 1000;
		break;
	case OPT_RING_SIZE:
		ok = parse_number(value, 4096, 1 << 30, &n);
		so->ring_bytes = n;
		break;
	case 'j':
		r->json = true;
		break;
	case 'o':
		r->path = value;
		break;
	}
	return ok;
}

static enum status run(struct stat_run *r)
{
	enum status status;
	int err = 0;

	if (r->by_cause)
		r->capture.session_options.cause_every = r->every ? r->every : DEFAULT_SAMPLE;
	r->causes.every = r->capture.session_options.cause_every;
	/* Before anything is counted: stacks that cannot be named are worth nothing. */
	if (r->by_cause || r->capture.session_options.windows)
		err = capture__read_symbols(&r->causes.ksyms);
	if (err)
		return session__status(err);
	status = capture__open(&r->capture);
	if (status)
		return status;
	return measure(r) ? STATUS_FAILED : r->broken ? STATUS_INCOMPLETE : STATUS_OK;
}

static const struct option_set options = {
	.shorts = "+" CAPTURE_SHORT_OPTIONS "I:jo:h",
	.longs = longs,
	.help = help,
	.take = take_option,
};

int cmd_stat(int argc, char **argv)
{
	struct stat_run r = { .capture = CAPTURE_INIT };
	enum status status, closed;
	int done = take_options(argc, argv, &options, &r);

	if (done != OPTIONS_TAKEN)
		return done;
	status = capture__check(&r.capture, argc, argv);
	if (status)
		return status;
	if (r.every && !r.by_cause)
		return usage_error("--sample goes with --by cause.");
	r.out = r.path ? open_output(r.path) : stdout;
	if (!r.out) {
		msg("cannot write %s: %s; name another file with --output.", r.path,
		    strerror(errno));
		return STATUS_FAILED;
	}
	status = run(&r);
	capture__close(&r.capture);
	snapshot__clear(&r.last);
	text__clear(&r.line);
	causes__clear(&r.causes);
	windows__clear(&r.windows);
	closed = close_output(r.out, r.path ? r.path : "standard output");
	return closed ? closed : status;
}

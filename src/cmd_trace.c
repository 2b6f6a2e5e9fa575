// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope trace: each migration as it completes, and what happened in it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "activity.h"
#include "args.h"
#include "capture.h"
#include "causes.h"
#include "cmd.h"
#include "filter.h"
#include "in_order.h"
#include "msg.h"
#include "trace_line.h"

#define TICK_MS 50
#define DONE 1 /* as many as were asked for */

struct trace_run {
	struct capture capture;
	struct filter filter;
	struct trace_style style;
	unsigned long long limit, shown; /* limit 0: all */
	struct causes causes;
	struct in_order *order;
	struct activities *activities;
	__u64 told_lost;	/* records that were lost, as far as it was said */
};

static void help(FILE *out)
{
	fputs("Usage: mmuscope trace [OPTIONS] [-a | -p PID | -c CGROUP | -- COMMAND [ARGS]]\n\n"
	      "Prints a line for each migration of device memory when it completes: who asked,\n"
	      "what for, how long each phase took, and what the drivers' callbacks made of it.\n"
	      "Ends with the command or process, or at Ctrl-C, with the sums of the counters.\n\n"
	      "What to trace:\n" CAPTURE_HELP_SCOPE "\n"
	      "What to show:\n"
	      "  -e, --events         also notifications, callbacks and device faults, under the\n"
	      "                       migration that they are part of\n"
	      "      --stack          also the kernel's stack of each, innermost first\n"
	      "  -n, --number N       stop after N\n" FILTER_HELP "\n"
	      "Options:\n"
	      "  -d, --duration S     stop after S seconds\n"
	      "      --no-latency     callbacks without probes and times, half of the cost\n"
	      "      --via RUNG       callbacks by fentry, kprobe or registry only\n"
	      "      --ring-size N    bytes of records for each CPU (default 2097152)\n"
	      "      --max-rows N     room for rows of counts, a power of two (default 4096)\n"
	      "  -j, --json           JSON, an object a line\n"
	      "  -h, --help           this text\n\n"
	      "Times are microseconds. Exit status: 0 all was shown; 3 records were lost, see\n"
	      "the last lines; 4 cannot be traced here.\n\n"
	      "Examples:\n"
	      "  sudo mmuscope trace -- ./hmm-program\n"
	      "  sudo mmuscope trace -p 1234 --events --min-us 100\n"
	      "  sudo mmuscope trace -a --driver kvm --outcome performed -n 20\n",
	      out);
}

/* Says at once that records were lost; the counters are whole. */
static void tell_lost(struct trace_run *t)
{
	__u64 lost[RECORD_KINDS];
	__u64 sum = session__lost_records(t->capture.session, lost, NULL);

	if (sum == t->told_lost)
		return;
	msg("%ju records were lost, the ring is full: name a larger --ring-size, or less to trace.",
	    (uintmax_t)(sum - t->told_lost));
	t->told_lost = sum;
}

/* The stacks of an activity and of what is in it, named when they are met first. */
static int read_stacks(struct trace_run *t, const struct activity *a)
{
	int err = 0;

	if (a->stack >= 0)
		err = session__read_stack(t->capture.session, (__u32)a->stack, &t->causes);
	for (size_t i = 0; i < a->child_count && !err; i++)
		err = read_stacks(t, a->children[i]);
	return err;
}

static int show(void *ctx, const struct activity *a)
{
	struct trace_run *t = ctx;
	const struct names *names = session__names(t->capture.session);
	int err = 0;

	if (!t->style.events && a->head.kind != RECORD_MIGRATION)
		return 0;
	if (!filter__activity(&t->filter, a, names))
		return 0;
	if (t->style.stacks)
		err = read_stacks(t, a);
	err = err ? err : trace_line__print(&t->style, a, stdout);
	if (!err && t->limit && ++t->shown == t->limit)
		return DONE;
	return err;
}

static int take(void *ctx, unsigned int cpu, const struct mmuscope_record *rec)
{
	struct trace_run *t = ctx;

	(void)cpu;
	return in_order__add(t->order, rec);
}

static int assemble(void *ctx, const struct mmuscope_record *rec)
{
	return activities__add(((struct trace_run *)ctx)->activities, rec);
}

/* What ended before `until`; later records may still be on their way from another CPU. */
static int show_until(struct trace_run *t, __u64 until)
{
	long n = session__take_records(t->capture.session, take, t);
	int err = n < 0 ? (int)n : in_order__give(t->order, until, assemble, t);

	tell_lost(t);
	if (fflush(stdout) || ferror(stdout))
		return -EIO;
	return err;
}

static int tick(void *ctx)
{
	struct trace_run *t = ctx;

	return show_until(t, capture__now() - IN_ORDER_NS);
}

static int print_sums(struct trace_run *t, bool *broken)
{
	struct snapshot snap;
	struct snapshot_sums s;
	struct report report;
	int err = session__snapshot(t->capture.session, &snap);

	if (err)
		return err;
	report = capture__report(&t->capture, &snap, t->capture.stopped - t->capture.started);
	*broken = capture__say_broken(&report);
	snapshot__sum(&snap, &s);
	msg("counted in %.3f s: %ju migrations, %ju of %ju pages migrated, %ju excess; %ju "
	    "notifications; %ju callbacks: %ju performed, %ju skipped, %ju avoidable; %ju device "
	    "faults.",
	    capture__seconds(&t->capture), (uintmax_t)s.migrations, (uintmax_t)s.migrated,
	    (uintmax_t)s.asked, (uintmax_t)s.excess, (uintmax_t)s.notifications,
	    (uintmax_t)s.delivered, (uintmax_t)s.outcome[OUTCOME_PERFORMED],
	    (uintmax_t)s.outcome[OUTCOME_SKIPPED], (uintmax_t)s.avoidable, (uintmax_t)s.faults);
	snapshot__clear(&snap);
	return 0;
}

static enum status trace(struct trace_run *t)
{
	const struct capture_hooks hooks = { .tick = tick, .woken = tick, .ctx = t };
	bool broken = false;
	int err = capture__start(&t->capture);

	if (err)
		return STATUS_FAILED;
	t->style.started = t->capture.started;
	if (!t->capture.command && isatty(STDERR_FILENO))
		msg("tracing; Ctrl-C ends it.");
	err = capture__loop(&t->capture, &hooks);
	capture__finish(&t->capture);
	err = err ? err : show_until(t, ~0ULL);
	err = err ? err : activities__finish(t->activities);
	if (err && err != DONE && err != -EIO)
		msg("the trace broke off: %s.", strerror(-err));
	if (err && err != DONE)
		return STATUS_FAILED;
	filter__say_unknown(&t->filter, session__names(t->capture.session));
	err = print_sums(t, &broken);
	return err ? STATUS_FAILED : broken || t->told_lost ? STATUS_INCOMPLETE : STATUS_OK;
}

/* ---- the command line ---- */

enum { OPT_STACK = OPT_OWN, OPT_RING_SIZE, OPT_FILTER };

static const struct option longs[] = {
	CAPTURE_LONG_OPTIONS,
	FILTER_LONG_OPTIONS(OPT_FILTER),
	{ "events", no_argument, NULL, 'e' },
	{ "stack", no_argument, NULL, OPT_STACK },
	{ "number", required_argument, NULL, 'n' },
	{ "ring-size", required_argument, NULL, OPT_RING_SIZE },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* Sets one option. False where its value is bad. */
static bool take_option(void *ctx, int opt, const char *value)
{
	struct trace_run *t = ctx;
	int taken = capture__take_option(&t->capture, opt, value);
	unsigned long long n = 0;
	bool ok = taken >= 0;

	if (taken)
		return ok;
	if (opt >= OPT_FILTER && opt < OPT_FILTER + FILTER_OPTIONS)
		return filter__take_option(&t->filter, opt - OPT_FILTER, option_name(longs, opt),
					   value);
	switch (opt) {
	case 'e':
		t->style.events = true;
		break;
	case OPT_STACK:
		t->style.stacks = true;
		break;
	case 'n':
		ok = parse_number(value, 1, 1000000000, &t->limit);
		break;
	case OPT_RING_SIZE:
		ok = parse_number(value, 4096, 1 << 30, &n);
		t->capture.session_options.record_bytes = n;
		break;
	case 'j':
		t->style.json = true;
		break;
	}
	return ok;
}

/* Only what is shown, or decides about that, is sent. */
static __u32 wanted_records(const struct trace_run *t)
{
	__u32 kinds = 1 << RECORD_MIGRATION | 1 << RECORD_PAGES;

	if (t->style.events || filter__needs_events(&t->filter))
		kinds |= 1 << RECORD_NOTIFICATION | 1 << RECORD_CALLBACK | 1 << RECORD_FAULT;
	if (t->style.stacks)
		kinds |= 1 << RECORD_STACK;
	return kinds;
}

static enum status run(struct trace_run *t)
{
	enum status status;
	int err = 0;

	t->capture.session_options.records = wanted_records(t);
	t->capture.interval_ms = TICK_MS;
	t->style.causes = &t->causes;
	if (t->style.stacks) {
		t->capture.session_options.cause_every = t->causes.every = 1;
		err = capture__read_symbols(&t->causes.ksyms);
	}
	if (err)
		return session__status(err);
	t->order = in_order__new();
	t->activities = activities__new(show, t);
	if (!t->order || !t->activities)
		return STATUS_FAILED;
	status = capture__open(&t->capture);
	if (status)
		return status;
	t->style.names = session__names(t->capture.session);
	return trace(t);
}

static const struct option_set options = {
	.shorts = "+" CAPTURE_SHORT_OPTIONS "en:jh",
	.longs = longs,
	.help = help,
	.take = take_option,
};

int cmd_trace(int argc, char **argv)
{
	struct trace_run t = { .capture = CAPTURE_INIT };
	enum status status, closed;
	int done = take_options(argc, argv, &options, &t);

	if (done != OPTIONS_TAKEN)
		return done;
	status = capture__check(&t.capture, argc, argv);
	if (status)
		return status;
	status = run(&t);
	capture__close(&t.capture);
	activities__free(t.activities);
	in_order__free(t.order);
	causes__clear(&t.causes);
	closed = close_output(stdout, "standard output");
	return closed ? closed : status;
}

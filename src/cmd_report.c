// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope report: what a recording says. Needs no rights and nothing of this machine. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "folded.h"
#include "history.h"
#include "msg.h"
#include "perfetto.h"

#define DEFAULT_TOP 10
#define DEFAULT_SLICE_MS 1000

/* What is no table, behind HISTORY_VIEWS, which is all tables. */
enum { VIEW_TIMELINE = HISTORY_VIEWS + 1, VIEW_FOLDED };

struct report_run {
	const char *dir, *path;	/* path NULL: standard output */
	const char *timeline;	/* --perfetto; "-": standard output */
	unsigned int view;	/* enum history_view, or one of those above */
	enum folded_weight weight;
	bool json, csv;
	bool second_view;	/* was asked for */
	unsigned long long top, slice_ms; /* 0: not given */
	struct history_options options;

	struct recording *recording;
	FILE *out;
	struct perfetto *perfetto;
	struct folded *folded;
	struct history history;
	struct history_result result;
};

static void help(FILE *out)
{
	fputs("Usage: mmuscope report DIR [OPTIONS]\n\n"
	      "Reads what 'mmuscope record -o DIR' has written, on any machine and by any user:\n"
	      "the tables of 'mmuscope stat' once more, compared with the counters of the run,\n"
	      "and views of single migrations, pages and device faults.\n\n"
	      "Views, one of them instead of all:\n"
	      "      --by KEY[,KEY]   counts by process, driver, event, phase, cause, owner,\n"
	      "                       address (2 MiB) or slice (of time); or 'duration' or\n"
	      "                       'excess': the migrations with the most of it\n"
	      "      --slice MS       by slices of MS milliseconds (--by slice alone: 1000)\n"
	      "      --unmoved        the reasons for the pages that did not migrate\n"
	      "      --refaults       device faults for what a driver had dropped\n"
	      "      --ping-pong      pages that moved to the device and back\n"
	      "      --perfetto FILE  a timeline, which https://ui.perfetto.dev opens; FILE may\n"
	      "                       be '-'\n"
	      "      --folded WEIGHT  stacks for flame graphs, by calls, pages or time (ns)\n\n"
	      "Options:\n"
	      "      --top N          no more than N rows (of migrations and of pages: 10)\n"
	      "  -j, --json           JSON, with all views\n"
	      "      --csv            CSV, of one view\n"
	      "  -o, --output FILE    write to FILE instead of standard output\n"
	      "  -h, --help           this text\n\n"
	      "Exit status: 0 complete; 3 something was lost, is damaged, was not timed or does\n"
	      "not agree with the counters: standard error says what.\n\n"
	      "Examples:\n"
	      "  mmuscope report run1\n"
	      "  mmuscope report run1 --by excess --top 5\n"
	      "  mmuscope report run1 --by driver,cause\n"
	      "  mmuscope report run1 --by address --top 20 --csv > hot.csv\n"
	      "  mmuscope report run1 --json | jq '.refaults'\n"
	      "  mmuscope report run1 --perfetto run1.json\n"
	      "  mmuscope report run1 --folded pages | flamegraph.pl > run1.svg\n",
	      out);
}

/* ---- signals ---- */

static volatile sig_atomic_t stopped; /* by this signal */

static void stop(int sig)
{
	stopped = sig;
}

/*
 * While it is read the first one ends the reading, so that nothing is left in TMPDIR, and
 * the second ends us: `handler` is stop(), and SIG_DFL behind it.
 */
static void set_signals(void (*handler)(int))
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	const struct sigaction action = { .sa_handler = handler, .sa_flags = (int)SA_RESETHAND };
	struct sigaction old;

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!sigaction(ends[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
}

/* ---- reading ---- */

static bool open_out(struct report_run *r)
{
	r->out = r->path ? open_output(r->path) : stdout;
	if (!r->out) {
		if (!stopped)
			msg("cannot write %s: %s; name another file with --%s.", r->path,
			    strerror(errno), r->timeline ? "perfetto" : "output");
		return false;
	}
	if (r->path)
		begin_output(r->out);
	return true;
}

/* Who else is to hear of the records. */
static int add_sink(struct report_run *r)
{
	const struct recording_info *info = recording__info(r->recording);
	struct history_sink *sink = &r->options.sinks[0];

	if (r->view == VIEW_TIMELINE) {
		r->perfetto = perfetto__open(r->out, info);
		*sink = (struct history_sink){ perfetto__record, perfetto__activity,
					       perfetto__refault, r->perfetto };
	} else if (r->view == VIEW_FOLDED) {
		r->folded = folded__new(info, r->weight);
		*sink = (struct history_sink){ .activity = folded__activity, .ctx = r->folded };
	} else {
		return 0;
	}
	r->options.sink_count = 1;
	return sink->ctx ? 0 : -ENOMEM;
}

static int read_all(struct report_run *r)
{
	const struct mmuscope_record *rec;
	int err = 0;

	while (!stopped && (err = recording__next(r->recording, &rec)) > 0) {
		err = history__add(&r->history, rec);
		if (err)
			return err;
	}
	if (stopped)
		return -EINTR;
	return err ? err : history__finish(&r->history);
}

/* ---- writing ---- */

static int write_json(struct report_run *r, FILE *out)
{
	json_t *doc = history__json(&r->history, &r->result);
	int err = doc ? 0 : -ENOMEM;

	if (!err && json_dumpf(doc, out, JSON_INDENT(1)))
		err = -EIO;
	fputc('\n', out);
	json_decref(doc);
	return err;
}

static int write_output(struct report_run *r, FILE *out)
{
	struct view *v;
	int err;

	if (r->json)
		return write_json(r, out);
	if (r->view == HISTORY_VIEWS)
		return history__print(&r->history, &r->result, out);
	if (r->view == VIEW_TIMELINE) {
		err = perfetto__close(r->perfetto);
		r->perfetto = NULL;
		return err;
	}
	if (r->view == VIEW_FOLDED)
		return folded__print(r->folded, out);
	v = history__view(&r->history, (enum history_view)r->view);
	if (!v)
		return -ENOMEM;
	err = r->csv ? view__csv(v, out) :
		       view__print(v, history_view__title((enum history_view)r->view), out);
	view__free(v);
	return err;
}

/* Opened last: a recording that cannot be read costs no earlier report. */
static enum status write_report(struct report_run *r)
{
	enum status closed;
	int err;

	if (!r->out && !open_out(r))
		return STATUS_FAILED;
	err = write_output(r, r->out);
	closed = close_output(r->out, r->path ? r->path : "standard output");
	/* What the disk refused close_output() has told. */
	if (err && err != -EIO)
		msg("cannot write the report: %s.", strerror(-err));
	return err ? STATUS_FAILED : closed;
}

/* What is missing, for who looks at one view, or at none. */
static void tell_what_is_broken(const struct report_run *r)
{
	for (size_t i = 0; i < r->result.invariant_count; i++)
		if (!r->result.invariants[i].holds)
			msg("the report is incomplete: %s: %s.", r->result.invariants[i].name,
			    r->result.invariants[i].detail);
	if (r->result.not_compared[0])
		msg("not compared with the counters of the run: %s.", r->result.not_compared);
}

/* Those of the whole address space have no pages in the counters either. */
static enum status tell_what_has_no_weight(const struct report_run *r)
{
	const __u64 n = r->folded && r->weight == FOLDED_TIME ? folded__weightless(r->folded) : 0;

	if (!n)
		return STATUS_OK;
	msg("%ju of %ju notifications were not timed, and are left out; record without "
	    "--no-latency, or use --folded calls.", (uintmax_t)n,
	    (uintmax_t)r->history.counts.kept[RECORD_NOTIFICATION]);
	return STATUS_INCOMPLETE;
}

static enum status run(struct report_run *r)
{
	enum status status, weighed;
	int err = recording__open(&r->recording, r->dir);

	if (err)
		return STATUS_FAILED;
	/* A timeline is written while the records are read. */
	if (r->view == VIEW_TIMELINE && !open_out(r))
		return STATUS_FAILED;
	err = add_sink(r);
	err = err ? err : history__init(&r->history, recording__info(r->recording), &r->options);
	err = err ? err : read_all(r);
	recording__end_reading(r->recording);
	if (!stopped)
		set_signals(SIG_DFL);
	err = err ? err : history__check(&r->history, recording__damage(r->recording), &r->result);
	if (stopped)
		return STATUS_FAILED;
	if (err == -ENOMEM)
		msg("cannot make the report: %s.", strerror(-err));
	if (err && !r->perfetto)
		return STATUS_FAILED;
	status = write_report(r);
	if (err)
		return STATUS_FAILED;
	tell_what_is_broken(r);
	weighed = tell_what_has_no_weight(r);
	return status ? status : r->result.broken ? STATUS_INCOMPLETE : weighed;
}

/* ---- the command line ---- */

enum { OPT_BY = 256, OPT_SLICE, OPT_UNMOVED, OPT_REFAULTS, OPT_PINGPONG, OPT_PERFETTO,
       OPT_FOLDED, OPT_TOP, OPT_CSV };

static const struct option longs[] = {
	{ "by", required_argument, NULL, OPT_BY },
	{ "slice", required_argument, NULL, OPT_SLICE },
	{ "unmoved", no_argument, NULL, OPT_UNMOVED },
	{ "refaults", no_argument, NULL, OPT_REFAULTS },
	{ "ping-pong", no_argument, NULL, OPT_PINGPONG },
	{ "perfetto", required_argument, NULL, OPT_PERFETTO },
	{ "folded", required_argument, NULL, OPT_FOLDED },
	{ "top", required_argument, NULL, OPT_TOP },
	{ "csv", no_argument, NULL, OPT_CSV },
	{ "json", no_argument, NULL, 'j' },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* False where it is none, or is there already. */
static bool add_key(struct history_options *o, enum group_key key)
{
	for (size_t i = 0; i < o->by_count; i++)
		if (o->by[i] == key)
			return false;
	if (key == GROUP_KEYS)
		return false;
	o->by[o->by_count++] = key;
	return true;
}

static bool set_view(struct report_run *r, unsigned int view)
{
	r->second_view |= r->view != HISTORY_VIEWS && r->view != view;
	r->view = view;
	return true;
}

static bool take_by(struct report_run *r, const char *value)
{
	if (!strcmp(value, "duration"))
		return set_view(r, HISTORY_LONGEST);
	if (!strcmp(value, "excess"))
		return set_view(r, HISTORY_MOST_EXCESS);
	for (;; value++) {
		size_t len = strcspn(value, ",");

		if (!add_key(&r->options, group_key__parse(value, len)))
			return false;
		value += len;
		if (!*value)
			return set_view(r, HISTORY_GROUPS);
	}
}

/* Sets one option. False where its value is bad. */
static bool take_option(void *ctx, int opt, const char *value)
{
	struct report_run *r = ctx;
	switch (opt) {
	case OPT_BY:
		return take_by(r, value);
	case OPT_SLICE:
		return parse_number(value, 1, 86400000, &r->slice_ms);
	case OPT_UNMOVED:
		return set_view(r, HISTORY_UNMOVED);
	case OPT_REFAULTS:
		return set_view(r, HISTORY_REFAULTS);
	case OPT_PINGPONG:
		return set_view(r, HISTORY_PINGPONG);
	case OPT_PERFETTO:
		r->timeline = value;
		return set_view(r, VIEW_TIMELINE);
	case OPT_FOLDED:
		return !folded__weight(&r->weight, value) && set_view(r, VIEW_FOLDED);
	case OPT_TOP:
		return parse_number(value, 1, 1000000, &r->top);
	case OPT_CSV:
		r->csv = true;
		return true;
	case 'j':
		r->json = true;
		return true;
	default:
		r->path = value;
		return true;
	}
}

static enum status check_options(struct report_run *r)
{
	if (r->json && r->csv)
		return usage_error("takes one of --json and --csv.");
	/* Where slices are asked for and are not among the keys they come last. */
	if (r->slice_ms) {
		add_key(&r->options, GROUP_SLICE);
		set_view(r, HISTORY_GROUPS);
	}
	if (r->second_view)
		return usage_error("takes one view: --by, --slice, --unmoved, --refaults, "
				   "--ping-pong, --perfetto or --folded.");
	if (r->view > HISTORY_VIEWS && (r->json || r->csv))
		return usage_error("--perfetto and --folded have a format of their own: no --json, "
				   "no --csv.");
	if (r->timeline && r->path)
		return usage_error("--perfetto has its own FILE: no --output.");
	if (r->timeline && strcmp(r->timeline, "-"))
		r->path = r->timeline;
	if (r->csv && r->view == HISTORY_VIEWS)
		return usage_error("--csv needs a view: --by, --slice, --unmoved, --refaults or "
				   "--ping-pong.");
	r->options.slice_ns = (r->slice_ms ? r->slice_ms : DEFAULT_SLICE_MS) * 1000000;
	r->options.top = r->top ? r->top : DEFAULT_TOP;
	r->options.all_groups = !r->top;
	return STATUS_OK;
}

/* Options may stand on both sides of the folder. */
static const struct option_set options = {
	.shorts = "jo:h",
	.longs = longs,
	.help = help,
	.take = take_option,
};

int cmd_report(int argc, char **argv)
{
	struct report_run r = { .view = HISTORY_VIEWS };
	enum status status;
	int done = take_options(argc, argv, &options, &r);

	if (done != OPTIONS_TAKEN)
		return done;
	if (argc - optind != 1)
		return usage_error("takes the folder of one recording.");
	r.dir = argv[optind];
	status = check_options(&r);
	if (status)
		return status;
	set_signals(stop);
	status = run(&r);
	history__clear(&r.history);
	folded__free(r.folded);
	recording__close(r.recording);
	if (stopped)
		raise(stopped);
	return status;
}

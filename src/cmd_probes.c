// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope probes: the attach plan of this kernel, tried for real. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "kernel_info.h"
#include "msg.h"
#include "probes_btf.h"
#include "session.h"
#include "table.h"

static void help(FILE *out)
{
	fputs("Usage: mmuscope probes [--via RUNG] [--watch [--duration S]] [--json]\n"
	      "       mmuscope probes --btf FILE [--json]\n\n"
	      "Attaches every probe that 'stat' and 'bench' use, says how it is seen on this\n"
	      "kernel, and where something cannot be seen, why. Counts nothing.\n"
	      "With --btf: what the programs ask of another kernel, and what it has of that;\n"
	      "needs neither root nor that kernel to run.\n\n"
	      "Options:\n"
	      "      --via RUNG    callbacks by fentry, kprobe or registry only\n"
	      "  -w, --watch       stay, and print a line for each change: processes that\n"
	      "                    subscribe, modules that come and go, what is seen otherwise\n"
	      "  -d, --duration S  with --watch: stop after S seconds; else Ctrl-C does\n"
	      "  -b, --btf FILE    the BTF of a kernel, raw or in its vmlinux\n"
	      "  -j, --json        as JSON, with --watch one object a line\n"
	      "  -h, --help        this text\n\n"
	      "Examples:\n"
	      "  sudo mmuscope probes\n"
	      "  sudo mmuscope probes --watch\n"
	      "  mmuscope probes --btf ~/linux/vmlinux\n"
	      "  sudo mmuscope probes --json | jq '.targets[] | select(.source == null)'\n",
	      out);
}

static json_t *target_json(const struct plan_target *t)
{
	return json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "metric", t->metric, "symbol", t->symbol,
			 "module", t->module[0] ? t->module : NULL, "source",
			 t->source ? plan_source_name(t->source) : NULL, "reason",
			 t->reason[0] ? t->reason : NULL);
}

/* Takes the reference. */
static int dump(json_t *doc, size_t flags)
{
	int err = !doc || json_dumpf(doc, stdout, flags);

	json_decref(doc);
	putchar('\n');
	return err ? STATUS_FAILED : STATUS_OK;
}

static int print_json(const struct plan *plan, size_t flags)
{
	json_t *targets = json_array();

	for (size_t i = 0; i < plan->count; i++)
		json_array_append_new(targets, target_json(&plan->targets[i]));
	return dump(json_pack("{s:s, s:o, s:o}", "schema", "mmuscope-probes/1", "kernel",
			      kernel_info__json(), "targets", targets),
		    flags);
}

/* Of a driver that is not here: its name is enough, at the end. */
static bool is_elsewhere(const struct plan_target *t)
{
	return t->absent && module_users(t->module) < 0;
}

static bool is_named_before(const struct plan *plan, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_elsewhere(&plan->targets[i]) &&
		    !strcmp(plan->targets[i].module, plan->targets[n].module))
			return true;
	return false;
}

static void print_elsewhere(const struct plan *plan, FILE *out)
{
	const char *between = "\nKnown and not loaded:";
	bool any = false;

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_target *t = &plan->targets[i];

		if (!is_elsewhere(t) || is_named_before(plan, i))
			continue;
		fprintf(out, "%s %s", between, t->module);
		between = ",";
		any = true;
	}
	if (any)
		fputs("\n", out);
}

static int print_table(const struct plan *plan)
{
	static const struct table_column columns[] = {
		{ "MEASURES", false }, { "FUNCTION", false }, { "MODULE", false },
		{ "SEEN BY", false },  { "WHY", false },
	};
	struct table *table = table__new(columns, 5);
	int err = 0;

	for (size_t i = 0; table && i < plan->count && !err; i++) {
		const struct plan_target *t = &plan->targets[i];
		const char *cells[] = { t->metric, t->symbol, t->module[0] ? t->module : NULL,
					t->source ? plan_source_name(t->source) : "not seen",
					t->reason[0] ? t->reason : NULL };

		if (!is_elsewhere(t))
			err = table__add_row(table, cells);
	}
	if (!table || err || table__print(table, stdout)) {
		msg("cannot print the table: out of memory.");
		table__free(table);
		return STATUS_FAILED;
	}
	table__free(table);
	print_elsewhere(plan, stdout);
	return STATUS_OK;
}

/* ---- --watch ---- */

struct watch {
	struct session *session;
	bool json, begun;
	__u64 started;		/* ns */
	struct plan told;	/* what was printed of the plan */
};

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

static double seconds(const struct watch *w)
{
	return (double)(now_ns() - w->started) / 1e9;
}

/* Adds the time and prints the line. Takes the reference. */
static void dump_change(const struct watch *w, const char *change, json_t *o)
{
	if (o && (json_object_set_new(o, "change", json_string(change)) ||
		  json_object_set_new(o, "time_ns", json_integer((json_int_t)(now_ns() - w->started)))))
		msg("a change is not printed: out of memory.");
	dump(o, JSON_COMPACT);
}

static void print_subscription(const struct watch *w, const struct session_change *c)
{
	const char *kind = c->notifier ? "mmu_notifier" : "interval notifier";
	struct name_callback f;
	char comm[64];
	json_t *o;

	names__function(c->function, &f);
	snprintf(comm, sizeof(comm), "%s", c->name);
	names__make_legal(comm);
	if (w->json) {
		o = json_pack("{s:I, s:s, s:s, s:s, s:s?}", "pid", (json_int_t)c->pid, "comm", comm,
			      "kind", c->notifier ? "notifier" : "interval", "callback", f.symbol,
			      "module", f.module[0] ? f.module : NULL);
		dump_change(w, "subscribed", o);
		return;
	}
	printf("%10.3f %s:%d subscribed: %s%s%s%s, %s\n", seconds(w), comm, c->pid, f.symbol,
	       f.module[0] ? " [" : "", f.module, f.module[0] ? "]" : "", kind);
}

static void print_target(const struct watch *w, const struct plan_target *t)
{
	if (w->json) {
		dump_change(w, "target", target_json(t));
		return;
	}
	printf("%10.3f %s%s%s%s: %s%s%s%s\n", seconds(w), t->symbol, t->module[0] ? " [" : "",
	       t->module, t->module[0] ? "]" : "",
	       t->source ? "seen by " : "not seen", t->source ? plan_source_name(t->source) : "",
	       t->reason[0] ? ": " : "", t->reason);
}

/* What the plan has now and was not printed. */
static int print_targets(struct watch *w, bool print)
{
	const struct plan *plan = session__plan(w->session);

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_target *t = &plan->targets[i];
		struct plan_target *told = plan__find(&w->told, t->symbol);
		bool known = told && told->source == t->source && !strcmp(told->reason, t->reason);

		if (known)
			continue;
		if (!told)
			told = plan__add(&w->told, t->metric, t->symbol, t->module);
		if (!told)
			return -ENOMEM;
		*told = *t;
		if (print)
			print_target(w, t);
	}
	return 0;
}

static void changed(void *ctx, const struct session_change *c)
{
	bool loaded = c->what == CHANGE_MODULE_LOADED;
	struct watch *w = ctx;

	/* What is printed first has it already. */
	if (!w->begun)
		return;
	if (c->what == CHANGE_SUBSCRIBED)
		print_subscription(w, c);
	else if (w->json)
		dump_change(w, loaded ? "module loaded" : "module gone",
			    json_pack("{s:s}", "module", c->name));
	else
		printf("%10.3f module %s: %s\n", seconds(w), loaded ? "loaded" : "gone", c->name);
	/* What was attached for a module is gone with it, and another may follow at once. */
	if (c->what != CHANGE_SUBSCRIBED && print_targets(w, true))
		msg("a change is not printed: out of memory.");
}

/* Readable at the signals that end it. */
static int signals_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int watch_changes(struct watch *w, unsigned long long duration_ms)
{
	struct pollfd fds[] = { { signals_fd(), POLLIN, 0 },
				{ session__poll_fd(w->session), POLLIN, 0 } };
	int err = fds[0].fd < 0 ? -errno : 0;

	err = err ? err : print_targets(w, false);
	w->started = now_ns();
	w->begun = true;
	if (isatty(STDERR_FILENO))
		msg("watching; Ctrl-C ends it.");
	/* A closed pipe is close_output()'s to report. */
	while (!err && !fflush(stdout)) {
		__u64 elapsed = (now_ns() - w->started) / 1000000;
		int wait = !duration_ms ? -1 :
			   elapsed < duration_ms ? (int)(duration_ms - elapsed) : 0;

		if (poll(fds, 2, wait) < 0 && errno != EINTR)
			err = -errno;
		if (fds[1].revents)
			err = err ? err : session__poll(w->session, 0);
		err = err ? err : print_targets(w, true);
		if (fds[0].revents || !wait)
			break;
	}
	close(fds[0].fd);
	plan__clear(&w->told);
	return err;
}

static enum status watch(struct watch *w, unsigned long long duration_ms)
{
	struct snapshot snap;
	int err = watch_changes(w, duration_ms);

	err = err ? err : session__snapshot(w->session, &snap);
	if (err) {
		msg("watching broke off: %s.", strerror(-err));
		return STATUS_FAILED;
	}
	err = snap.total[LOST_EVENTS] > 0;
	if (err)
		msg("%ju changes came too fast and are not printed.",
		    (uintmax_t)snap.total[LOST_EVENTS]);
	snapshot__clear(&snap);
	return err ? STATUS_INCOMPLETE : STATUS_OK;
}

/* ---- the command line ---- */

enum { OPT_VIA = 256 };

int cmd_probes(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "via", required_argument, NULL, OPT_VIA },
		{ "watch", no_argument, NULL, 'w' },
		{ "duration", required_argument, NULL, 'd' },
		{ "btf", required_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct session_options options = { .scope = SCOPE_ALL, .latency = true, .running = true };
	unsigned long long duration = 0;
	const char *btf = NULL;
	struct watch w = {};
	enum status status, closed;
	bool watching = false;
	int opt, err;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+wd:b:jh", longs, NULL)) != -1) {
		switch (opt) {
		case OPT_VIA:
			options.via = plan_source__parse(optarg);
			if (!options.via)
				return usage_error("--via does not take '%s'.", optarg);
			break;
		case 'w':
			watching = true;
			break;
		case 'd':
			if (!parse_number(optarg, 1, 31536000, &duration))
				return usage_error("--duration does not take '%s'.", optarg);
			break;
		case 'b':
			btf = optarg;
			break;
		case 'j':
			w.json = true;
			break;
		case 'h':
			help(stdout);
			return close_output(stdout, "standard output");
		default:
			return usage_error("there is no option '%s', or its value is missing.",
					   refused_option(argv));
		}
	}
	if (optind < argc)
		return usage_error("takes no argument, got '%s'.", argv[optind]);

	if (btf && (watching || options.via))
		return usage_error("--btf goes with neither --watch nor --via.");
	if (btf) {
		status = probes_btf__print(btf, w.json);
		closed = close_output(stdout, "standard output");
		return closed ? closed : status;
	}
	if (duration && !watching)
		return usage_error("--duration goes with --watch.");
	if (watching) {
		options.changed = changed;
		options.changed_ctx = &w;
	}
	err = session__open(&w.session, &options);
	err = err ?: session__load(w.session);
	err = err ?: session__attach(w.session);
	/* Without notifications there is still a plan to show, but not one never tried. */
	if (err && err != -EOPNOTSUPP) {
		session__free(w.session);
		return session__status(err);
	}
	status = w.json ? print_json(session__plan(w.session),
				     watching ? JSON_COMPACT : JSON_INDENT(1)) :
			  print_table(session__plan(w.session));
	if (!err && !status && watching)
		status = watch(&w, duration * 1000);
	closed = close_output(stdout, "standard output");
	session__free(w.session);
	return err ? session__status(err) : closed ? closed : status;
}

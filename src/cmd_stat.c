// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope stat: counts of a system, a process, a cgroup or a command. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "kernel_info.h"
#include "loader.h"
#include "msg.h"
#include "report.h"
#include "report_windows.h"
#include "session.h"
#include "target.h"

#define DEFAULT_SAMPLE 64
#define CGROUP2_MAGIC 0x63677270

struct stat_run {
	struct session_options session_options;
	pid_t pid;
	const char *cgroup;
	char **command;
	bool children, json, all;
	unsigned long long interval_ms, duration_ms;
	const char *path;
	bool by_cause;
	unsigned int every;	/* --sample, 0: not given */
	struct windows windows;	/* with session_options.windows */

	struct session *session;
	struct target target;
	struct causes causes;
	FILE *out;
	struct snapshot last;	/* at the last interval */
	__u64 started, stopped, last_at;	/* ns; stopped 0: still counting */
	int signals, ended, timer;
	int command_status;
	bool broken;
	bool printed;		/* something, to the output */
};

static void help(FILE *out)
{
	fputs("Usage: mmuscope stat [OPTIONS] [-a | -p PID | -c CGROUP | -- COMMAND [ARGS]]\n\n"
	      "Counts the notifications that Linux sends to secondary MMUs, what each driver\n"
	      "callback made of them, migrations of device memory and device faults; prints\n"
	      "the tables when the command or process ends, or at Ctrl-C.\n\n"
	      "What to count:\n"
	      "  -a, --all            the whole system (the default)\n"
	      "  -p, --pid PID        one process, all its threads\n"
	      "  -c, --cgroup PATH    a cgroup and those below it (cgroup2)\n"
	      "  -- COMMAND [ARGS]    a command, run as the user who called sudo\n"
	      "      --children       with -p or COMMAND: also what it forks from now on\n\n"
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

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

/* ---- scope ---- */

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int check_pid_namespace(void)
{
	if (!loader__in_initial_pid_namespace()) {
		msg("pids of this pid namespace mean nothing to the kernel side; run it in the "
		    "initial namespace, or count with --all or --cgroup.");
		return STATUS_UNAVAILABLE;
	}
	return STATUS_OK;
}

static int resolve_cgroup(struct stat_run *r)
{
	struct statfs fs;
	struct stat st;

	if (statfs(r->cgroup, &fs) || stat(r->cgroup, &st)) {
		msg("cannot use cgroup %s: %s; name a folder below /sys/fs/cgroup.", r->cgroup,
		    strerror(errno));
		return STATUS_FAILED;
	}
	if (fs.f_type != CGROUP2_MAGIC || !S_ISDIR(st.st_mode)) {
		msg("%s is not a folder of a cgroup2 file system; name one below /sys/fs/cgroup.",
		    r->cgroup);
		return STATUS_FAILED;
	}
	/* The inode number of a cgroup is its kernfs id on 64 bits. */
	r->session_options.cgroup_id = st.st_ino;
	r->session_options.scope = SCOPE_CGROUP;
	return STATUS_OK;
}

static int resolve_scope(struct stat_run *r)
{
	int status = STATUS_OK;

	r->ended = -1;
	r->session_options.running = true;
	if (r->cgroup)
		return resolve_cgroup(r);
	if (r->pid || r->command)
		status = check_pid_namespace();
	if (status)
		return status;
	if (r->pid) {
		r->ended = pidfd_of(r->pid);
		if (r->ended < 0) {
			msg("there is no process %d.", r->pid);
			return STATUS_FAILED;
		}
	}
	if (r->command) {
		int err = target__fork(&r->target, r->command);

		if (err) {
			msg("cannot fork: %s.", strerror(-err));
			return STATUS_FAILED;
		}
		r->pid = r->target.pid;
		r->ended = pidfd_of(r->pid);
		/* Nothing of it is under way before it starts, nor after it has ended. */
		r->session_options.running = r->children;
	}
	if (r->pid) {
		r->session_options.pid = r->pid;
		r->session_options.scope = r->children ? SCOPE_PROCESSES : SCOPE_PROCESS;
	}
	return STATUS_OK;
}

/* ---- output ---- */

static struct report make_report(struct stat_run *r, const struct snapshot *snap, bool interval,
				 __u64 duration)
{
	return (struct report){
		.snap = snap,
		.names = session__names(r->session),
		.plan = session__plan(r->session),
		.latency = r->session_options.latency,
		.interval = interval,
		.pid = r->command ? 0 : r->pid,
		.cgroup = r->cgroup,
		.command = r->command,
		.children = r->children,
		.command_status = r->command_status,
		.duration_ns = duration,
		.causes = r->by_cause ? &r->causes : NULL,
		.windows = r->session_options.windows ? &r->windows : NULL,
		.stacks = &r->causes,
	};
}

/* Says what is broken in the whole measurement, for the exit status too. */
static void check_report(struct stat_run *r, const struct report *report)
{
	struct invariant inv[INVARIANTS_MAX];
	size_t broken, n = report__invariants(report, inv, &broken);
	__u64 unended;

	for (size_t i = 0; i < n; i++)
		if (!inv[i].holds)
			msg("the result is incomplete: %s: %s.", inv[i].name, inv[i].detail);
	r->broken |= broken > 0;
	unended = report_windows__unended(report);
	if (unended)
		msg("the kernel has not ended %ju window%s%s.", (uintmax_t)unended,
		    unended == 1 ? "" : "s", report->windows ? "" : ": --windows tells whose");
}

/* What was counted, where and for how long: a table that is kept must say so itself. */
static void print_heading(const struct stat_run *r, const struct report *report)
{
	json_t *kernel = kernel_info__json();
	char scope[300];

	if (r->command)
		snprintf(scope, sizeof(scope), "command '%.200s'%s", r->command[0],
			 r->children ? " and its children" : "");
	else if (r->pid)
		snprintf(scope, sizeof(scope), "process %d%s", r->pid,
			 r->children ? " and its children" : "");
	else
		snprintf(scope, sizeof(scope), "%.280s", r->cgroup ? r->cgroup : "whole system");
	fprintf(r->out, "%s, %.3f s of Linux %s\n\n", scope, (double)report->duration_ns / 1e9,
		json_string_value(json_object_get(kernel, "release")));
	json_decref(kernel);
}

static int print_report(struct stat_run *r, const struct report *report)
{
	json_t *doc;
	int err = 0;

	if (r->path && !r->printed)
		begin_output(r->out);
	r->printed = true;
	if (r->causes.ksyms)
		err = session__read_stacks(r->session, report->snap, report->windows, &r->causes);
	if (err) {
		msg("cannot read the stacks of causes and windows: %s.", strerror(-err));
		return err;
	}
	if (r->json) {
		doc = report__json(report);
		err = doc ? 0 : -ENOMEM;
		if (doc && json_dumpf(doc, r->out, report->interval ? JSON_COMPACT : JSON_INDENT(1)))
			err = -EIO;
		json_decref(doc);
		fputc('\n', r->out);
	} else {
		if (report->interval)
			fprintf(r->out, "--- %.3f s\n", (double)(now_ns() - r->started) / 1e9);
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

	if (r->session_options.windows)
		err = session__read_windows(r->session, &r->windows, stopped);
	if (err)
		msg("cannot read what was reported of windows: %s.", strerror(-err));
	windows__sort(&r->windows);
	return err;
}

static int print_interval(struct stat_run *r, bool stopped)
{
	struct snapshot now, delta;
	struct report report;
	__u64 at = now_ns();
	int err = session__snapshot(r->session, &now);

	/* At the end they have been read already. */
	err = err || stopped ? err : read_windows(r, false);
	err = err ? err : snapshot__copy(&delta, &now);
	if (err)
		return err;
	snapshot__subtract(&delta, &r->last);
	snapshot__clear(&r->last);
	r->last = now;
	report = make_report(r, &delta, true, at - r->last_at);
	err = print_report(r, &report);
	r->last_at = at;
	snapshot__clear(&delta);
	return err ? err : fflush(r->out) ? -EIO : 0;
}

/* ---- the loop ---- */

static int set_up_events(struct stat_run *r)
{
	unsigned long long first = r->interval_ms ? r->interval_ms : 1000;
	struct itimerspec tick = {
		.it_interval = { (time_t)(first / 1000), (long)(first % 1000) * 1000000 },
	};
	sigset_t set;

	tick.it_value = tick.it_interval;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (r->signals < 0 || r->timer < 0 ||
	    (r->interval_ms && timerfd_settime(r->timer, 0, &tick, NULL)))
		return -errno;
	return 0;
}

/* True where the signal ends the measurement. */
static bool take_signal(struct stat_run *r)
{
	struct signalfd_siginfo si;

	if (read(r->signals, &si, sizeof(si)) != sizeof(si) || si.ssi_signo == SIGCHLD)
		return false;
	/* The terminal sends Ctrl-C to both; a plain kill is for us to pass on. */
	if (r->target.pid > 0)
		kill(r->target.pid, (int)si.ssi_signo);
	return true;
}

static int wait_ms(const struct stat_run *r)
{
	__u64 elapsed = (now_ns() - r->started) / 1000000, left;

	if (!r->duration_ms)
		return -1;
	left = elapsed >= r->duration_ms ? 0 : r->duration_ms - elapsed;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static void stop(struct stat_run *r)
{
	if (r->stopped)
		return;
	session__enable(r->session, false);
	r->stopped = now_ns();
}

static int loop(struct stat_run *r)
{
	struct pollfd fds[] = {
		{ r->signals, POLLIN, 0 },
		{ session__poll_fd(r->session), POLLIN, 0 },
		{ r->ended, POLLIN, 0 },
		{ r->timer, POLLIN, 0 },
	};
	int err = 0;

	while (!err) {
		int wait = wait_ms(r);
		__u64 ticks;

		if (poll(fds, 4, wait) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			err = session__poll(r->session, 0);
		if (fds[3].revents && read(r->timer, &ticks, sizeof(ticks)) > 0)
			err = err ? err : print_interval(r, false);
		if (fds[0].revents && take_signal(r))
			break;
		if (wait == 0)
			stop(r);
		if (fds[2].revents || wait == 0)
			break;
	}
	return err;
}

/*
 * How the command ended; it is given two seconds to follow a signal of ours. Where it
 * does not, or the time was up, it is the user's and not ours to end.
 */
static void reap(struct stat_run *r)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	bool time_is_up = r->stopped;

	if (r->target.pid <= 0)
		return;
	for (int i = 0; i < (time_is_up ? 1 : 200); i++) {
		if (waitpid(r->target.pid, &r->command_status, WNOHANG) == r->target.pid) {
			r->target.pid = 0;
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (r->target.pid) {
		msg("'%s' has not ended; it goes on alone, as process %d.", r->command[0],
		    r->target.pid);
		r->command_status = -1;
		r->target.pid = 0;
		return;
	}
	if (WIFSIGNALED(r->command_status))
		msg("'%s' was ended by signal %d (%s); its counts up to there are complete.",
		    r->command[0], WTERMSIG(r->command_status),
		    strsignal(WTERMSIG(r->command_status)));
	else if (WEXITSTATUS(r->command_status))
		msg("'%s' ended with exit status %d.", r->command[0],
		    WEXITSTATUS(r->command_status));
}

static int measure(struct stat_run *r)
{
	struct report report;
	struct snapshot end;
	int err;

	r->started = r->last_at = now_ns();
	session__enable(r->session, true);
	if (!r->command && isatty(STDERR_FILENO))
		msg("counting; Ctrl-C ends it.");
	if (r->command) {
		err = target__start(&r->target);
		if (err) {
			msg("cannot run '%s': %s; check its name and path.", r->command[0],
			    strerror(-err));
			return err;
		}
	}
	err = loop(r);
	reap(r);
	stop(r);
	session__poll(r->session, 0);
	/* A full disk is close_output()'s to report. */
	if (err == -EIO)
		return 0;
	err = err ? err : session__snapshot(r->session, &end);
	err = err ? err : read_windows(r, true);
	if (err) {
		msg("the measurement broke off: %s.", strerror(-err));
		return err;
	}
	report = make_report(r, &end, false, r->stopped - r->started);
	check_report(r, &report);
	err = r->interval_ms ? print_interval(r, true) : print_report(r, &report);
	snapshot__clear(&end);
	return err == -EIO ? 0 : err;
}

/* ---- the command line ---- */

enum { OPT_CHILDREN = 256, OPT_NO_LATENCY, OPT_VIA, OPT_BY, OPT_SAMPLE, OPT_WINDOWS,
       OPT_MAX_ROWS, OPT_RING_SIZE };

static const struct option longs[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "pid", required_argument, NULL, 'p' },
	{ "cgroup", required_argument, NULL, 'c' },
	{ "children", no_argument, NULL, OPT_CHILDREN },
	{ "interval", required_argument, NULL, 'I' },
	{ "duration", required_argument, NULL, 'd' },
	{ "no-latency", no_argument, NULL, OPT_NO_LATENCY },
	{ "via", required_argument, NULL, OPT_VIA },
	{ "by", required_argument, NULL, OPT_BY },
	{ "sample", required_argument, NULL, OPT_SAMPLE },
	{ "windows", required_argument, NULL, OPT_WINDOWS },
	{ "max-rows", required_argument, NULL, OPT_MAX_ROWS },
	{ "ring-size", required_argument, NULL, OPT_RING_SIZE },
	{ "json", no_argument, NULL, 'j' },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* Sets one option. False where its value is bad. */
static bool take_option(struct stat_run *r, int opt, const char *value)
{
	struct session_options *so = &r->session_options;
	unsigned long long n = 0;
	bool ok = true;

	switch (opt) {
	case 'a':
		r->all = true;
		break;
	case 'p':
		ok = parse_number(value, 1, 1 << 22, &n);
		r->pid = (pid_t)n;
		break;
	case 'c':
		r->cgroup = value;
		break;
	case OPT_CHILDREN:
		r->children = true;
		break;
	case 'I':
		ok = parse_number(value, 10, 86400000, &r->interval_ms);
		break;
	case 'd':
		ok = parse_number(value, 1, 31536000, &n);
		r->duration_ms = n * 1000;
		break;
	case OPT_NO_LATENCY:
		so->latency = false;
		break;
	case OPT_VIA:
		so->via = plan_source__parse(value);
		ok = so->via != PLAN_NONE;
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
	case OPT_MAX_ROWS:
		ok = rows_to_shift(value, &so->row_shift);
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

static int check_options(const struct stat_run *r)
{
	if (r->all + (r->pid > 0) + (r->cgroup != NULL) + (r->command != NULL) > 1)
		return usage_error("takes one of --all, --pid, --cgroup and a command.");
	if (r->children && !r->pid && !r->command)
		return usage_error("--children goes with --pid or a command.");
	if (r->every && !r->by_cause)
		return usage_error("--sample goes with --by cause.");
	return STATUS_OK;
}

/* Before anything is counted: stacks that cannot be named are worth nothing. */
static int read_symbols(struct stat_run *r)
{
	int err;

	if (r->by_cause)
		r->session_options.cause_every = r->every ? r->every : DEFAULT_SAMPLE;
	r->causes.every = r->session_options.cause_every;
	if (!r->by_cause && !r->session_options.windows)
		return 0;
	err = ksyms__read(&r->causes.ksyms, NULL, KSYMS_FUNCTIONS);
	if (err == -EACCES)
		msg("cannot name stacks: the kernel hides its addresses; set kernel.kptr_restrict "
		    "to 0 or 1.");
	else if (err)
		msg("cannot name stacks: /proc/kallsyms: %s; mount /proc, and boot a kernel built "
		    "with CONFIG_KALLSYMS=y.",
		    strerror(-err));
	return err;
}

static enum status run(struct stat_run *r)
{
	enum status status = resolve_scope(r);
	int err;

	if (status)
		return status;
	err = read_symbols(r);
	err = err ? err : session__open(&r->session, &r->session_options);
	err = err ? err : session__load(r->session);
	err = err ? err : session__attach(r->session);
	if (err)
		return session__status(err);
	err = set_up_events(r);
	if (err) {
		msg("cannot set up signals and timers: %s.", strerror(-err));
		return STATUS_FAILED;
	}
	return measure(r) ? STATUS_FAILED : r->broken ? STATUS_INCOMPLETE : STATUS_OK;
}

int cmd_stat(int argc, char **argv)
{
	struct stat_run r = {
		.session_options = { .latency = true },
		.ended = -1,
		.signals = -1,
		.timer = -1,
		.command_status = -1,
		.target = { .go = -1, .failure = -1 },
	};
	enum status status, closed;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+ap:c:I:d:jo:h", longs, NULL)) != -1) {
		if (opt == 'h') {
			help(stdout);
			return close_output(stdout, "standard output");
		}
		if (opt == '?')
			return usage_error("there is no option '%s', or its value is missing.",
					   refused_option(argv));
		if (!take_option(&r, opt, optarg))
			return usage_error("--%s does not take '%s'.", option_name(longs, opt), optarg);
	}
	if (optind < argc)
		r.command = argv + optind;
	status = check_options(&r);
	if (status)
		return status;
	r.out = r.path ? open_output(r.path) : stdout;
	if (!r.out) {
		msg("cannot write %s: %s; name another file with --output.", r.path,
		    strerror(errno));
		return STATUS_FAILED;
	}
	status = run(&r);
	target__kill(&r.target);
	snapshot__clear(&r.last);
	session__free(r.session);
	causes__clear(&r.causes);
	windows__clear(&r.windows);
	closed = close_output(r.out, r.path ? r.path : "standard output");
	return closed ? closed : status;
}

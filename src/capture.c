// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "ksyms.h"
#include "loader.h"
#include "msg.h"
#include "report_windows.h"

#define CGROUP2_MAGIC 0x63677270

/* ---- options ---- */

int capture__take_option(struct capture *r, int opt, const char *value)
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
	case OPT_MAX_ROWS:
		ok = rows_to_shift(value, &so->row_shift);
		break;
	default:
		return 0;
	}
	return ok ? 1 : -1;
}

int capture__check(struct capture *r, int argc, char **argv)
{
	if (optind < argc)
		r->command = argv + optind;
	if (r->all + (r->pid > 0) + (r->cgroup != NULL) + (r->command != NULL) > 1)
		return usage_error("takes one of --all, --pid, --cgroup and a command.");
	if (r->children && !r->pid && !r->command)
		return usage_error("--children goes with --pid or a command.");
	return STATUS_OK;
}

__u64 capture__now(void)
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

static int resolve_cgroup(struct capture *r)
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

static int resolve_scope(struct capture *r)
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

/* ---- results ---- */

struct report capture__report(const struct capture *r, const struct snapshot *snap, __u64 duration_ns)
{
	return (struct report){
		.snap = snap,
		.names = session__names(r->session),
		.plan = session__plan(r->session),
		.latency = r->session_options.latency,
		.pid = r->command ? 0 : r->pid,
		.cgroup = r->cgroup,
		.command = r->command,
		.children = r->children,
		.command_status = r->command_status,
		.duration_ns = duration_ns,
	};
}

bool capture__say_broken(const struct report *report)
{
	struct invariant inv[INVARIANTS_MAX];
	size_t broken, n = report__invariants(report, inv, &broken);
	__u64 unended;

	for (size_t i = 0; i < n; i++)
		if (!inv[i].holds)
			msg("the result is incomplete: %s: %s.", inv[i].name, inv[i].detail);
	unended = report_windows__unended(report);
	if (unended)
		msg("the kernel has not ended %ju window%s%s.", (uintmax_t)unended,
		    unended == 1 ? "" : "s", report->windows ? "" : ": --windows tells whose");
	return broken > 0;
}

const char *capture__scope(const struct capture *r, char *out, size_t size)
{
	const char *children = r->children ? " and its children" : "";

	if (r->command)
		snprintf(out, size, "command '%.200s'%s", r->command[0], children);
	else if (r->pid)
		snprintf(out, size, "process %d%s", r->pid, children);
	else
		snprintf(out, size, "%.280s", r->cgroup ? r->cgroup : "whole system");
	return out;
}

double capture__seconds(const struct capture *r)
{
	return (double)((r->stopped ? r->stopped : capture__now()) - r->started) / 1e9;
}

/* ---- the loop ---- */

static int set_up_events(struct capture *r)
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
static bool take_signal(struct capture *r)
{
	struct signalfd_siginfo si;

	if (read(r->signals, &si, sizeof(si)) != sizeof(si) || si.ssi_signo == SIGCHLD)
		return false;
	/* The terminal sends Ctrl-C to both; a plain kill is for us to pass on. */
	if (r->target.pid > 0)
		kill(r->target.pid, (int)si.ssi_signo);
	return true;
}

static int wait_ms(const struct capture *r)
{
	__u64 elapsed = (capture__now() - r->started) / 1000000, left;

	if (!r->duration_ms)
		return -1;
	left = elapsed >= r->duration_ms ? 0 : r->duration_ms - elapsed;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static void stop(struct capture *r)
{
	if (r->stopped)
		return;
	session__enable(r->session, false);
	r->stopped = capture__now();
}

int capture__start(struct capture *r)
{
	int err = 0;

	r->started = capture__now();
	session__enable(r->session, true);
	if (!r->command)
		return 0;
	err = target__start(&r->target);
	if (err)
		msg("cannot run '%s': %s; check its name and path.", r->command[0],
		    strerror(-err));
	return err;
}

int capture__loop(struct capture *r, const struct capture_hooks *hooks)
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
		if (fds[1].revents) {
			err = session__poll(r->session, 0);
			if (!err && hooks->woken)
				err = hooks->woken(hooks->ctx);
		}
		if (fds[3].revents && read(r->timer, &ticks, sizeof(ticks)) > 0)
			err = err ? err : hooks->tick(hooks->ctx);
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
static void reap(struct capture *r)
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

void capture__finish(struct capture *r)
{
	reap(r);
	stop(r);
	session__poll(r->session, 0);
}

int capture__read_symbols(struct ksyms **out)
{
	int err = ksyms__read(out, NULL, KSYMS_FUNCTIONS);

	if (err == -EACCES)
		msg("cannot name stacks: the kernel hides its addresses; set kernel.kptr_restrict "
		    "to 0 or 1.");
	else if (err)
		msg("cannot name stacks: /proc/kallsyms: %s; mount /proc, and boot a kernel built "
		    "with CONFIG_KALLSYMS=y.",
		    strerror(-err));
	return err;
}

enum status capture__open(struct capture *r)
{
	enum status status = resolve_scope(r);
	int err;

	if (status)
		return status;
	err = session__open(&r->session, &r->session_options);
	err = err ? err : session__load(r->session);
	err = err ? err : session__attach(r->session);
	if (err)
		return session__status(err);
	err = set_up_events(r);
	if (err) {
		msg("cannot set up signals and timers: %s.", strerror(-err));
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

void capture__close(struct capture *r)
{
	target__kill(&r->target);
	session__free(r->session);
	r->session = NULL;
}

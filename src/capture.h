/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_CAPTURE_H
#define MMUSCOPE_CAPTURE_H

/*
 * A measurement from the command line: what is looked at, for how long, and how it ends.
 * `stat`, `trace` and `record` are one each.
 *
 *	CAPTURE_INIT -> capture__take_option()... -> capture__check() -> capture__open() ->
 *		capture__start() -> capture__loop() -> capture__finish() -> capture__close()
 */
#include <getopt.h>
#include <stdbool.h>
#include <sys/types.h>

#include "report.h"
#include "session.h"
#include "target.h"

struct capture {
	struct session_options session_options;
	pid_t pid;		/* 0: not given */
	const char *cgroup;
	char **command;
	bool children, all;
	unsigned long long duration_ms;	/* 0: until it ends */
	unsigned long long interval_ms;	/* of capture__loop()'s tick; 0: none */

	struct session *session;
	struct target target;
	__u64 started, stopped;	/* ns; stopped 0: still counting */
	int signals, ended, timer;
	int command_status;	/* as wait(2) gives it, -1: not started or not ended */
};

#define CAPTURE_INIT                                                                            \
	{ .session_options = { .latency = true }, .signals = -1, .ended = -1, .timer = -1,  \
	  .command_status = -1, .target = { .go = -1, .failure = -1 } }

/* The options that all have, for getopt_long(); a command's own begin at OPT_OWN. */
enum { OPT_CHILDREN = 256, OPT_NO_LATENCY, OPT_VIA, OPT_MAX_ROWS, OPT_OWN };
#define CAPTURE_SHORT_OPTIONS "ap:c:d:"
#define CAPTURE_LONG_OPTIONS                                                                    \
	{ "all", no_argument, NULL, 'a' }, { "pid", required_argument, NULL, 'p' },         \
	{ "cgroup", required_argument, NULL, 'c' },                                         \
	{ "children", no_argument, NULL, OPT_CHILDREN },                                    \
	{ "duration", required_argument, NULL, 'd' },                                       \
	{ "no-latency", no_argument, NULL, OPT_NO_LATENCY },                                \
	{ "via", required_argument, NULL, OPT_VIA },                                        \
	{ "max-rows", required_argument, NULL, OPT_MAX_ROWS }
/* What they mean, for --help. */
#define CAPTURE_HELP_SCOPE                                                                  \
	"  -a, --all            the whole system (the default)\n"                           \
	"  -p, --pid PID        one process, all its threads\n"                             \
	"  -c, --cgroup PATH    a cgroup and those below it (cgroup2)\n"                    \
	"  -- COMMAND [ARGS]    a command, run as the user who called sudo\n"               \
	"      --children       with -p or COMMAND: also what it forks from now on\n"

/* Takes one of these options. Returns 1, 0 where it is none of them, -1: a bad value. */
int capture__take_option(struct capture *r, int opt, const char *value);

/* Whether they go together; argv[optind] on is the command. An enum status. */
int capture__check(struct capture *r, int argc, char **argv);

/*
 * Finds what is looked at, opens, loads and attaches the session. Messages are said.
 */
enum status capture__open(struct capture *r);

/* Switches on, and lets the command begin. 0 or -errno after a sentence. */
int capture__start(struct capture *r);

struct capture_hooks {
	int (*tick)(void *ctx);	/* each interval_ms; a value other than 0 ends the loop */
	int (*woken)(void *ctx); /* after the session was polled; the same. May be NULL */
	void *ctx;
};

/* Until what is looked at ends, the time is up or a signal comes. 0, -errno, or what a hook said. */
int capture__loop(struct capture *r, const struct capture_hooks *hooks);

/* Waits for the command and switches off. What was sent meanwhile has been polled. */
void capture__finish(struct capture *r);

/* What was counted, for report__print() and the like. */
struct report capture__report(const struct capture *r, const struct snapshot *snap, __u64 duration_ns);

/* Says what is broken in the whole measurement. True where something is. */
bool capture__say_broken(const struct report *report);

/* "command 'X'", "process 7 and its children", "whole system". Returns `out`. */
const char *capture__scope(const struct capture *r, char *out, size_t size);

/* Seconds since capture__start(). */
double capture__seconds(const struct capture *r);

/* What names stacks. 0 or -errno after a sentence. */
struct ksyms;
int capture__read_symbols(struct ksyms **out);

/* CLOCK_MONOTONIC, ns. */
__u64 capture__now(void);

void capture__close(struct capture *r);

#endif

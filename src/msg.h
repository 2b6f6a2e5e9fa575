/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_MSG_H
#define MMUSCOPE_MSG_H

/*
 * Talk goes to stderr, one sentence a line, after the tool's and the
 * subcommand's name. Data goes to stdout and never passes through here.
 */

/* Exit statuses, the same for every subcommand; documented in mmuscope(1). */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,	/* the work was tried and failed */
	STATUS_USAGE = 2,	/* the command line is wrong */
	STATUS_INCOMPLETE = 3,	/* measured, but something was lost or an invariant broke */
	STATUS_UNAVAILABLE = 4, /* cannot be measured here: rights, BTF, device */
	STATUS_LIMIT = 5,	/* diff: a limit given by the user is exceeded */
};

/* Names the running subcommand in messages; `name` is kept, not copied. */
void msg__set_command(const char *name);
const char *msg__command(void);

/* "mmuscope COMMAND: ..." and a newline, on stderr. */
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Says what is wrong with the command line and where help is.
 * Returns STATUS_USAGE, so that callers can `return usage_error(...)`.
 */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#include <stdio.h>

/*
 * Opens `path` for writing without touching what it holds: a run that comes to
 * nothing must not cost the result of an earlier one. begin_output(), before the
 * first byte is written, empties it. NULL and errno as fopen().
 */
FILE *open_output(const char *path);
void begin_output(FILE *stream);

/*
 * Flushes and closes `stream` ("what" names it in the message).
 * Returns STATUS_OK, or STATUS_FAILED after a message where buffered data
 * could not be written (full disk, closed pipe).
 */
int close_output(FILE *stream, const char *what);

#endif

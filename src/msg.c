// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static const char *command;

void msg__set_command(const char *name)
{
	command = name;
}

const char *msg__command(void)
{
	return command;
}

static void say(const char *fmt, va_list ap)
{
	fputs("mmuscope", stderr);
	if (command)
		fprintf(stderr, " %s", command);
	fputs(": ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try 'mmuscope%s%s --help'.\n", command ? " " : "", command ? command : "");
	return STATUS_USAGE;
}

FILE *open_output(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

void begin_output(FILE *stream)
{
	/* Only a regular file has something to lose, and only there this does anything. */
	if (ftruncate(fileno(stream), 0))
		errno = 0;
}

int close_output(FILE *stream, const char *what)
{
	int bad = ferror(stream);

	errno = 0;
	/* The errno of a write that failed earlier is gone: one more try has it again. */
	if (bad) {
		clearerr(stream);
		fputc('\n', stream);
	}
	if (fflush(stream) || bad || (stream != stdout && fclose(stream)) ||
	    (stream == stdout && fclose(stdout))) {
		msg("cannot write %s: %s; what was written is incomplete.", what,
		    errno ? strerror(errno) : "write error");
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

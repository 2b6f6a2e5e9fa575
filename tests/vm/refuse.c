// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For LD_PRELOAD: what a guest cannot be made to do. REFUSE_BPF=1: bpf(2) is
 * forbidden, as under lockdown; BUSY=1: the test device is in use.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static int open_or_busy(const char *name, const char *path, int flags, unsigned int mode)
{
	int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);

	if (getenv("BUSY") && !strncmp(path, "/dev/hmm_dmirror", 16)) {
		errno = EBUSY;
		return -1;
	}
	return real(path, flags, mode);
}

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		unsigned int mode; \
		va_list ap; \
\
		va_start(ap, flags); \
		mode = flags & O_CREAT ? va_arg(ap, unsigned int) : 0; \
		va_end(ap); \
		return open_or_busy(#name, path, flags, mode); \
	}

OPEN(open)
OPEN(open64)

long syscall(long number, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long arg[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_bpf && getenv("REFUSE_BPF")) {
		errno = EPERM;
		return -1;
	}
	return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

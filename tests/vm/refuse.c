// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For LD_PRELOAD: what a guest cannot be made to do. REFUSE_BPF=1: bpf(2) is
 * forbidden, as under lockdown; BUSY=1: the test device is in use; STALE=N: it reads a
 * wrong byte in page 3 from the Nth time on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

/* What HMM_DMIRROR_READ takes: where from, where to, pages, and two results. */
#define READ _IOWR('H', 0, unsigned long long[5])

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) =
		(int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	static int reads;
	unsigned long long *command;
	va_list ap;
	int result;

	va_start(ap, request);
	command = va_arg(ap, unsigned long long *);
	va_end(ap);
	result = real(fd, request, command);
	if (!result && request == READ && getenv("STALE") && ++reads >= atoi(getenv("STALE")))
		((unsigned char *)command[1])[3 * 4096] ^= 1;
	return result;
}

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

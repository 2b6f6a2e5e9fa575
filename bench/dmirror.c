// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "dmirror.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel_info.h"
#include "msg.h"

struct dmirror_cmd {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

/* READ, WRITE and the migration to the device never moved; the numbers from 3 on did. */
#define DMIRROR_READ _IOWR('H', 0x00, struct dmirror_cmd)
#define DMIRROR_WRITE _IOWR('H', 0x01, struct dmirror_cmd)
#define DMIRROR_MIGRATE _IOWR('H', 0x02, struct dmirror_cmd)
/* Since 6.19. */
#define DMIRROR_FLAGS _IOWR('H', 0x08, struct dmirror_cmd)
#define DMIRROR_FLAG_FAIL_ALLOC 1

/* 5.10 creates no device nodes: make a private one for the time of the open. */
static int open_by_major(unsigned int index)
{
	char line[128], name[64], path[64];
	unsigned int major = 0, n;
	FILE *f = fopen("/proc/devices", "re");
	int fd, err;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%u %63s", &n, name) == 2 && !strcmp(name, "HMM_DMIRROR"))
			major = n;
	if (f)
		fclose(f);
	if (!major)
		return -ENODEV;
	snprintf(path, sizeof(path), "/tmp/mmuscope-dmirror-%d", getpid());
	if (mknod(path, S_IFCHR | 0600, makedev(major, index)))
		return -errno;
	fd = open(path, O_RDWR | O_CLOEXEC);
	err = errno;
	unlink(path);
	return fd < 0 ? -err : fd;
}

/*
 * Whoever closes a device evicts what others have on it, so there is one bench at a
 * time. A name in the kernel's own space of sockets goes with its process, and is
 * there on a small test kernel without file locks. Returns a descriptor to hold.
 */
static int claim(unsigned int index)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "mmuscope-dmirror%u", index);

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&name,
		  (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)n))
		return fd;
	n = errno == EADDRINUSE ? EBUSY : errno;
	close(fd);
	return -n;
}

int dmirror__open(struct dmirror *d, unsigned int index)
{
	memset(d, 0, sizeof(*d));
	d->index = index;
	snprintf(d->path, sizeof(d->path), "/dev/hmm_dmirror%u", index);
	/* Measured: 64 and 64 up to 6.12, 512 and 32 in 7.2. */
	d->chunk_pages = kernel_info__version() >= 6019 ? 512 : 64;
	d->fault_pages = kernel_info__version() >= 6019 ? 32 : 64;
	d->fd = open(d->path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0 && errno == ENOENT)
		d->fd = open_by_major(index);
	else if (d->fd < 0)
		d->fd = errno == ENXIO ? -ENODEV : -errno;
	if (d->fd < 0)
		return d->fd;
	d->claim = claim(index);
	if (d->claim < 0) {
		int err = d->claim;

		dmirror__close(d);
		return err;
	}
	return 0;
}

void dmirror__explain(const struct dmirror *d, int err)
{
	switch (-err) {
	case ENODEV:
	case ENOENT:
		msg("no test device %s: load it with 'modprobe test_hmm' on a kernel built with "
		    "CONFIG_TEST_HMM, or use scripts/compare.sh.",
		    d->path);
		break;
	case EBUSY:
		msg("%s is busy; end the program that holds it, or try --device %d.", d->path,
		    !d->index);
		break;
	default:
		msg("cannot open %s: %s; see 'ls -l %s'.", d->path, strerror(-err), d->path);
	}
}

void dmirror__close(struct dmirror *d)
{
	if (d->fd > 0)
		close(d->fd);
	if (d->claim > 0)
		close(d->claim);
	d->fd = d->claim = -1;
}

static int call(struct dmirror *d, unsigned long request, void *addr, void *buffer, size_t npages,
		struct dmirror_result *result)
{
	struct dmirror_cmd cmd;
	int r;

	/* A signal may end a device fault early; the call starts over then. */
	do {
		cmd = (struct dmirror_cmd){
			.addr = (__u64)(unsigned long)addr,
			.ptr = (__u64)(unsigned long)buffer,
			.npages = npages,
		};
		r = ioctl(d->fd, request, &cmd);
	} while (r && errno == EINTR);
	result->error = r ? errno : 0;
	result->cpages = cmd.cpages;
	result->faults = cmd.faults;
	return r ? -result->error : 0;
}

int dmirror__read(struct dmirror *d, void *addr, void *buffer, size_t npages,
		  struct dmirror_result *result)
{
	return call(d, DMIRROR_READ, addr, buffer, npages, result);
}

int dmirror__write(struct dmirror *d, void *addr, void *buffer, size_t npages,
		   struct dmirror_result *result)
{
	return call(d, DMIRROR_WRITE, addr, buffer, npages, result);
}

int dmirror__migrate_to_device(struct dmirror *d, void *addr, void *buffer, size_t npages,
			       struct dmirror_result *result)
{
	return call(d, DMIRROR_MIGRATE, addr, buffer, npages, result);
}

int dmirror__fail_alloc(struct dmirror *d)
{
	/* The flags are in `npages`; the address must be there for the check of every call. */
	struct dmirror_cmd cmd = { .npages = DMIRROR_FLAG_FAIL_ALLOC };

	if (kernel_info__version() < 6019)
		return -ENOTTY;
	return ioctl(d->fd, DMIRROR_FLAGS, &cmd) ? -errno : 0;
}

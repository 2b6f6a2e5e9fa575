// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "dmirror.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kernel_info.h"

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

int dmirror__open(struct dmirror *d, unsigned int index)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->path, sizeof(d->path), "/dev/hmm_dmirror%u", index);
	/* Measured: 64 up to 6.12, 512 in 7.2; hmm_range_fault() by 64 in all. */
	d->chunk_pages = kernel_info__version() >= 6019 ? 512 : 64;
	d->fault_pages = 64;
	d->fd = open(d->path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0 && errno == ENOENT)
		d->fd = open_by_major(index);
	else if (d->fd < 0)
		d->fd = errno == ENXIO ? -ENODEV : -errno;
	return d->fd < 0 ? d->fd : 0;
}

void dmirror__close(struct dmirror *d)
{
	if (d->fd > 0)
		close(d->fd);
	d->fd = -1;
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

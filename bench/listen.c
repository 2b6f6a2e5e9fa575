// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "kernel/module/notifier_test.h"
#include "workload.h"

static int add(int fd, unsigned long start, unsigned long stride, unsigned int count)
{
	const struct notifier_test_add a = {
		.start = start,
		.length = PAGE_BYTES,
		.stride = stride,
		.count = count,
		.kind = NOTIFIER_TEST_ACT,
	};

	return ioctl(fd, NOTIFIER_TEST_ADD, &a) ? -errno : 0;
}

int listen__to(const char *device, unsigned long page, unsigned int overlapping,
	       unsigned int elsewhere)
{
	const unsigned long far = 1UL << 40, apart = 2 * PAGE_BYTES;
	int fd = open(device, O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = add(fd, page, 0, overlapping);
	err = err ? err : add(fd, page - far, apart, elsewhere / 2);
	return err ? err : add(fd, page + far, apart, elsewhere - elsewhere / 2);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * two-pass INTERVALS PASS_NS NOTIFICATIONS [stay]: two-pass notifiers of one page each
 * beside each other, then so many notifications of all of them; prints the module's
 * ledger, and with a fourth word stays.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../kernel/module/notifier_test.h"

#define PAGE 4096UL
#define START (16UL << 40)

static int failed(const char *what)
{
	perror(what);
	return 99;
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
	struct notifier_test_add add = {
		.start = START,
		.length = PAGE,
		.stride = PAGE,
		.count = n,
		.kind = NOTIFIER_TEST_TWO_PASS,
		.pass_ns = argc > 3 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0,
	};
	struct notifier_test_notify notify = {
		.start = START,
		.end = START + n * PAGE,
		.event = 1, /* MMU_NOTIFY_CLEAR */
	};
	struct notifier_test_ledger ledger;
	int fd = open("/dev/notifier_test", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return failed("/dev/notifier_test");
	if (ioctl(fd, NOTIFIER_TEST_ADD, &add))
		return failed("adding intervals");
	for (unsigned long i = argc > 3 ? strtoul(argv[3], NULL, 10) : 0; i; i--)
		if (ioctl(fd, NOTIFIER_TEST_NOTIFY, &notify))
			return failed("notifying");
	if (ioctl(fd, NOTIFIER_TEST_LEDGER, &ledger))
		return failed("the ledger");
	printf("first %llu second %llu\n", (unsigned long long)ledger.first_passes,
	       (unsigned long long)ledger.second_passes);
	fflush(stdout);
	if (argc > 4)
		pause();
	/* The intervals stay until the process has ended, and hear of that. */
	return 0;
}

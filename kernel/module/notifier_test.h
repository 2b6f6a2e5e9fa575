/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What notifier_test.ko and its users share. Sizes and addresses in bytes. */
#ifndef NOTIFIER_TEST_H
#define NOTIFIER_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum notifier_test_kind {
	NOTIFIER_TEST_ACT = 0,	/* sets the sequence number */
	NOTIFIER_TEST_DECLINE,	/* returns before it */
	NOTIFIER_TEST_TWO_PASS,	/* invalidate_start and _finish; 7.2+, else EOPNOTSUPP */
};

/* Interval notifiers of the calling process: [start + i * stride, + length). */
struct notifier_test_add {
	__u64 start, length, stride, count;
	__u32 kind;		/* enum notifier_test_kind */
	__u32 pass_ns;		/* time that each second pass takes */
};

#define NOTIFIER_TEST_NO_END 1	/* leaves the window open; it is closed with the file */
#define NOTIFIER_TEST_NONBLOCK 2 /* the callbacks may not sleep */

/* One notification of the calling process. */
struct notifier_test_notify {
	__u64 start, end;
	__u64 open_ns;		/* how long the window stays open, asleep */
	__u64 owner;		/* of MMU_NOTIFY_MIGRATE */
	__u32 event;		/* enum mmu_notifier_event */
	__u32 flags;
};

/* The module's own ledger, of this file. */
struct notifier_test_ledger {
	__u64 acted, declined, first_passes, second_passes;
};

#define NOTIFIER_TEST_ADD _IOW('N', 0, struct notifier_test_add)
#define NOTIFIER_TEST_NOTIFY _IOW('N', 1, struct notifier_test_notify)
#define NOTIFIER_TEST_LEDGER _IOR('N', 2, struct notifier_test_ledger)

#endif

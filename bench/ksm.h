/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_KSM_H
#define MMUSCOPE_BENCH_KSM_H

/*
 * Kernel samepage merging when we want it: ksmd is set running, scans without a
 * pause until this process has as many merged pages as it should, and is stopped.
 * Its settings are of the whole machine; they are as before when a call returns.
 */
#include <stdbool.h>
#include <stddef.h>

/*
 * Can it be used here, and is nobody else's memory merged by it? Takes as long as
 * reading the smaps of all processes. False: `reason` gets a clause without a full stop.
 */
bool ksm__usable(char *reason, size_t size);

/*
 * Scans until /proc/self/ksm_merging_pages (Linux 5.19) is `pages`: the pages of this
 * process's mergeable mappings that share a merged page, each of them counted. Meanwhile
 * signals that would end the process wait, and cut it short. No page is allocated or
 * freed, so that no notification is of our own making.
 * Returns 0; -ETIMEDOUT after a minute; -EINTR; or -errno.
 */
int ksm__scan(size_t pages);

#endif

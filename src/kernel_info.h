/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_KERNEL_INFO_H
#define MMUSCOPE_KERNEL_INFO_H

#include <jansson.h>

/*
 * The "kernel" object of every result: release, version, machine; variant (what
 * follows "-mmuscope-" in the release, scripts/kernel-build.sh puts it there);
 * accel ("tcg", "kvm" from CPUID; null on bare metal); config_sha256 of the
 * unpacked /proc/config.gz or of /boot/config-RELEASE; boot_id. What cannot be
 * told is null. New reference; NULL: no memory.
 */
json_t *kernel_info__json(void);

/* "guest-insn" where MMUSCOPE_CLOCK says that a nanosecond of this guest is one
 * instruction (scripts/vm-run.sh --icount), else "ns". Static string. */
const char *kernel_info__clock(void);

/* As uname -r says it. Static buffer. */
const char *kernel_info__release(void);

/* MAJOR * 1000 + MINOR of the running kernel, 6.1 -> 6001. */
int kernel_info__version(void);

/* Variant of the running kernel ("patched"), "" where it has none. Static buffer. */
const char *kernel_info__variant(void);

/* The "tool" object of every result. New reference. */
json_t *tool_info__json(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_PROBES_BTF_H
#define MMUSCOPE_PROBES_BTF_H

#include <stdbool.h>

#include "msg.h"

/*
 * `mmuscope probes --btf FILE`: prints what the BPF programs ask of a kernel and whether
 * FILE, its raw BTF or its vmlinux, has it. Needs no rights and does not load anything.
 * The status; one sentence where the file cannot be read.
 */
enum status probes_btf__print(const char *path, bool json);

#endif

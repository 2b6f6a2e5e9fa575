/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_LOADER_H
#define MMUSCOPE_LOADER_H

/* What goes before and behind the loading of any BPF object, whatever it measures. */
#include <stdbool.h>

#include "msg.h"

/*
 * May BPF tracing programs be loaded here, and is there BTF? From here on libbpf's
 * words are kept for loader__failed(). Returns 0, or -errno after one sentence.
 */
int loader__check(void);

/* One sentence on what the kernel refused, with libbpf's last warning. Returns `err`. */
int loader__failed(int err);

/*
 * Opens a skeleton that NAME_bpf__create_skeleton() has made, as its NAME_bpf__open()
 * would, but fit for a kernel without atomics that give a value back (before 5.12): it
 * refuses an object that has one, although nothing there ever comes to it. Returns 0 or
 * -errno, and says nothing.
 */
struct bpf_object_skeleton;
int loader__open(struct bpf_object_skeleton *skeleton);

/* Does this kernel's BTF have the value in the enum? */
bool loader__has_enum(const char *type, const char *value);

/* Does the kernel proper have a struct of this name in its BTF? */
bool loader__has_struct(const char *name);

/* The kernel side's pids are those of the initial namespace: is this it? */
bool loader__in_initial_pid_namespace(void);

/* The exit status that the manual promises for -errno. */
enum status loader__status(int err);

#endif

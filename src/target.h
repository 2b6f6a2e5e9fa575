/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TARGET_H
#define MMUSCOPE_TARGET_H

/* A command that we start and measure. */
#include <sys/types.h>

struct target {
	pid_t pid;
	int go;		/* write end: a byte lets the command begin */
	int failure;	/* read end: errno of a failed exec, EOF after a good one */
};

/*
 * Forks a child that waits, and will run argv[] as the user who invoked us:
 * under sudo that is SUDO_UID and SUDO_GID with their groups, not root.
 * Returns 0 or -errno.
 */
int target__fork(struct target *t, char *const argv[]);

/* Lets it begin. Returns 0, or -errno of the exec that failed (-ENOENT: no such command). */
int target__start(struct target *t);

/* Ends a target that was forked and never started, or is still there. */
void target__kill(struct target *t);

#endif

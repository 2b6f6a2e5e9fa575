/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RECORDER_NAMES_H
#define MMUSCOPE_RECORDER_NAMES_H

/*
 * What the numbers of a session's records mean, told to the recording while it is made:
 * processes, callbacks, owners, stacks, what is watched. Each once, and again when it has
 * changed.
 */
#include "causes.h"
#include "recorder.h"
#include "session.h"

/* All zero: nothing was told yet. */
struct recorder_names {
	struct name_process *processes; /* as they were told */
	size_t process_count;
	struct name_callback *callbacks;
	size_t callback_count;
	struct plan_target *targets;
	size_t target_count;
	__u64 *owners;		/* that were met; the first owners_told of them were told */
	size_t owner_count, owners_told;
	struct met_stack {
		__s32 id;
		bool of_migration;
	} *stacks;
	size_t stack_count, stacks_told;
};

/* Remembers the owner and the stack of a record. 0 or -ENOMEM. */
int recorder_names__meet(struct recorder_names *n, const struct mmuscope_record *rec);

/* Tells what is new. 0 or -errno. `causes` names stacks. */
int recorder_names__tell(struct recorder_names *n, struct session *s, struct recorder *r,
			 struct causes *causes);

void recorder_names__clear(struct recorder_names *n);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SESSION_IMPL_H
#define MMUSCOPE_SESSION_IMPL_H

/*
 * The inside of a session, for the two files that make it: session.c, its life
 * and its counters, and callbacks.c, the drivers' callbacks.
 */
#include <bpf/libbpf.h>

#include "drivers.h"
#include "session.h"

/* The skeletons name the kernel side's types. */
typedef __u32 u32;
typedef __u64 u64;
#include "callback.skel.h"
#include "core.skel.h"

/* One watched driver callback: an object of its own, see bpf/callbacks.bpf.c. */
struct watch {
	const struct driver_callback *driver;
	struct callback_bpf *skel; /* NULL: seen by the walk of the registry */
	struct bpf_link *enter, *leave, *work, *second_enter, *second_leave;
	int id;			/* of the callback */
	__u64 address;		/* where its function was told to the walk; 0: nowhere */
};

/* A callback that no table has, found because something subscribes with it. */
struct found_driver {
	struct found_driver *next;
	struct driver_callback driver;
	char symbol[64], module[56], second_pass[64];
};

struct session {
	struct session_options options;
	struct mmuscope_config config;
	struct core_bpf *core;
	struct watch *watches;
	size_t watch_count;
	struct ring_buffer *ring;
	struct plan plan;
	struct names names;
	struct found_driver *found;
	bool armed;		/* all is attached: what subscribes from now on is walked */
	bool contended;		/* several threads may invalidate one mm at once */
	unsigned int cpus;
	/* The maps, mapped: [cpu], [cpu << row_shift | row]. */
	struct mmuscope_cpu *cpu;
	struct mmuscope_row *rows;
	struct mmuscope_callback_row *callback_rows;
	size_t cpu_bytes, rows_bytes, callback_rows_bytes;
	__u64 recursion_gone;	/* of callback objects that were closed */
	__u64 recursion_base;	/* at the last session__reset() */
};

/* ---- session.c ---- */

/* Which of the handlers' versions fits, see bpf/callbacks.bpf.c. */
bool session__for_one_process(const struct session *s);

/* Runs of the object's programs that the kernel skipped. */
__u64 session__recursion_misses(struct bpf_object *obj);

/* What the kernel refused is not observable, and that is why. */
void plan_target__refuse(struct plan_target *t, int err);

/* ---- callbacks.c ---- */

/*
 * Plans and attaches the callbacks of one module, or of all that are loaded
 * (NULL). A callback that cannot be watched costs no other. Returns 0 or -ENOMEM.
 */
int callbacks__add_module(struct session *s, const char *module);
void callbacks__remove_module(struct session *s, const char *module);

/* Several threads invalidate one mm from here on: watches the drivers' work functions. */
void callbacks__watch_work(struct session *s);

/*
 * A function at this address that nobody knew: something subscribes with it. Before
 * the session is armed it climbs the ladder, after that the walk counts it already.
 */
int callbacks__found(struct session *s, __u64 address, bool notifier);

void callbacks__close(struct session *s);

#endif

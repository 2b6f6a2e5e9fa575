/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SESSION_IMPL_H
#define MMUSCOPE_SESSION_IMPL_H

/*
 * The inside of a session, for the files that make it: session.c, its life and its
 * counters, callbacks.c, the drivers' callbacks, and those beside them.
 */
#include <bpf/libbpf.h>

#include "clones.h"
#include "drivers.h"
#include "session.h"

/* The skeletons name the kernel side's types. */
typedef __u32 u32;
typedef __u64 u64;
#include "core.skel.h"
#include "core_record.skel.h"
#include "nouveau.skel.h"

#define WRITE_TARGETS 2	/* functions of nouveau that write a page table */

/* One watched driver callback: programs of its own, see bpf/callbacks.bpf.c. */
struct watch {
	const struct driver_callback *driver;
	/* None of them: seen by the walk of the registry. */
	struct clone enter, leave, work, second_enter, second_leave;
	int constants;		/* the file descriptor of their map of constants, 0: none */
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
	struct templates *templates; /* of the callbacks' programs, in `core` */
	struct nouveau_bpf *nouveau; /* NULL: the module is not loaded */
	struct bpf_link *writes[WRITE_TARGETS];
	struct watch *watches;
	size_t watch_count;
	struct ring_buffer *ring;
	struct plan plan;
	struct plan survey;	/* every symbol that may be asked for, and what is known of it */
	struct symbol_facts *survey_facts;
	bool sites_read;	/* these know what has an ftrace site */
	struct names names;
	struct found_driver *found;
	bool armed;		/* all is attached: what subscribes from now on is walked */
	bool contended;		/* several threads may invalidate one mm at once */
	unsigned int cpus;
	/* The maps, mapped: [cpu], [cpu << row_shift | row]. */
	struct mmuscope_cpu *cpu;
	struct mmuscope_row *rows;
	struct mmuscope_callback_row *callback_rows;
	struct mmuscope_record *records; /* [cpu << record_shift | slot]; NULL: none are taken */
	size_t cpu_bytes, rows_bytes, callback_rows_bytes, records_bytes;
	__u64 recursion_gone;	/* of programs that were closed */
	__u64 recursion_base;	/* at the last session__reset() */
};

/* ---- session.c ---- */

/* Which of the handlers' versions fits, see bpf/callbacks.bpf.c. */
bool session__for_one_process(const struct session *s);

/* Runs of the object's programs that the kernel skipped. */
__u64 session__recursion_misses(struct bpf_object *obj);

/* The object's maps become those of the core object, where that has them. */
int session__share_maps(const struct session *s, struct bpf_object *obj);

/* By name, or by address where the name is not enough. NULL and errno. */
struct bpf_link *session__attach_kprobe(struct bpf_program *prog, bool at_return,
					const struct plan_target *t);

/* What the kernel refused is not observable, and that is why. */
void plan_target__refuse(struct plan_target *t, int err);

/* The target's module has gone. */
void plan_target__mark_removed(struct plan_target *t, const char *module);

/* ---- survey.c ---- */

/*
 * Reads what is known of these symbols of the kernel, of the drivers' callbacks and of what
 * else is watched of drivers. 0 or -errno.
 */
int survey__read(struct session *s, const char *const *symbols, size_t count);

/* One of them; NULL: it is none of them. */
struct symbol_facts *survey__facts(const struct session *s, const char *symbol);

/* Those of a plan, as they are now: read anew where a module has come or gone. 0 or -errno. */
int survey__copy(struct session *s, const struct plan *plan, struct symbol_facts *facts);

/*
 * What has an ftrace site costs another pass over all functions, so it is asked only where
 * the kernel refused something. False: that was known already.
 */
bool survey__read_sites(struct session *s);

void survey__clear(struct session *s);

/* ---- callbacks.c ---- */

/* Adds what is watched of a module, or of all that are known (NULL). 0 or -ENOMEM. */
int callbacks__plan(struct plan *plan, const char *module);

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

/* Their programs come off; the objects stay. */
void callbacks__detach(struct session *s);
void callbacks__close(struct session *s);

/* Runs of the programs of one callback that the kernel skipped. */
__u64 watch__recursion_misses(const struct watch *w);

/* ---- records.c ---- */

/* Before the first record: where each CPU's ring is, and that it is empty. */
void records__lay_out(struct session *s);

/* ---- writes.c ---- */

/* Adds what is watched of nouveau. 0 or -ENOMEM. */
int writes__plan(struct plan *plan);

/*
 * Plans and attaches what counts nouveau's page-table writes, if that is the module or
 * any is (NULL). What cannot be watched costs nothing else. Returns 0 or -ENOMEM.
 */
int writes__add_module(struct session *s, const char *module);
void writes__remove_module(struct session *s, const char *module);

void writes__detach(struct session *s);
void writes__close(struct session *s);

#endif

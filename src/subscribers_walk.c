// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "subscribers_walk.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loader.h"

/* The skeletons name the kernel side's types. */
typedef __u32 u32;
typedef __u64 u64;
#include "subscribers.skel.h"

/* An invalidation takes milliseconds; what changes for longer than that is said. */
enum { TRIES = 5, BETWEEN_MS = 20 };

/*
 * The function behind which drivers hide theirs; a pass over kallsyms, for nothing
 * where the kernel has no such helper: it is a module, or its types are in the BTF.
 */
static __u64 gpusvm_function(void)
{
	__u64 address = 0;
	FILE *f;

	if (access("/sys/module/drm_gpusvm_helper", F_OK) &&
	    !loader__has_struct("drm_gpusvm_notifier"))
		return 0;
	f = fopen("/proc/kallsyms", "re");
	if (f)
		address = symbols__address("drm_gpusvm_notifier_invalidate", f);
	if (f)
		fclose(f);
	return address;
}

static int load(struct subscribers_bpf **out, pid_t pid, unsigned int max)
{
	struct subscribers_bpf *skel = subscribers_bpf__open();

	*out = skel;
	if (!skel)
		return -errno;
	skel->rodata->only_tgid = (__u32)pid;
	skel->rodata->max_steps = max;
	skel->rodata->gpusvm_function = gpusvm_function();
	bpf_program__set_autoload(skel->progs.subscribers, true);
	return subscribers_bpf__load(skel);
}

/* The program writes nothing to the iterator: reading it to its end runs it. */
static int run(struct subscribers_bpf *skel)
{
	struct bpf_link *link = bpf_program__attach_iter(skel->progs.subscribers, NULL);
	int fd, err = 0;
	char nothing[64];
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		err = -errno;
		goto cleanup;
	}
	/* EAGAIN: a million tasks were seen, and the rest is to come. */
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	if (n < 0)
		err = -errno;
	close(fd);
cleanup:
	bpf_link__destroy(link);
	return err;
}

static int read_processes(struct subscribers *s, const struct subscribers_bpf *skel)
{
	int fd = bpf_map__fd(skel->maps.processes), err = 0;
	__u64 mm, *previous = NULL;

	while (!err && !bpf_map_get_next_key(fd, previous, &mm)) {
		struct subscriber_process p;

		err = bpf_map_lookup_elem(fd, &mm, &p) ? -errno
						       : subscribers__add_process(s, mm, &p);
		previous = &mm;
	}
	return err;
}

static int read_rows(struct subscribers *s, const struct subscribers_bpf *skel)
{
	int fd = bpf_map__fd(skel->maps.rows), processes = bpf_map__fd(skel->maps.processes);
	struct subscriber_key key, *previous = NULL;
	int err = 0;

	for (; !err && !bpf_map_get_next_key(fd, previous, &key); previous = &key) {
		struct subscriber_process p;
		struct subscriber_row row;

		/* It went away while it was walked. */
		if (bpf_map_lookup_elem(processes, &key.mm, &p))
			continue;
		err = bpf_map_lookup_elem(fd, &key, &row) ? -errno
							  : subscribers__add_row(s, &p, &key, &row);
	}
	return err;
}

static int walk_once(struct subscribers *s, pid_t pid, unsigned int max)
{
	struct subscribers_bpf *skel;
	int err = load(&skel, pid, max);

	err = err ? err : run(skel);
	if (err) {
		loader__failed(err);
		goto cleanup;
	}
	err = read_processes(s, skel);
	err = err ? err : read_rows(s, skel);
	if (!err && skel->bss->lost_processes)
		err = sentences__add(&s->incomplete, "%ju processes are missing: there are more "
				     "than %u with subscribers; try --pid.",
				     (uintmax_t)skel->bss->lost_processes, SUBSCRIBERS_ROWS);
	if (err)
		msg("cannot read what the walk found: %s.", strerror(-err));
cleanup:
	subscribers_bpf__destroy(skel);
	return err;
}

static int resolve(struct subscribers *s)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	int err = f ? 0 : -errno;

	if (err) {
		msg("cannot read /proc/kallsyms: %s; mount proc.", strerror(-err));
		return err;
	}
	subscribers__resolve(s, f);
	fclose(f);
	return 0;
}

int subscribers__walk(struct subscribers *s, pid_t pid, unsigned int max)
{
	const struct timespec pause = { .tv_nsec = BETWEEN_MS * 1000000 };
	int err = loader__check();

	for (int i = 0; i < TRIES && !err; i++) {
		subscribers__clear(s);
		err = walk_once(s, pid, max);
		if (!s->changing)
			break;
		nanosleep(&pause, NULL);
	}
	return err ? err : resolve(s);
}

void subscribers_walk__object(struct surface_object *object)
{
	object->elf = subscribers_bpf__elf_bytes(&object->size);
}

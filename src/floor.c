// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "floor.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "floor.skel.h"
#include "plan.h"

struct floor {
	struct floor_bpf *skel;
	struct bpf_link *probe[2];
};

/* Those that one notification or one migration runs through; a trailing * is any end. */
static const char *const path[] = {
	"__mmu_notifier_invalidate_range_start",
	"__mmu_notifier_invalidate_range_end",
	"dmirror_interval_invalidate",
	"dmirror_do_update",
	"migrate_vma_*",
	"migrate_device_*",
};

static bool on_path(const char *function)
{
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		size_t n = strcspn(path[i], "*");

		if (!strncmp(function, path[i], n) && (path[i][n] || !function[n]))
			return true;
	}
	return false;
}

/* ---- attaching ---- */

/* The nth empty program of a kind. */
static struct bpf_program *program(struct floor *f, enum floor_kind kind, unsigned int n)
{
	char name[32];

	snprintf(name, sizeof(name), "empty_%s_%u", kind == FLOOR_FENTRY ? "fentry" : "fexit", n);
	return bpf_object__find_program_by_name(f->skel->obj, name);
}

static const struct {
	const char *program, *map;
} steps[FLOOR_KINDS] = {
	[FLOOR_STORE] = { "step_store", NULL },
	[FLOOR_CLOCK] = { "step_clock", NULL },
	[FLOOR_ARRAY] = { "step_lookup_array", "step_array" },
	[FLOOR_HASH] = { "step_lookup_hash", "step_hash" },
	[FLOOR_STORAGE] = { "step_get_storage", "step_storage" },
	[FLOOR_RING] = { "step_send", "step_ring" },
	[FLOOR_READ] = { "step_read_kernel", NULL },
};

/* Maps that a kernel does not know would fail the others. */
static void create_map(struct floor *f, const char *name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, f->skel->obj)
		if (!strncmp(bpf_map__name(map), "step_", 5))
			bpf_map__set_autocreate(map, name && !strcmp(bpf_map__name(map), name));
}

static int prepare(struct floor *f, const struct floor_set *set)
{
	unsigned int used[2] = {};
	int err = 0;

	create_map(f, NULL);

	for (size_t i = 0; i < set->count && !err; i++) {
		const struct floor_place *p = &set->place[i];
		struct bpf_program *prog;

		if (p->kind == FLOOR_KPROBE || p->kind == FLOOR_KRETPROBE) {
			bpf_program__set_autoload(p->kind == FLOOR_KPROBE ?
							  f->skel->progs.empty_kprobe :
							  f->skel->progs.empty_kretprobe,
						  true);
			continue;
		}
		if (p->kind >= FLOOR_STEPS) {
			create_map(f, steps[p->kind].map);
			prog = bpf_object__find_program_by_name(f->skel->obj,
								steps[p->kind].program);
		} else {
			prog = program(f, p->kind, used[p->kind]++);
		}
		if (!prog)
			return -E2BIG;
		bpf_program__set_autoload(prog, true);
		err = bpf_program__set_attach_target(prog, 0, p->function);
	}
	return err;
}

static int attach_probe(struct floor *f, const struct floor_place *p)
{
	bool ret = p->kind == FLOOR_KRETPROBE;
	struct bpf_program *prog = ret ? f->skel->progs.empty_kretprobe :
					 f->skel->progs.empty_kprobe;

	f->probe[ret] = bpf_program__attach_kprobe(prog, ret, p->function);
	return f->probe[ret] ? 0 : -errno;
}

int floor__attach(struct floor **out, const struct floor_set *set)
{
	struct floor *f = calloc(1, sizeof(*f));
	int err;

	*out = f;
	if (!f)
		return -ENOMEM;
	f->skel = floor_bpf__open();
	if (!f->skel)
		return -errno;
	/* Their function is a parameter here: the skeleton's attach cannot know it. */
	bpf_program__set_autoattach(f->skel->progs.empty_kprobe, false);
	bpf_program__set_autoattach(f->skel->progs.empty_kretprobe, false);
	err = prepare(f, set);
	err = err ? err : floor_bpf__load(f->skel);
	err = err ? err : floor_bpf__attach(f->skel);
	for (size_t i = 0; i < set->count && !err; i++)
		if (set->place[i].kind == FLOOR_KPROBE || set->place[i].kind == FLOOR_KRETPROBE)
			err = attach_probe(f, &set->place[i]);
	return err;
}

void floor__free(struct floor *f)
{
	if (!f)
		return;
	bpf_link__destroy(f->probe[0]);
	bpf_link__destroy(f->probe[1]);
	floor_bpf__destroy(f->skel);
	free(f);
}

/* ---- what is attached ---- */

static int add(struct floor_set *set, const char *function, enum floor_kind kind)
{
	if (set->count == FLOOR_PLACES)
		return -E2BIG;
	snprintf(set->place[set->count].function, sizeof(set->place[0].function), "%s", function);
	set->place[set->count++].kind = kind;
	return 0;
}

static int add_function(struct floor_set *set, const struct btf *btf,
			const struct bpf_link_info *info)
{
	const struct btf_type *t = btf__type_by_id(btf, info->tracing.target_btf_id);
	const char *name = t ? btf__name_by_offset(btf, t->name_off) : NULL;
	int err = 0;

	if (!name || !on_path(name))
		return 0;
	/* Another type than these has no program of ours but an fsession. */
	if (info->tracing.attach_type != BPF_TRACE_FEXIT)
		err = add(set, name, FLOOR_FENTRY);
	if (info->tracing.attach_type != BPF_TRACE_FENTRY)
		err = err ? err : add(set, name, FLOOR_FEXIT);
	return err;
}

static int add_link(struct floor_set *set, const struct bpf_link_info *info)
{
	__u32 type = info->tracing.attach_type;
	struct btf *base = kernel_btf(), *module;
	int err;

	if (info->type != BPF_LINK_TYPE_TRACING || type == BPF_TRACE_RAW_TP ||
	    type == BPF_TRACE_ITER || type == BPF_MODIFY_RETURN)
		return 0;
	if (!base)
		return -ENOENT;
	if (!info->tracing.target_btf_id)
		return -EOPNOTSUPP;
	if (info->tracing.target_btf_id < btf__type_cnt(base))
		return add_function(set, base, info);
	module = btf__load_from_kernel_by_id_split(info->tracing.target_obj_id, base);
	if (!module)
		return -errno;
	err = add_function(set, module, info);
	btf__free(module);
	return err;
}

static int by_place(const void *a, const void *b)
{
	const struct floor_place *x = a, *y = b;
	int order = strcmp(x->function, y->function);

	return order ? order : (int)x->kind - (int)y->kind;
}

int floor__attached(struct floor_set *set)
{
	__u32 id = 0;
	int err = 0;

	memset(set, 0, sizeof(*set));
	while (!err && !bpf_link_get_next_id(id, &id)) {
		struct bpf_link_info info = {};
		__u32 size = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			continue; /* it has gone meanwhile */
		if (!bpf_obj_get_info_by_fd(fd, &info, &size))
			err = add_link(set, &info);
		close(fd);
	}
	qsort(set->place, set->count, sizeof(set->place[0]), by_place);
	return err;
}

/* ---- sets ---- */

void floor_set__less(struct floor_set *set, const struct floor_set *other)
{
	for (size_t i = 0; i < other->count; i++)
		for (size_t at = 0; at < set->count; at++)
			if (!by_place(&set->place[at], &other->place[i])) {
				memmove(&set->place[at], &set->place[at + 1],
					(--set->count - at) * sizeof(set->place[0]));
				break;
			}
}

bool floor_set__equal(const struct floor_set *a, const struct floor_set *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (by_place(&a->place[i], &b->place[i]))
			return false;
	return true;
}

char *floor_set__text(const struct floor_set *set)
{
	static const char *const kinds[FLOOR_KINDS] = { "fentry", "fexit", "kprobe", "kretprobe" };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < set->count; i++) {
		const struct floor_place *p = &set->place[i];
		bool more = i + 1 < set->count && !strcmp(p->function, p[1].function);

		fprintf(f, "%s", kinds[p->kind] ? kinds[p->kind] : steps[p->kind].program);
		if (more)
			fputc('+', f);
		else
			fprintf(f, " %s%s", p->function, i + 1 < set->count ? ", " : "");
	}
	return fclose(f) ? NULL : text;
}

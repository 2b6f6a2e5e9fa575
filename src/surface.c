// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "surface.h"

#include <errno.h>
#include <libelf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of .BTF.ext, whose layout libbpf keeps to itself (Documentation/bpf/btf.rst). */
struct ext_header {
	__u16 magic;
	__u8 version, flags;
	__u32 header_size;
	__u32 function_offset, function_size;
	__u32 line_offset, line_size;
	__u32 relocation_offset, relocation_size;
};

struct ext_section {
	__u32 name;
	__u32 count;
};

/* What is done without it; see compat.bpf.h and the manual pages. */
static const struct {
	const char *name, *otherwise;
} fallbacks[] = {
	{ "mmu_notifier_range.owner", "mmu_notifier_range.migrate_pgmap_owner (5.9 to 5.13)" },
	{ "mmu_notifier_range.migrate_pgmap_owner", "mmu_notifier_range.owner (5.14)" },
	{ "mmu_notifier_ops.invalidate_range",
	  "mmu_notifier_ops.arch_invalidate_secondary_tlbs (6.6)" },
	{ "mmu_notifier_ops.arch_invalidate_secondary_tlbs",
	  "mmu_notifier_ops.invalidate_range (up to 6.5)" },
	{ "mmu_notifier_ops.change_pte", "it is not among what a notifier implements" },
	{ "mmu_interval_notifier_ops.invalidate_start", "every interval notifier has one pass" },
	{ "mmu_interval_notifier_ops.invalidate_finish", "every interval notifier has one pass" },
	{ "migrate_vma_direction.MIGRATE_VMA_SELECT_COMPOUND",
	  "every entry of a migration is one page (up to 6.18)" },
	{ "mm_struct.owner", "the process is that of the task at work (no CONFIG_MEMCG)" },
	{ "task_struct.cgroups", "no scope by cgroup (no CONFIG_CGROUPS)" },
	{ "migrate_device_pfns", "evictions are those of migrate_device_range()" },
	{ "migrate_device_range", "evictions are not observable (up to 6.0)" },
	{ "migrate_device_finalize", "evictions are not observable (up to 6.0)" },
	{ "hmm_range_fault", "device faults are not observable (no CONFIG_HMM_MIRROR)" },
	{ "migrate_vma_setup", "migrations are not observable (no CONFIG_DEVICE_PRIVATE)" },
	{ "migrate_vma_pages", "migrations are not observable (no CONFIG_DEVICE_PRIVATE)" },
	{ "migrate_vma_finalize", "migrations are not observable (no CONFIG_DEVICE_PRIVATE)" },
	{ "bpf_iter_task", "no walk of the subscribers" },
};

/* Types that a module brings. */
static const struct {
	const char *prefix, *module;
} modules[] = {
	{ "drm_gpusvm", "drm_gpusvm_helper" },
};

const char *surface_kind_name(enum surface_kind kind)
{
	static const char *const names[SURFACE_KINDS] = {
		[SURFACE_FUNCTION] = "function", [SURFACE_TRACEPOINT] = "tracepoint",
		[SURFACE_ITERATOR] = "iterator", [SURFACE_FIELD] = "field",
		[SURFACE_TYPE] = "type",	 [SURFACE_ENUM_VALUE] = "enum value",
	};

	return kind < SURFACE_KINDS ? names[kind] : "?";
}

/* A name of ours may end in ___ and what tells it from another of the same kernel. */
static int essential(const char *name)
{
	const char *flavor = strstr(name, "___");

	return (int)(flavor && flavor != name ? (size_t)(flavor - name) : strlen(name));
}

static bool is_same(const char *ours, const char *theirs)
{
	size_t n = (size_t)essential(ours);

	return strlen(theirs) == n && !strncmp(ours, theirs, n);
}

static int add(struct surface *s, enum surface_kind kind, const char *name, bool present)
{
	struct surface_item *item;

	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].kind == kind && !strcmp(s->items[i].name, name))
			return 0;
	item = reallocarray(s->items, s->count + 1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	s->items = item;
	item += s->count++;
	*item = (struct surface_item){ .kind = kind, .present = present };
	snprintf(item->name, sizeof(item->name), "%s", name);
	for (size_t i = 0; i < sizeof(fallbacks) / sizeof(fallbacks[0]); i++)
		if (!strcmp(fallbacks[i].name, name))
			item->otherwise = fallbacks[i].otherwise;
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (!strncmp(name, modules[i].prefix, strlen(modules[i].prefix)))
			item->module = modules[i].module;
	return 0;
}

/* ---- fields ---- */

static const struct btf_type *skip_mods(const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

/* The struct, union or enum of the kernel that has our type's name. NULL: there is none. */
static const struct btf_type *namesake(const struct btf *kernel, const char *ours, bool enums)
{
	for (__u32 id = 1; id < btf__type_cnt(kernel); id++) {
		const struct btf_type *t = btf__type_by_id(kernel, id);

		if ((enums ? btf_is_any_enum(t) : btf_is_composite(t)) &&
		    is_same(ours, btf__name_by_offset(kernel, t->name_off)))
			return t;
	}
	return NULL;
}

/* A member by name, also of anonymous members within. */
static const struct btf_member *find_member(const struct btf *btf, const struct btf_type *t,
					    const char *name)
{
	const struct btf_member *m = btf_members(t);

	for (int i = 0; i < btf_vlen(t); i++, m++) {
		const char *got = btf__name_by_offset(btf, m->name_off);
		const struct btf_type *inner;

		if (got[0] && !strcmp(got, name))
			return m;
		inner = got[0] ? NULL : skip_mods(btf, m->type);
		if (inner && btf_is_composite(inner)) {
			const struct btf_member *found = find_member(btf, inner, name);

			if (found)
				return found;
		}
	}
	return NULL;
}

/*
 * Every step of an access like "0:3:1", which goes into struct members; the indices of
 * arrays and of the pointer itself are no steps.
 */
static int add_fields(struct surface *s, const struct btf *ours, const struct btf_type *t,
		      const char *access, const struct btf *kernel)
{
	int err = 0;

	access = strchr(access, ':');
	while (access && t && !err) {
		unsigned int index = (unsigned int)strtoul(access + 1, NULL, 10);
		const struct btf_member *m, *theirs = NULL;
		const struct btf_type *k;
		const char *type, *member;
		char name[120];

		access = strchr(access + 1, ':');
		if (btf_is_array(t)) {
			t = skip_mods(ours, btf_array(t)->type);
			continue;
		}
		if (!btf_is_composite(t) || index >= btf_vlen(t))
			return -EINVAL;
		m = btf_members(t) + index;
		type = btf__name_by_offset(ours, t->name_off);
		member = btf__name_by_offset(ours, m->name_off);
		k = namesake(kernel, type, false);
		if (k)
			theirs = find_member(kernel, k, member);
		snprintf(name, sizeof(name), "%.*s.%s", essential(type), type, member);
		err = add(s, SURFACE_FIELD, name, theirs);
		t = skip_mods(ours, m->type);
	}
	return err;
}

static int add_enum_value(struct surface *s, const struct btf *ours, const struct btf_type *t,
			  const char *access, const struct btf *kernel)
{
	unsigned int index = (unsigned int)strtoul(access, NULL, 10);
	const struct btf_type *k;
	const char *type, *value;
	bool present = false;
	char name[120];

	if (!btf_is_enum(t) || index >= btf_vlen(t))
		return -EINVAL;
	type = btf__name_by_offset(ours, t->name_off);
	value = btf__name_by_offset(ours, btf_enum(t)[index].name_off);
	k = namesake(kernel, type, true);
	for (int i = 0; k && btf_is_enum(k) && i < btf_vlen(k); i++)
		present |= is_same(value, btf__name_by_offset(kernel, btf_enum(k)[i].name_off));
	snprintf(name, sizeof(name), "%.*s.%.*s", essential(type), type, essential(value), value);
	return add(s, SURFACE_ENUM_VALUE, name, present);
}

static int add_relocation(struct surface *s, const struct btf *ours,
			  const struct bpf_core_relo *relocation, const struct btf *kernel)
{
	const struct btf_type *t = skip_mods(ours, relocation->type_id);
	const char *access = btf__str_by_offset(ours, relocation->access_str_off), *type;
	char name[120];

	if (!t || !access)
		return -EINVAL;
	switch (relocation->kind) {
	case BPF_CORE_ENUMVAL_EXISTS:
	case BPF_CORE_ENUMVAL_VALUE:
		return add_enum_value(s, ours, t, access, kernel);
	case BPF_CORE_TYPE_ID_LOCAL:
		return 0;
	case BPF_CORE_TYPE_ID_TARGET:
	case BPF_CORE_TYPE_EXISTS:
	case BPF_CORE_TYPE_SIZE:
		type = btf__name_by_offset(ours, t->name_off);
		snprintf(name, sizeof(name), "%.*s", essential(type), type);
		return add(s, SURFACE_TYPE, name, namesake(kernel, type, btf_is_enum(t)));
	default:
		return add_fields(s, ours, t, access, kernel);
	}
}

static int add_relocations(struct surface *s, const struct btf *ours, const Elf_Data *ext,
			   const struct btf *kernel)
{
	const struct ext_header *h = ext->d_buf;
	const char *at, *end;
	__u32 size;
	int err = 0;

	if (ext->d_size < sizeof(*h) || h->header_size < sizeof(*h) ||
	    (size_t)h->header_size + h->relocation_offset + h->relocation_size > ext->d_size)
		return -EINVAL;
	at = (const char *)h + h->header_size + h->relocation_offset;
	end = at + h->relocation_size;
	if (at + sizeof(size) > end)
		return h->relocation_size ? -EINVAL : 0;
	size = *(const __u32 *)(const void *)at;
	if (size < sizeof(struct bpf_core_relo))
		return -EINVAL;
	at += sizeof(size);
	while (!err && at + sizeof(struct ext_section) <= end) {
		const struct ext_section *section = (const void *)at;

		at += sizeof(*section);
		if (section->count > (size_t)(end - at) / size)
			return -EINVAL;
		for (__u32 i = 0; i < section->count && !err; i++, at += size)
			err = add_relocation(s, ours, (const void *)at, kernel);
	}
	return err;
}

/* ---- what programs are attached to ---- */

static bool has(const struct btf *kernel, const char *name, __u32 kind)
{
	return btf__find_by_name_kind(kernel, name, kind) > 0;
}

/* "?fentry/NAME" and the like; of one without a name it is decided when it is loaded. */
static int add_target(struct surface *s, const char *section, const struct btf *kernel)
{
	static const char *const functions[] = { "fentry/", "fexit/" };
	char name[120];

	section += section[0] == '?';
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		size_t n = strlen(functions[i]);

		if (!strncmp(section, functions[i], n))
			return add(s, SURFACE_FUNCTION, section + n,
				   has(kernel, section + n, BTF_KIND_FUNC));
	}
	if (!strncmp(section, "tp_btf/", 7)) {
		snprintf(name, sizeof(name), "btf_trace_%s", section + 7);
		return add(s, SURFACE_TRACEPOINT, section + 7,
			   has(kernel, name, BTF_KIND_TYPEDEF));
	}
	if (!strncmp(section, "iter/", 5)) {
		snprintf(name, sizeof(name), "bpf_iter_%s", section + 5);
		return add(s, SURFACE_ITERATOR, name, has(kernel, name, BTF_KIND_FUNC));
	}
	return 0;
}

static int read_object(struct surface *s, const struct surface_object *o, const struct btf *kernel)
{
	/* libelf does not write to what it reads so. */
	Elf *elf = elf_memory((char *)(unsigned long)o->elf, o->size);
	Elf_Data *types = NULL, *ext = NULL;
	Elf_Scn *section = NULL;
	struct btf *ours = NULL;
	int err = -EINVAL;
	size_t strings;

	if (!elf || elf_getshdrstrndx(elf, &strings))
		goto cleanup;
	while ((section = elf_nextscn(elf, section))) {
		Elf64_Shdr *header = elf64_getshdr(section);
		const char *name = header ? elf_strptr(elf, strings, header->sh_name) : NULL;

		if (!name)
			goto cleanup;
		if (!strcmp(name, ".BTF"))
			types = elf_getdata(section, NULL);
		else if (!strcmp(name, ".BTF.ext"))
			ext = elf_getdata(section, NULL);
		else if (header->sh_flags & SHF_EXECINSTR && add_target(s, name, kernel)) {
			err = -ENOMEM;
			goto cleanup;
		}
	}
	ours = types ? btf__new(types->d_buf, (__u32)types->d_size) : NULL;
	if (ours && ext)
		err = add_relocations(s, ours, ext, kernel);
cleanup:
	btf__free(ours);
	elf_end(elf);
	return err;
}

static int by_kind_and_name(const void *a, const void *b)
{
	const struct surface_item *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

int surface__read(struct surface *surface, const struct surface_object *objects, size_t count,
		  const struct btf *kernel)
{
	int err = 0;

	*surface = (struct surface){};
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EINVAL;
	for (size_t i = 0; i < count && !err; i++)
		err = read_object(surface, &objects[i], kernel);
	if (!err && surface->count)
		qsort(surface->items, surface->count, sizeof(*surface->items), by_kind_and_name);
	return err;
}

void surface__clear(struct surface *surface)
{
	free(surface->items);
	*surface = (struct surface){};
}

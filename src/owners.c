// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "owners.h"

#include <errno.h>
#include <string.h>

#define NOUVEAU_DEVICE \
	{ "nouveau_vmm", NULL, "cli" }, { "nouveau_cli", NULL, "drm" }, \
		{ "nouveau_drm", NULL, "dev" }

/* Read in the sources of Linux 6.1 and 7.2. */
static const struct owner_way ways[OWNER_READERS] = {
	/* lib/test_hmm.c */
	[OWNER_TEST_HMM] = { "test_hmm", { { "dmirror", "notifier", "mdevice" } }, false },
	/* drivers/gpu/drm/nouveau/nouveau_dmem.c: drm->dev */
	[OWNER_NOUVEAU] = { "nouveau",
			    { { "nouveau_svmm", "notifier", "vmm" }, NOUVEAU_DEVICE }, false },
	[OWNER_NOUVEAU_FAULT] = { "nouveau",
				  { { "svm_notifier", "notifier", "svmm" },
				    { "nouveau_svmm", NULL, "vmm" }, NOUVEAU_DEVICE }, false },
	/*
	 * drivers/gpu/drm/amd/amdkfd/kfd_svm.h: SVM_ADEV_PGMAP_OWNER() of the device whose
	 * memory the range has or is about to have: svm_range_vram_node_new() comes before
	 * the migration. Without a svm_bo all of it is in system memory, and stays there.
	 */
	[OWNER_AMDGPU] = { "amdgpu",
			   { { "svm_range", "notifier", "svm_bo" },
			     { "svm_range_bo", NULL, "bo" },
			     { "amdgpu_bo", NULL, "tbo.bdev" },
			     { "amdgpu_device", "mman.bdev", "hive" } }, true },
	/* drivers/gpu/drm/xe/xe_svm.c: xe_svm_private_page_owner(), in 7.2 */
	[OWNER_XE_SVM] = { "xe",
			   { { "drm_gpusvm_notifier", "notifier", "gpusvm" },
			     { "xe_vm", "svm.gpusvm", "svm.peer.owner" } }, false },
	[OWNER_XE_USERPTR] = { "xe",
			       { { "xe_userptr_vma", "userptr.notifier", "vma.gpuva.vm" },
				 { "xe_vm", "gpuvm", "svm.peer.owner" } }, false },
};

const struct owner_way *owner_way(enum mmuscope_owner_reader reader)
{
	return reader < OWNER_READERS && ways[reader].module ? &ways[reader] : NULL;
}

static const struct btf_type *skip_names(const struct btf *btf, const struct btf_type *t)
{
	while (btf_is_mod(t) || btf_is_typedef(t))
		t = btf__type_by_id(btf, t->type);
	return t;
}

/* A member in bytes, and its type; looks into members without a name. */
static long find_member(const struct btf *btf, const struct btf_type *t, const char *name,
			size_t len, const struct btf_type **type)
{
	for (__u32 i = 0; btf_is_composite(t) && i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];
		const struct btf_type *inner = skip_names(btf, btf__type_by_id(btf, m->type));
		const char *this = btf__name_by_offset(btf, m->name_off);
		long at = btf_member_bit_offset(t, i) / 8, below = -ENOENT;

		if (strlen(this) == len && !strncmp(this, name, len)) {
			*type = inner;
			return at;
		}
		if (!this[0])
			below = find_member(btf, inner, name, len, type);
		if (below >= 0)
			return at + below;
	}
	return -ENOENT;
}

long btf_member_offset(const struct btf *btf, const char *type, const char *path)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	const struct btf_type *t;
	long offset = 0;

	if (id <= 0)
		return -ENOENT;
	t = btf__type_by_id(btf, (__u32)id);
	while (path && *path) {
		size_t len = strcspn(path, ".");
		long at = find_member(btf, t, path, len, &t);

		if (at < 0)
			return at;
		offset += at;
		path += len + (path[len] == '.');
	}
	return offset;
}

int owner_way__resolve(const struct owner_way *way, const struct btf *btf,
		       struct mmuscope_owner_path *out)
{
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < MMUSCOPE_OWNER_STEPS && way->step[i].type; i++) {
		const struct owner_step *s = &way->step[i];
		long from = btf_member_offset(btf, s->type, s->from);
		long to = btf_member_offset(btf, s->type, s->to);

		if (from < 0 || to < 0) {
			out->steps = 0;
			return -ENOENT;
		}
		out->add[i] = to - from;
		out->itself = from;
		out->steps++;
	}
	out->or_itself = way->or_itself;
	return 0;
}

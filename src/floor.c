// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "floor.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>

#include "floor.skel.h"

struct floor {
	struct floor_bpf *skel;
};

int floor__attach(struct floor **out, enum floor_kind kind)
{
	struct floor *f = calloc(1, sizeof(*f));
	struct bpf_program *prog;
	int err;

	*out = f;
	if (!f)
		return -ENOMEM;
	f->skel = floor_bpf__open();
	if (!f->skel)
		return -errno;
	prog = kind == FLOOR_FENTRY ? f->skel->progs.empty_fentry :
	       kind == FLOOR_FEXIT  ? f->skel->progs.empty_fexit :
				      f->skel->progs.empty_kprobe;
	bpf_program__set_autoload(prog, true);
	err = floor_bpf__load(f->skel);
	return err ? err : floor_bpf__attach(f->skel);
}

void floor__free(struct floor *f)
{
	if (!f)
		return;
	floor_bpf__destroy(f->skel);
	free(f);
}

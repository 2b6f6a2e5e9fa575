// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "order.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader.h"

/* The skeletons name the kernel side's types. */
typedef __u32 u32;
typedef __u64 u64;
#include "order.skel.h"

struct order {
	struct order_bpf *skel;
	struct ring_buffer *ring;
	struct order_record *records;
	size_t count, room;
	__u64 lost; /* up to the last order__take() */
};

static int keep(void *ctx, void *data, size_t size)
{
	struct order *o = ctx;

	if (size < sizeof(*o->records))
		return -EINVAL;
	if (o->count == o->room) {
		size_t room = o->room ? 2 * o->room : 1024;
		void *more = realloc(o->records, room * sizeof(*o->records));

		if (!more)
			return -ENOMEM;
		o->records = more;
		o->room = room;
	}
	o->records[o->count++] = *(const struct order_record *)data;
	return 0;
}

int order__open(struct order **out, __u64 from, __u64 to)
{
	struct order *o = calloc(1, sizeof(*o));
	int err;

	*out = o;
	if (!o)
		return -ENOMEM;
	err = loader__check();
	if (err)
		return err;
	if (!loader__in_initial_pid_namespace())
		return -EOPNOTSUPP;
	o->skel = order_bpf__open();
	if (!o->skel)
		return -errno;
	o->skel->rodata->only_tgid = (__u32)getpid();
	o->skel->rodata->range_from = from;
	o->skel->rodata->range_to = to;
	err = order_bpf__load(o->skel);
	err = err ? err : order_bpf__attach(o->skel);
	if (err)
		return err;
	o->ring = ring_buffer__new(bpf_map__fd(o->skel->maps.records), keep, o, NULL);
	return o->ring ? 0 : -errno;
}

void order__free(struct order *o)
{
	if (!o)
		return;
	ring_buffer__free(o->ring);
	order_bpf__destroy(o->skel);
	free(o->records);
	free(o);
}

void order__record(struct order *o, bool on)
{
	/* The programs read it before all else. */
	__atomic_store_n(&o->skel->bss->enabled, on, __ATOMIC_SEQ_CST);
}

/* Two CPUs may put their records into the ring in another order than they made them. */
static int by_time(const void *a, const void *b)
{
	const struct order_record *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

int order__take(struct order *o, const struct order_record **records, size_t *count, __u64 *lost)
{
	__u64 all;
	int err;

	o->count = 0;
	err = ring_buffer__consume(o->ring);
	if (err < 0)
		return err;
	if (o->count)
		qsort(o->records, o->count, sizeof(*o->records), by_time);
	all = __atomic_load_n(&o->skel->bss->lost, __ATOMIC_RELAXED);
	*records = o->records;
	*count = o->count;
	*lost = all - o->lost;
	o->lost = all;
	return 0;
}

void order__object(struct surface_object *object)
{
	object->elf = order_bpf__elf_bytes(&object->size);
}

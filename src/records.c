// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The session's rings of records, emptied: see bpf/record.bpf.h for the other end. */
#include <string.h>

#include "in_order.h"
#include "session_impl.h"

void records__lay_out(struct session *s)
{
	const __u64 size = 1ULL << s->config.record_shift;

	for (unsigned int cpu = 0; cpu < s->cpus; cpu++) {
		s->cpu[cpu].record_place.base = cpu << s->config.record_shift;
		s->cpu[cpu].record_place.mask = (__u32)size - 1;
		s->cpu[cpu].record_place.wake = ~(size / 4 - 1);
		s->cpu[cpu].ring.limit = size;
	}
}

/* Gives a notification that holds its callback as two: the callback comes first. */
static int take_folded(const struct mmuscope_record *r, unsigned int cpu, session_record_fn take,
		       void *ctx)
{
	const __u8 of_callback = RECORD_AVOIDABLE | 3 << RECORD_OUTCOME_SHIFT;
	struct mmuscope_record notification = *r, callback = *r;
	int err;

	callback.kind = RECORD_CALLBACK;
	callback.what = (r->took >> RECORD_FOLD_SHIFT) - 1;
	callback.took = 0;
	callback.flags = (r->flags & of_callback) | RECORD_UNTIMED;
	notification.took &= (1ULL << RECORD_FOLD_SHIFT) - 1;
	notification.flags &= (__u8)~of_callback;
	err = take(ctx, cpu, &callback);
	return err ? err : take(ctx, cpu, &notification);
}

static bool is_folded(const struct mmuscope_record *r)
{
	return r->kind == RECORD_NOTIFICATION && r->took >> RECORD_FOLD_SHIFT;
}

static long take_cpu(struct session *s, unsigned int cpu, session_record_fn take, void *ctx)
{
	const unsigned int shift = s->config.record_shift;
	struct mmuscope_record *slots = s->records + ((size_t)cpu << shift);
	struct mmuscope_record whole[RECORD_SLOTS_MAX];
	struct mmuscope_record_ring *ring = &s->cpu[cpu].ring;
	const __u64 size = 1ULL << shift, mask = size - 1;
	__u64 tail = ring->limit - size;
	long n = 0;
	int err = 0;

	while (!err) {
		const struct mmuscope_record *r = &slots[tail & mask];
		unsigned int count;

		/* The program writes it last; what is behind it is read after it. */
		if (__atomic_load_n(&r->commit, __ATOMIC_ACQUIRE) != (__u32)tail + 1)
			break;
		count = record__slots(r->kind);
		if ((tail & mask) + count > mask + 1) {
			for (unsigned int i = 0; i < count; i++)
				whole[i] = slots[(tail + i) & mask];
			r = whole;
		}
		err = is_folded(r) ? take_folded(r, cpu, take, ctx) : take(ctx, cpu, r);
		n += is_folded(r);
		/* Or what lies in a later slot of a record could pass for a commit next time. */
		for (unsigned int i = 0; i < count; i++, tail++)
			slots[tail & mask].commit = 0;
		n++;
		/* Room again before the ring is empty, and a line shared with the CPU seldom. */
		if (!(n & 63))
			__atomic_store_n(&ring->limit, tail + size, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&ring->limit, tail + size, __ATOMIC_RELEASE);
	return err < 0 ? err : n;
}

long session__take_records(struct session *s, session_record_fn take, void *ctx)
{
	long sum = 0;

	for (unsigned int cpu = 0; cpu < s->cpus && s->records; cpu++) {
		long n = take_cpu(s, cpu, take, ctx);

		if (n < 0)
			return n;
		sum += n;
	}
	return sum;
}

__u64 session__lost_records(const struct session *s, __u64 lost[RECORD_KINDS], __u64 *by_cpu)
{
	__u64 all = 0;

	memset(lost, 0, RECORD_KINDS * sizeof(*lost));
	for (unsigned int cpu = 0; cpu < s->cpus; cpu++) {
		__u64 sum = 0;

		for (int k = 0; k < RECORD_KINDS; k++) {
			__u64 n = __atomic_load_n(&s->cpu[cpu].ring.lost[k], __ATOMIC_RELAXED);

			lost[k] += n;
			sum += n;
		}
		if (by_cpu)
			by_cpu[cpu] = sum;
		all += sum;
	}
	return all;
}

unsigned int session__cpus(const struct session *s)
{
	return s->cpus;
}

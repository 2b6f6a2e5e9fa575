// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "rdma.h"

#include <dlfcn.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIBRARY "libibverbs.so.1"

/* An answer on the wire is waited for 4.096 us << TIMEOUT_SHIFT, any answer for PATIENCE. */
#define TIMEOUT_SHIFT 18 /* 1 s: an emulated guest is slow */
#define PATIENCE_MS 30000

/* What of the library is used; the rest of a verb is inline, in the context's table. */
/* clang-format off */
#define VERBS(X) \
	X(ack_cq_events) X(alloc_pd) X(close_device) X(create_comp_channel) X(create_cq) \
	X(create_qp) X(dealloc_pd) X(dereg_mr) X(destroy_comp_channel) X(destroy_cq) \
	X(destroy_qp) X(free_device_list) X(get_cq_event) X(get_device_list) \
	X(get_device_name) X(modify_qp) X(open_device) X(query_port) X(reg_mr) X(wc_status_str)
/* clang-format on */

static struct {
#define X(name) __typeof__(ibv_##name) *name;
	VERBS(X)
#undef X
	__typeof__(_ibv_query_gid_ex) *query_gid_ex;
} verbs;

static int load_library(struct rdma *r)
{
	const struct {
		const char *name;
		void **function;
	} names[] = {
#define X(name) { "ibv_" #name, (void **)&verbs.name },
		VERBS(X)
#undef X
			{ "_ibv_query_gid_ex", (void **)&verbs.query_gid_ex },
	};

	r->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!r->library) {
		snprintf(r->why, sizeof(r->why),
			 "%s cannot be loaded: install libibverbs1 and ibverbs-providers",
			 LIBRARY);
		return -ENODEV;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		*names[i].function = dlsym(r->library, names[i].name);
		if (*names[i].function)
			continue;
		snprintf(r->why, sizeof(r->why),
			 "%s has no %s: install the libibverbs1 of rdma-core 32 or later", LIBRARY,
			 names[i].name);
		return -ENODEV;
	}
	return 0;
}

/* ---- the device ---- */

/* Does it fault pages in for what is read and written over a reliable connection? */
static bool has_odp(struct ibv_context *context)
{
	const struct verbs_context *table = verbs_get_ctx_op(context, query_device_ex);
	const uint32_t needed = IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	struct ibv_device_attr_ex attr = {};

	if (!table || table->query_device_ex(context, NULL, &attr, sizeof(attr)))
		return false;
	return attr.odp_caps.general_caps & IBV_ODP_SUPPORT &&
	       (attr.odp_caps.per_transport_caps.rc_odp_caps & needed) == needed;
}

/* A device of the bus has a driver there; rxe is on no bus and names its interface. */
static void name_driver(struct rdma *r, const struct ibv_device *device)
{
	char path[IBV_SYSFS_PATH_MAX + 32], target[256];
	ssize_t length;

	snprintf(path, sizeof(path), "%s/device/driver", device->ibdev_path);
	length = readlink(path, target, sizeof(target) - 1);
	if (length > 0) {
		target[length] = 0;
		snprintf(r->driver, sizeof(r->driver), "%.63s", strrchr(target, '/') + 1);
		return;
	}
	snprintf(path, sizeof(path), "%s/parent", device->ibdev_path);
	if (!access(path, R_OK))
		snprintf(r->driver, sizeof(r->driver), "rxe");
}

static int open_device(struct rdma *r)
{
	struct ibv_device **list;
	char without[64] = "";
	int n = 0, err = 0;

	list = verbs.get_device_list(&n);
	for (int i = 0; list && i < n && !r->context; i++) {
		struct ibv_context *context;

		snprintf(r->path, sizeof(r->path), "/dev/infiniband/%.32s", list[i]->dev_name);
		errno = 0;
		context = verbs.open_device(list[i]);
		if (!context) {
			err = errno ? -errno : -EIO;
			snprintf(r->why, sizeof(r->why), "cannot open %s: %s; see 'ls -l %s'",
				 r->path, strerror(-err), r->path);
		} else if (has_odp(context)) {
			r->context = context;
			name_driver(r, list[i]);
		} else {
			snprintf(without, sizeof(without), "%s", verbs.get_device_name(list[i]));
			verbs.close_device(context);
		}
	}
	if (list)
		verbs.free_device_list(list);
	if (r->context)
		return 0;
	if (err)
		return err;
	if (without[0])
		snprintf(r->why, sizeof(r->why),
			 "the RDMA device %s has no on-demand paging of reads and writes; that of "
			 "software, rxe, has it from Linux 6.15 on",
			 without);
	else if (!access("/sys/class/infiniband_verbs/uverbs0", F_OK))
		snprintf(r->why, sizeof(r->why),
			 "libibverbs has no driver for this RDMA device: install "
			 "ibverbs-providers");
	else
		snprintf(r->why, sizeof(r->why),
			 "no RDMA device: load the driver of one and ib_uverbs, or make one of "
			 "software with 'modprobe rdma_rxe' and 'rdma link add rxe0 type rxe "
			 "netdev lo'");
	return -ENODEV;
}

/* ---- the connection to ourselves ---- */

/* The best is of IPv4, or of IPv6 that is routed; any is better than none, 0. */
static int score_of(const struct ibv_gid_entry *e)
{
	if (e->gid_type != IBV_GID_TYPE_ROCE_V2)
		return 1;
	return e->gid.raw[0] == 0xfe && e->gid.raw[1] == 0x80 ? 2 : 3;
}

/* The address of the first port. 0, or -errno with `why`. */
static int find_address(struct rdma *r)
{
	struct ibv_port_attr port = {};
	int err, best = 0;

	/* The symbol fills the fields that were there before the library grew others. */
	err = -verbs.query_port(r->context, 1, (struct _compat_ibv_port_attr *)&port);
	for (int i = 0; i < port.gid_tbl_len && i <= UCHAR_MAX && !err; i++) {
		struct ibv_gid_entry e;

		if (verbs.query_gid_ex(r->context, 1, (uint32_t)i, &e, 0, sizeof(e)) ||
		    score_of(&e) <= best)
			continue;
		best = score_of(&e);
		memcpy(r->gid, e.gid.raw, sizeof(r->gid));
		r->gid_index = (unsigned char)i;
	}
	if (!err && !best)
		err = -EADDRNOTAVAIL;
	r->lid = port.lid;
	r->mtu = (unsigned char)port.active_mtu;
	/* Of enum ibv_mtu 256 is the first. */
	r->packet = 128U << r->mtu;
	if (err)
		snprintf(r->why, sizeof(r->why),
			 "%s has no address: %s; its interface must be up and have one", r->path,
			 strerror(-err));
	return err;
}

static int modify(struct rdma *r, int i, struct ibv_qp_attr *attr, enum ibv_qp_state state,
		  int mask)
{
	attr->qp_state = state;
	/* What it returns is a positive errno. */
	return -verbs.modify_qp(r->qp[i], attr, IBV_QP_STATE | mask);
}

static void destroy_queue_pairs(struct rdma *r)
{
	for (int i = 0; i < 2; i++) {
		if (r->qp[i])
			verbs.destroy_qp(r->qp[i]);
		r->qp[i] = NULL;
	}
}

static int create_queue_pairs(struct rdma *r)
{
	struct ibv_qp_init_attr init = {
		.send_cq = r->cq,
		.recv_cq = r->cq,
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	for (int i = 0; i < 2; i++) {
		r->qp[i] = verbs.create_qp(r->pd, &init);
		if (!r->qp[i])
			return -errno;
	}
	return 0;
}

static int connect_one(struct rdma *r, int i)
{
	struct ibv_qp_attr attr = {
		.pkey_index = 0,
		.port_num = 1,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
		.path_mtu = (enum ibv_mtu)r->mtu,
		.dest_qp_num = r->qp[!i]->qp_num,
		.max_dest_rd_atomic = 1,
		.max_rd_atomic = 1,
		.min_rnr_timer = 12,
		.timeout = TIMEOUT_SHIFT,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.ah_attr = {
			.dlid = r->lid,
			.is_global = 1,
			.port_num = 1,
			.grh = { .sgid_index = r->gid_index, .hop_limit = 1 },
		},
	};
	int err;

	memcpy(attr.ah_attr.grh.dgid.raw, r->gid, sizeof(r->gid));
	err = modify(r, i, &attr, IBV_QPS_INIT,
		     IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
	if (err)
		return err;
	err = modify(r, i, &attr, IBV_QPS_RTR,
		     IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
			     IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
	if (err)
		return err;
	return modify(r, i, &attr, IBV_QPS_RTS,
		      IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
			      IBV_QP_MAX_QP_RD_ATOMIC);
}

/* Makes the queue pairs, which are not there. 0, or -errno with `why`. */
static int connect_to_ourselves(struct rdma *r)
{
	int err = create_queue_pairs(r);

	for (int i = 0; i < 2 && !err; i++)
		err = connect_one(r, i);
	if (err)
		snprintf(r->why, sizeof(r->why), "%s cannot be connected to itself: %s", r->path,
			 strerror(-err));
	return err;
}

static int make_queue(struct rdma *r)
{
	r->pd = verbs.alloc_pd(r->context);
	r->channel = verbs.create_comp_channel(r->context);
	if (!r->pd || !r->channel)
		return -errno;
	r->cq = verbs.create_cq(r->context, 4, NULL, r->channel, 0);
	return r->cq ? 0 : -errno;
}

int rdma__open(struct rdma *r, void *buffer, size_t size)
{
	int err;

	memset(r, 0, sizeof(*r));
	r->buffer = buffer;
	r->size = size;
	err = load_library(r);
	err = err ? err : open_device(r);
	if (err)
		return err;
	err = make_queue(r);
	if (err) {
		snprintf(r->why, sizeof(r->why), "%s gives no completion queue: %s", r->path,
			 strerror(-err));
		return err;
	}
	r->pinned = verbs.reg_mr(r->pd, buffer, size, IBV_ACCESS_LOCAL_WRITE);
	if (!r->pinned) {
		err = -errno;
		snprintf(r->why, sizeof(r->why),
			 "%s cannot pin %zu bytes of memory: %s; see 'ulimit -l'", r->path, size,
			 strerror(-err));
		return err;
	}
	err = find_address(r);
	return err ? err : connect_to_ourselves(r);
}

void rdma__close(struct rdma *r)
{
	rdma__deregister(r);
	destroy_queue_pairs(r);
	if (r->pinned)
		verbs.dereg_mr(r->pinned);
	if (r->cq)
		verbs.destroy_cq(r->cq);
	if (r->channel)
		verbs.destroy_comp_channel(r->channel);
	if (r->pd)
		verbs.dealloc_pd(r->pd);
	if (r->context)
		verbs.close_device(r->context);
	/* The library stays: what it has registered to be called at exit would be gone. */
	memset(r, 0, sizeof(*r));
}

int rdma__register(struct rdma *r, void *range)
{
	r->range = range;
	r->region = verbs.reg_mr(r->pd, range, r->size,
				 IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE |
					 IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
	return r->region ? 0 : -errno;
}

void rdma__deregister(struct rdma *r)
{
	if (r->region)
		verbs.dereg_mr(r->region);
	r->region = NULL;
}

/* ---- reading and writing ---- */

/* Sleeps until the work is done. 0 or -errno. */
static int wait_for_completion(struct rdma *r, struct ibv_wc *wc)
{
	for (;;) {
		struct pollfd fd = { .fd = r->channel->fd, .events = POLLIN };
		int n = ibv_poll_cq(r->cq, 1, wc);
		struct ibv_cq *cq;
		void *context;

		if (n)
			return n < 0 ? -EIO : 0;
		n = poll(&fd, 1, PATIENCE_MS);
		if (!n)
			return -ETIMEDOUT;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || verbs.get_cq_event(r->channel, &cq, &context))
			return -errno;
		verbs.ack_cq_events(cq, 1);
		if (ibv_req_notify_cq(r->cq, 0))
			return -EIO;
	}
}

static __u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000 + (__u64)t.tv_nsec / 1000000;
}

static int transfer(struct rdma *r, enum ibv_wr_opcode opcode)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)r->buffer,
		.length = (uint32_t)r->size,
		.lkey = r->pinned->lkey,
	};
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = (uintptr_t)r->range, .rkey = r->region->rkey },
	};
	struct ibv_wc wc = {};
	__u64 start = now_ms();
	int err;

	err = ibv_req_notify_cq(r->cq, 0);
	err = err ? err : ibv_post_send(r->qp[0], &wr, &bad);
	err = err ? -err : wait_for_completion(r, &wc);
	r->took_ms = (unsigned int)(now_ms() - start);
	if (!err && wc.status == IBV_WC_SUCCESS)
		return 0;
	if (err) {
		snprintf(r->why, sizeof(r->why), "%s did not answer: %s", r->path, strerror(-err));
	} else if (wc.status == IBV_WC_REM_ACCESS_ERR || wc.status == IBV_WC_REM_OP_ERR) {
		err = -EFAULT;
	} else {
		err = -EIO;
		snprintf(r->why, sizeof(r->why), "%s answered: %s", r->path,
			 verbs.wc_status_str(wc.status));
	}
	/*
	 * They are in error. Not reset but made anew: the one that refused may come to its
	 * error after it was reset (rxe of 7.2 answers first).
	 */
	destroy_queue_pairs(r);
	return connect_to_ourselves(r) ? -EIO : err;
}

int rdma__read(struct rdma *r)
{
	return transfer(r, IBV_WR_RDMA_READ);
}

int rdma__write(struct rdma *r)
{
	return transfer(r, IBV_WR_RDMA_WRITE);
}

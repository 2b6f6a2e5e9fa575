/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_RDMA_H
#define MMUSCOPE_BENCH_RDMA_H

/*
 * A thin wrapper over an RDMA device with on-demand paging: two queue pairs of one
 * port that are connected to each other, memory that is pinned, and a region that
 * is not, whose pages the device faults in when it meets them. Never prints.
 *
 * libibverbs is loaded when the device is opened and not linked: the tool is for
 * machines without RDMA too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct rdma {
	void *library;
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_qp *qp[2];		/* qp[0] asks, qp[1] does it to the region */
	struct ibv_mr *pinned, *region;
	void *buffer, *range;		/* what those two are of */
	size_t size;			/* of each */
	unsigned char gid[16];		/* of the port, and its index, LID and enum ibv_mtu */
	unsigned char gid_index, mtu;
	unsigned short lid;
	unsigned int packet;		/* bytes of data in a packet, at most */
	unsigned int took_ms;		/* the last reading or writing */
	char path[64];			/* /dev/infiniband/uverbs0 */
	char driver[64];		/* "rxe", or that of the bus: "mlx5_core"; "": not known */
	char why[256];			/* a sentence without its stop, where a function says so */
};

/*
 * Opens the first device that has on-demand paging of RDMA reads and writes, and
 * pins `size` bytes from the page-aligned `buffer`, which stay the caller's and must
 * live until rdma__close(). 0, or -errno with `why`; -ENODEV: there is none, or no
 * libibverbs; -ENOMEM: RLIMIT_MEMLOCK, or memory. rdma__close() is called in any case.
 */
int rdma__open(struct rdma *r, void *buffer, size_t size);
void rdma__close(struct rdma *r);

/*
 * Gives the device as many bytes from the page-aligned `range`, unpinned. It may be
 * unmapped before rdma__deregister(), which is legal with nothing registered.
 * 0 or -errno.
 */
int rdma__register(struct rdma *r, void *range);
void rdma__deregister(struct rdma *r);

/*
 * The device copies the whole range to the buffer or back, and has done so when these
 * return. 0; -EFAULT: it was refused, as the process may not access a page so;
 * -ETIMEDOUT, or -EIO, with `why`. The queue pairs are as new after each of these.
 */
int rdma__read(struct rdma *r);
int rdma__write(struct rdma *r);

#endif

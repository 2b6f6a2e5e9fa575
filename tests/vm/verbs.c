// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A libibverbs.so.1 whose one device, fake0, is what the environment's FAKE says:
 * `no-odp`, has no on-demand paging; `denied`, cannot be opened; `memlock`, pins
 * nothing; `down`, has no address. With -DOLD it is a library of long ago.
 */
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *what)
{
	return !strcmp(getenv("FAKE"), what);
}

#ifndef OLD
static int query_device(struct ibv_context *context, const struct ibv_query_device_ex_input *input,
			struct ibv_device_attr_ex *attr, size_t size)
{
	(void)context, (void)input, (void)size;
	if (is("no-odp"))
		return 0;
	attr->odp_caps.general_caps = IBV_ODP_SUPPORT;
	attr->odp_caps.per_transport_caps.rc_odp_caps =
		IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	return 0;
}

static struct verbs_context device = {
	.query_device_ex = query_device,
	.sz = sizeof(device),
	.context.abi_compat = __VERBS_ABI_IS_EXTENDED,
};
static struct ibv_pd pd;
static struct ibv_comp_channel channel;
static struct ibv_cq cq;
static struct ibv_mr mr;

struct ibv_device **ibv_get_device_list(int *n)
{
	static struct ibv_device fake = { .name = "fake0", .dev_name = "uverbs7" };
	static struct ibv_device *list[] = { &fake, NULL };

	*n = 1;
	return list;
}

struct ibv_context *ibv_open_device(struct ibv_device *d)
{
	(void)d;
	if (!is("denied"))
		return &device.context;
	errno = EACCES;
	return NULL;
}

struct ibv_mr *(ibv_reg_mr)(struct ibv_pd *p, void *addr, size_t length, int access)
{
	(void)p, (void)addr, (void)length, (void)access;
	errno = ENOMEM;
	return is("memlock") ? NULL : &mr;
}

int (ibv_query_port)(struct ibv_context *c, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	(void)c, (void)port, (void)attr;
	return 0;
}

const char *ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *c, int cqe, void *context,
			     struct ibv_comp_channel *ch, int vector)
{
	(void)c, (void)cqe, (void)context, (void)ch, (void)vector;
	return &cq;
}

/* What takes one argument or is never come to. */
#define NOTHING(type, name, args, result) \
	type name args                    \
	{                                 \
		return result;            \
	}
#pragma GCC diagnostic ignored "-Wunused-parameter"
NOTHING(void, ibv_free_device_list, (struct ibv_device * *list), )
NOTHING(int, ibv_close_device, (struct ibv_context * c), 0)
NOTHING(struct ibv_pd *, ibv_alloc_pd, (struct ibv_context * c), &pd)
NOTHING(int, ibv_dealloc_pd, (struct ibv_pd * p), 0)
NOTHING(int, ibv_dereg_mr, (struct ibv_mr * m), 0)
NOTHING(struct ibv_comp_channel *, ibv_create_comp_channel, (struct ibv_context * c), &channel)
NOTHING(int, ibv_destroy_comp_channel, (struct ibv_comp_channel * c), 0)
NOTHING(int, ibv_destroy_cq, (struct ibv_cq * c), 0)
NOTHING(void, ibv_ack_cq_events, (struct ibv_cq * c, unsigned int n), )
NOTHING(int, ibv_get_cq_event, (struct ibv_comp_channel * c, struct ibv_cq **q, void **p), -1)
NOTHING(struct ibv_qp *, ibv_create_qp, (struct ibv_pd * p, struct ibv_qp_init_attr *a), NULL)
NOTHING(int, ibv_destroy_qp, (struct ibv_qp * q), 0)
NOTHING(int, ibv_modify_qp, (struct ibv_qp * q, struct ibv_qp_attr *a, int mask), 0)
NOTHING(const char *, ibv_wc_status_str, (enum ibv_wc_status s), "")
NOTHING(int, _ibv_query_gid_ex,
	(struct ibv_context * c, uint32_t port, uint32_t i, struct ibv_gid_entry *e, uint32_t f,
	 size_t s),
	ENODATA)
#else
struct ibv_device **ibv_get_device_list(int *n)
{
	*n = is("");
	return NULL;
}
#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "workload.h"

extern const struct workload workload_migrate_mixed, workload_migrate_pingpong,
	workload_migrate_holes, workload_migrate_thp, workload_migrate_thp_split, workload_mmops,
	workload_kvm_mmops, workload_rdma_odp;

const struct workload *const workloads[] = {
	&workload_migrate_mixed,
	&workload_migrate_pingpong,
	&workload_migrate_holes,
	&workload_migrate_thp,
	&workload_migrate_thp_split,
	&workload_mmops,
	&workload_kvm_mmops,
	&workload_rdma_odp,
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);

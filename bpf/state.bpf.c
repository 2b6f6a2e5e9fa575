// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The maps and variables that every object shares; sizes are set by user space. */
#include "state.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct mmuscope_config cfg = {};
struct mmuscope_control control SEC(".data.control") = {};

struct cpus_map cpus SEC(".maps");
struct rows_map rows SEC(".maps");
struct callback_rows_map callback_rows SEC(".maps");
struct row_index_map row_index SEC(".maps");
struct free_rows_map free_rows SEC(".maps");
struct free_rows_map free_callback_rows SEC(".maps");
struct task_storage_map task_storage SEC(".maps");
struct task_hash_map task_hash SEC(".maps");
struct second_passes_map second_passes SEC(".maps");
struct owner_paths_map owner_paths SEC(".maps");
struct targets_map targets SEC(".maps");
struct ring_map ring SEC(".maps");
struct records_map records SEC(".maps");

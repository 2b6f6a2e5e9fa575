// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The paths of the kernel to __mmu_notifier_invalidate_range_start(), 5.8 to 7.2.
 * Functions come and go, are renamed (page to folio, 5.16 and later) and inlined,
 * so each path is here by several; a name that a kernel does not have costs
 * nothing. Only the paths of tests/vm/cause.t and kvm.t were seen on kernels. What
 * several paths share (unmap_vmas, zap_page_range*, try_to_unmap, try_to_migrate,
 * move_page_tables) is not here, or unsure.
 */
#include "causes.h"

/* clang-format off */
const struct cause_rule cause_rules[] = {
	/* Huge pages are split in the middle of nearly everything: what splits is what notifies. */
	{ "__split_huge_pmd", "thp split", SURE },
	{ "split_huge_pmd_address", "thp split", SURE },
	{ "split_huge_pmd_locked", "thp split", SURE },
	{ "__split_huge_pud", "thp split", SURE },
	{ "split_huge_page_to_list", "thp split", SURE },
	{ "split_huge_page_to_list_to_order", "thp split", SURE },	/* 6.9 */
	{ "__folio_split", "thp split", SURE },			/* 6.15 */
	{ "folio_split", "thp split", SURE },
	{ "split_folio_to_list", "thp split", SURE },
	{ "deferred_split_scan", "thp split", SURE },

	/* A copy on write, by fault or by get_user_pages(). */
	{ "wp_page_copy", "cow", SURE },
	{ "do_wp_page", "cow", SURE },
	{ "do_huge_pmd_wp_page", "cow", SURE },
	{ "do_huge_zero_wp_pmd", "cow", SURE },			/* 6.12 */
	{ "hugetlb_cow", "cow", SURE },				/* to 6.0 */
	{ "hugetlb_wp", "cow", SURE },

	{ "copy_page_range", "fork", SURE },
	{ "copy_hugetlb_page_range", "fork", SURE },
	{ "dup_mmap", "fork", SURE },
	{ "dup_mm", "fork", SURE },
	{ "copy_process", "fork", SURE },
	{ "kernel_clone", "fork", SURE },

	/* Migration to and from device memory. */
	{ "migrate_device_range", "device eviction", SURE },		/* 6.1 */
	{ "migrate_device_pfns", "device eviction", SURE },		/* 6.15 */
	{ "migrate_device_pages", "device eviction", SURE },
	{ "migrate_vma_collect", "migration", UNSURE },
	{ "migrate_vma_setup", "migration", UNSURE },
	{ "migrate_vma_pages", "migration", UNSURE },
	{ "migrate_vma_finalize", "migration", UNSURE },
	{ "migrate_vma_prepare", "migration", UNSURE },			/* to 5.18 */
	{ "migrate_vma_unmap", "migration", UNSURE },
	{ "migrate_device_unmap", "migration", UNSURE },			/* 6.1, of both */
	{ "__migrate_device_pages", "migration", UNSURE },
	/* The CPU touched a page of the device: migrate_to_ram(). */
	{ "do_swap_page", "migration: fault", SURE },
	{ "handle_mm_fault", "migration: fault", REFINES },	/* into which that is inlined */
	{ "do_huge_pmd_device_private", "migration: fault", SURE },	/* 6.19 */

	{ "make_device_exclusive_range", "device exclusive", SURE },	/* 5.14 */
	{ "make_device_exclusive", "device exclusive", SURE },		/* 6.15 */
	{ "remove_device_exclusive_entry", "device exclusive", SURE },

	/* migrate_pages(), and who wants it. */
	{ "migrate_misplaced_page", "page migration: numa", SURE },	/* to 6.6 */
	{ "migrate_misplaced_folio", "page migration: numa", SURE },	/* 6.7 */
	{ "do_numa_page", "page migration: numa", SURE },
	{ "do_huge_pmd_numa_page", "page migration: numa", SURE },
	{ "compact_zone", "page migration: compaction", SURE },
	{ "compact_zone_order", "page migration: compaction", SURE },
	{ "compact_node", "page migration: compaction", SURE },
	{ "kcompactd", "page migration: compaction", SURE },
	{ "try_to_compact_pages", "page migration: compaction", SURE },
	{ "do_move_pages_to_node", "page migration: move_pages", SURE },
	{ "do_pages_move", "page migration: move_pages", SURE },
	{ "kernel_move_pages", "page migration: move_pages", SURE },
	{ "sys_move_pages", "page migration: move_pages", SURE },
	{ "migrate_to_node", "page migration: migrate_pages", UNSURE },	/* of both */
	{ "do_migrate_pages", "page migration: migrate_pages", SURE },
	{ "kernel_migrate_pages", "page migration: migrate_pages", SURE },
	{ "sys_migrate_pages", "page migration: migrate_pages", SURE },
	{ "do_mbind", "page migration: mbind", SURE },
	{ "kernel_mbind", "page migration: mbind", SURE },
	{ "sys_mbind", "page migration: mbind", SURE },
	{ "demote_page_list", "page migration: demotion", SURE },
	{ "demote_folio_list", "page migration: demotion", SURE },
	{ "alloc_contig_range", "page migration: contiguous", SURE },
	{ "__alloc_contig_migrate_range", "page migration: contiguous", SURE },
	{ "alloc_contig_pages", "page migration: contiguous", SURE },
	{ "migrate_longterm_unpinnable_pages", "page migration: pin", SURE },
	{ "migrate_longterm_unpinnable_folios", "page migration: pin", SURE },
	{ "check_and_migrate_movable_pages", "page migration: pin", SURE },
	{ "check_and_migrate_movable_folios", "page migration: pin", SURE },
	{ "__gup_longterm_locked", "page migration: pin", UNSURE },
	{ "offline_pages", "page migration: offline", SURE },
	{ "do_migrate_range", "page migration: offline", SURE },
	{ "soft_offline_page", "page migration: offline", SURE },
	{ "migrate_pages", "page migration", UNSURE },
	{ "migrate_pages_batch", "page migration", UNSURE },		/* 6.3 */
	{ "unmap_and_move", "page migration", UNSURE },
	{ "migrate_folio_unmap", "page migration", UNSURE },

	{ "change_prot_numa", "numa balancing", SURE },
	{ "task_numa_work", "numa balancing", SURE },

	/* MADV_COLLAPSE does khugepaged's work (6.1). */
	{ "madvise_collapse", "madvise", SURE },
	{ "collapse_huge_page", "khugepaged", UNSURE },
	{ "collapse_file", "khugepaged", UNSURE },
	{ "collapse_pte_mapped_thp", "khugepaged", UNSURE },
	{ "retract_page_tables", "khugepaged", UNSURE },
	{ "hpage_collapse_scan_pmd", "khugepaged", UNSURE },
	{ "collapse_and_free_pmd", "khugepaged", UNSURE },
	{ "khugepaged_scan_mm_slot", "khugepaged", SURE },
	{ "khugepaged_do_scan", "khugepaged", SURE },
	{ "khugepaged", "khugepaged", SURE },

	{ "try_to_merge_one_page", "ksm", SURE },
	{ "try_to_merge_with_ksm_page", "ksm", SURE },
	{ "cmp_and_merge_page", "ksm", SURE },
	{ "ksm_do_scan", "ksm", SURE },
	{ "ksm_scan_thread", "ksm", SURE },

	/* Pages that are written back become read-only again. */
	{ "page_mkclean", "writeback", SURE },				/* to 5.17 */
	{ "folio_mkclean", "writeback", SURE },
	{ "clear_page_dirty_for_io", "writeback", SURE },
	{ "folio_clear_dirty_for_io", "writeback", SURE },
	{ "pfn_mkclean_range", "writeback", SURE },			/* 5.19, DAX */
	{ "dax_writeback_mapping_range", "writeback", SURE },

	{ "shrink_page_list", "reclaim", SURE },			/* to 5.18 */
	{ "shrink_folio_list", "reclaim", SURE },
	{ "shrink_inactive_list", "reclaim", SURE },
	{ "shrink_active_list", "reclaim", SURE },
	{ "shrink_list", "reclaim", SURE },
	{ "shrink_lruvec", "reclaim", SURE },
	{ "shrink_one", "reclaim", SURE },
	{ "shrink_node", "reclaim", SURE },
	{ "shrink_zones", "reclaim", SURE },
	{ "evict_folios", "reclaim", SURE },				/* 6.1 */
	{ "reclaim_pages", "reclaim", SURE },				/* MADV_PAGEOUT */
	{ "reclaim_page_list", "reclaim", SURE },
	{ "reclaim_folio_list", "reclaim", SURE },
	{ "reclaim_clean_pages_from_list", "reclaim", SURE },
	{ "try_to_free_pages", "reclaim", SURE },
	{ "try_to_free_mem_cgroup_pages", "reclaim", SURE },
	{ "do_try_to_free_pages", "reclaim", SURE },
	{ "balance_pgdat", "reclaim", SURE },
	{ "kswapd", "reclaim", SURE },

	{ "try_to_unuse", "swap", SURE },
	{ "unuse_mm", "swap", SURE },
	{ "sys_swapoff", "swap", SURE },

	{ "hwpoison_user_mappings", "memory failure", SURE },
	{ "memory_failure", "memory failure", SURE },
	{ "unmap_poisoned_folio", "memory failure", SURE },

	{ "uffd_wp_range", "userfaultfd", SURE },
	{ "mwriteprotect_range", "userfaultfd", SURE },
	{ "move_pages_huge_pmd", "userfaultfd", SURE },		/* 6.8, UFFDIO_MOVE */
	{ "move_pages_ptes", "userfaultfd", SURE },
	{ "move_pages_pte", "userfaultfd", SURE },
	{ "move_pages", "userfaultfd", SURE },
	{ "userfaultfd_unregister", "userfaultfd", SURE },
	{ "userfaultfd_clear_vma", "userfaultfd", SURE },
	{ "userfaultfd_release", "userfaultfd", SURE },
	{ "userfaultfd_ioctl", "userfaultfd", SURE },

	{ "clear_refs_write", "soft dirty", SURE },
	{ "pagemap_scan_pmd_entry", "pagemap scan", SURE },		/* 6.7 */
	{ "do_pagemap_scan", "pagemap scan", SURE },

	{ "__replace_page", "uprobes", SURE },
	{ "uprobe_write_opcode", "uprobes", SURE },
	{ "uprobe_write", "uprobes", SURE },
	{ "install_breakpoint", "uprobes", SURE },
	{ "remove_breakpoint", "uprobes", SURE },
	{ "register_for_each_vma", "uprobes", SURE },
	{ "uprobe_mmap", "uprobes", SURE },

	/* One by the file's name, not by an address range of the process. */
	{ "hugetlb_vmdelete_list", "hugetlb", SURE },
	{ "hugetlb_unmap_file_page", "hugetlb", SURE },
	{ "hugetlb_unmap_file_folio", "hugetlb", SURE },
	{ "remove_inode_hugepages", "hugetlb", SURE },
	{ "unmap_ref_private", "hugetlb", SURE },
	{ "hugetlb_unshare_pmds", "hugetlb", UNSURE },
	{ "hugetlb_unshare_all_pmds", "hugetlb", UNSURE },
	{ "unmap_mapping_range", "truncate", SURE },
	{ "unmap_mapping_pages", "truncate", SURE },
	{ "unmap_mapping_page", "truncate", SURE },
	{ "unmap_mapping_folio", "truncate", SURE },
	{ "unmap_mapping_range_tree", "truncate", SURE },
	{ "truncate_pagecache", "truncate", SURE },
	{ "truncate_pagecache_range", "truncate", SURE },
	{ "invalidate_inode_pages2_range", "truncate", SURE },

	{ "sys_process_mrelease", "process_mrelease", SURE },		/* 5.15 */
	{ "__oom_reap_task_mm", "oom reaper", UNSURE },
	{ "oom_reap_task_mm", "oom reaper", SURE },
	{ "oom_reap_task", "oom reaper", SURE },
	{ "oom_reaper", "oom reaper", SURE },

	/* Both drop a whole address space, and exec builds its stack before. */
	{ "shift_arg_pages", "exec", SURE },
	{ "relocate_vma_down", "exec", SURE },				/* 6.12 */
	{ "setup_arg_pages", "exec", SURE },
	{ "exec_mmap", "exec", SURE },
	{ "begin_new_exec", "exec", SURE },
	{ "load_elf_binary", "exec", SURE },
	{ "bprm_execve", "exec", SURE },
	{ "sys_execve", "exec", SURE },
	{ "sys_execveat", "exec", SURE },
	{ "exit_mmap", "exit", UNSURE },
	{ "__mmput", "exit", UNSURE },
	{ "mmput", "exit", UNSURE },
	{ "exit_mm", "exit", SURE },
	{ "do_exit", "exit", SURE },
	{ "do_group_exit", "exit", SURE },

	{ "do_madvise", "madvise", SURE },
	{ "madvise_vma_behavior", "madvise", SURE },
	{ "madvise_dontneed_free", "madvise", SURE },
	{ "madvise_dontneed_single_vma", "madvise", SURE },
	{ "madvise_free_single_vma", "madvise", SURE },
	{ "madvise_guard_install", "madvise", SURE },			/* 6.13 */
	{ "madvise_do_behavior", "madvise", SURE },
	{ "vector_madvise", "madvise", SURE },
	{ "sys_madvise", "madvise", SURE },
	{ "sys_process_madvise", "madvise", SURE },

	{ "change_protection", "mprotect", UNSURE },
	{ "mprotect_fixup", "mprotect", UNSURE },
	{ "do_mprotect_pkey", "mprotect", SURE },
	{ "sys_mprotect", "mprotect", SURE },
	{ "sys_pkey_mprotect", "mprotect", SURE },

	{ "move_page_tables", "mremap", UNSURE },
	{ "move_vma", "mremap", SURE },
	{ "mremap_to", "mremap", SURE },
	{ "do_mremap", "mremap", SURE },				/* 6.15 */
	{ "sys_mremap", "mremap", SURE },

	/* A part of the address space goes: who wants it gone is further out. */
	{ "unmap_region", "munmap", UNSURE },
	{ "__do_munmap", "munmap", UNSURE },				/* to 6.0 */
	{ "do_munmap", "munmap", UNSURE },
	{ "do_mas_align_munmap", "munmap", UNSURE },			/* 6.1 */
	{ "do_mas_munmap", "munmap", UNSURE },
	{ "do_vmi_align_munmap", "munmap", UNSURE },			/* 6.3 */
	{ "do_vmi_munmap", "munmap", UNSURE },
	{ "vms_complete_munmap_vmas", "munmap", UNSURE },			/* 6.12 */
	{ "vms_clear_ptes", "munmap", UNSURE },
	{ "__vm_munmap", "munmap", UNSURE },
	{ "vm_munmap", "munmap", UNSURE },
	{ "sys_munmap", "munmap", SURE },
	{ "do_brk_munmap", "brk", SURE },				/* 6.1 */
	{ "sys_brk", "brk", SURE },
	{ "ksys_shmdt", "shmdt", SURE },
	{ "sys_shmdt", "shmdt", SURE },
	{ "__mmap_region", "mmap", SURE },				/* 6.12 */
	{ "mmap_region", "mmap", SURE },
	{ "do_mmap", "mmap", SURE },
	{ "vm_mmap_pgoff", "mmap", SURE },
	{ "ksys_mmap_pgoff", "mmap", SURE },
	{ "sys_mmap", "mmap", SURE },
};
/* clang-format on */

const size_t cause_rule_count = sizeof(cause_rules) / sizeof(cause_rules[0]);

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The paths of the kernel to __mmu_notifier_invalidate_range_start(), 5.8 to 7.2.
 * Functions come and go, are renamed (page to folio, 5.16 and later) and inlined,
 * so each path is here by several; a name that a kernel does not have costs
 * nothing. Only the paths of tests/vm/cause.t and kvm.t were seen on a kernel, 6.1
 * and 7.2. What several paths share (unmap_vmas, zap_page_range*, try_to_unmap,
 * try_to_migrate, move_page_tables) is not here, or unsure.
 */
#include "causes.h"

/* clang-format off */
const struct cause_rule cause_rules[] = {
	/* Huge pages are split in the middle of nearly everything: what splits is what notifies. */
	{ "__split_huge_pmd", "thp split", false },
	{ "split_huge_pmd_address", "thp split", false },
	{ "split_huge_pmd_locked", "thp split", false },
	{ "__split_huge_pud", "thp split", false },
	{ "split_huge_page_to_list", "thp split", false },
	{ "split_huge_page_to_list_to_order", "thp split", false },	/* 6.9 */
	{ "__folio_split", "thp split", false },			/* 6.15 */
	{ "folio_split", "thp split", false },
	{ "split_folio_to_list", "thp split", false },
	{ "deferred_split_scan", "thp split", false },

	/* A copy on write, by fault or by get_user_pages(). */
	{ "wp_page_copy", "cow", false },
	{ "do_wp_page", "cow", false },
	{ "do_huge_pmd_wp_page", "cow", false },
	{ "do_huge_zero_wp_pmd", "cow", false },			/* 6.12 */
	{ "hugetlb_cow", "cow", false },				/* to 6.0 */
	{ "hugetlb_wp", "cow", false },

	{ "copy_page_range", "fork", false },
	{ "copy_hugetlb_page_range", "fork", false },
	{ "dup_mmap", "fork", false },
	{ "dup_mm", "fork", false },
	{ "copy_process", "fork", false },
	{ "kernel_clone", "fork", false },

	/* Migration to and from device memory. */
	{ "migrate_device_range", "device eviction", false },		/* 6.1 */
	{ "migrate_device_pfns", "device eviction", false },		/* 6.15 */
	{ "migrate_device_pages", "device eviction", false },
	{ "migrate_vma_collect", "migration", true },
	{ "migrate_vma_setup", "migration", true },
	{ "migrate_vma_pages", "migration", true },
	{ "migrate_vma_finalize", "migration", true },
	{ "migrate_vma_prepare", "migration", true },			/* to 5.18 */
	{ "migrate_vma_unmap", "migration", true },
	{ "migrate_device_unmap", "migration", true },			/* 6.1, of both */
	{ "__migrate_device_pages", "migration", true },
	/* The CPU touched a page of the device: migrate_to_ram(). */
	{ "do_swap_page", "migration: fault", false },
	{ "do_huge_pmd_device_private", "migration: fault", false },	/* 6.19 */

	{ "make_device_exclusive_range", "device exclusive", false },	/* 5.14 */
	{ "make_device_exclusive", "device exclusive", false },		/* 6.15 */
	{ "remove_device_exclusive_entry", "device exclusive", false },

	/* migrate_pages(), and who wants it. */
	{ "migrate_misplaced_page", "page migration: numa", false },	/* to 6.6 */
	{ "migrate_misplaced_folio", "page migration: numa", false },	/* 6.7 */
	{ "do_numa_page", "page migration: numa", false },
	{ "do_huge_pmd_numa_page", "page migration: numa", false },
	{ "compact_zone", "page migration: compaction", false },
	{ "compact_zone_order", "page migration: compaction", false },
	{ "compact_node", "page migration: compaction", false },
	{ "kcompactd", "page migration: compaction", false },
	{ "try_to_compact_pages", "page migration: compaction", false },
	{ "do_move_pages_to_node", "page migration: move_pages", false },
	{ "do_pages_move", "page migration: move_pages", false },
	{ "kernel_move_pages", "page migration: move_pages", false },
	{ "sys_move_pages", "page migration: move_pages", false },
	{ "migrate_to_node", "page migration: migrate_pages", true },	/* of both */
	{ "do_migrate_pages", "page migration: migrate_pages", false },
	{ "kernel_migrate_pages", "page migration: migrate_pages", false },
	{ "sys_migrate_pages", "page migration: migrate_pages", false },
	{ "do_mbind", "page migration: mbind", false },
	{ "kernel_mbind", "page migration: mbind", false },
	{ "sys_mbind", "page migration: mbind", false },
	{ "demote_page_list", "page migration: demotion", false },
	{ "demote_folio_list", "page migration: demotion", false },
	{ "alloc_contig_range", "page migration: contiguous", false },
	{ "__alloc_contig_migrate_range", "page migration: contiguous", false },
	{ "alloc_contig_pages", "page migration: contiguous", false },
	{ "migrate_longterm_unpinnable_pages", "page migration: pin", false },
	{ "migrate_longterm_unpinnable_folios", "page migration: pin", false },
	{ "check_and_migrate_movable_pages", "page migration: pin", false },
	{ "check_and_migrate_movable_folios", "page migration: pin", false },
	{ "__gup_longterm_locked", "page migration: pin", true },
	{ "offline_pages", "page migration: offline", false },
	{ "do_migrate_range", "page migration: offline", false },
	{ "soft_offline_page", "page migration: offline", false },
	{ "migrate_pages", "page migration", true },
	{ "migrate_pages_batch", "page migration", true },		/* 6.3 */
	{ "unmap_and_move", "page migration", true },
	{ "migrate_folio_unmap", "page migration", true },

	{ "change_prot_numa", "numa balancing", false },
	{ "task_numa_work", "numa balancing", false },

	/* MADV_COLLAPSE does khugepaged's work (6.1). */
	{ "madvise_collapse", "madvise", false },
	{ "collapse_huge_page", "khugepaged", true },
	{ "collapse_file", "khugepaged", true },
	{ "collapse_pte_mapped_thp", "khugepaged", true },
	{ "retract_page_tables", "khugepaged", true },
	{ "hpage_collapse_scan_pmd", "khugepaged", true },
	{ "collapse_and_free_pmd", "khugepaged", true },
	{ "khugepaged_scan_mm_slot", "khugepaged", false },
	{ "khugepaged_do_scan", "khugepaged", false },
	{ "khugepaged", "khugepaged", false },

	{ "try_to_merge_one_page", "ksm", false },
	{ "try_to_merge_with_ksm_page", "ksm", false },
	{ "cmp_and_merge_page", "ksm", false },
	{ "ksm_do_scan", "ksm", false },
	{ "ksm_scan_thread", "ksm", false },

	/* Pages that are written back become read-only again. */
	{ "page_mkclean", "writeback", false },				/* to 5.17 */
	{ "folio_mkclean", "writeback", false },
	{ "clear_page_dirty_for_io", "writeback", false },
	{ "folio_clear_dirty_for_io", "writeback", false },
	{ "pfn_mkclean_range", "writeback", false },			/* 5.19, DAX */
	{ "dax_writeback_mapping_range", "writeback", false },

	{ "shrink_page_list", "reclaim", false },			/* to 5.18 */
	{ "shrink_folio_list", "reclaim", false },
	{ "shrink_inactive_list", "reclaim", false },
	{ "shrink_active_list", "reclaim", false },
	{ "shrink_list", "reclaim", false },
	{ "shrink_lruvec", "reclaim", false },
	{ "shrink_one", "reclaim", false },
	{ "shrink_node", "reclaim", false },
	{ "shrink_zones", "reclaim", false },
	{ "evict_folios", "reclaim", false },				/* 6.1 */
	{ "reclaim_pages", "reclaim", false },				/* MADV_PAGEOUT */
	{ "reclaim_page_list", "reclaim", false },
	{ "reclaim_folio_list", "reclaim", false },
	{ "reclaim_clean_pages_from_list", "reclaim", false },
	{ "try_to_free_pages", "reclaim", false },
	{ "try_to_free_mem_cgroup_pages", "reclaim", false },
	{ "do_try_to_free_pages", "reclaim", false },
	{ "balance_pgdat", "reclaim", false },
	{ "kswapd", "reclaim", false },

	{ "try_to_unuse", "swap", false },
	{ "unuse_mm", "swap", false },
	{ "sys_swapoff", "swap", false },

	{ "hwpoison_user_mappings", "memory failure", false },
	{ "memory_failure", "memory failure", false },
	{ "unmap_poisoned_folio", "memory failure", false },

	{ "uffd_wp_range", "userfaultfd", false },
	{ "mwriteprotect_range", "userfaultfd", false },
	{ "move_pages_huge_pmd", "userfaultfd", false },		/* 6.8, UFFDIO_MOVE */
	{ "move_pages_ptes", "userfaultfd", false },
	{ "move_pages_pte", "userfaultfd", false },
	{ "move_pages", "userfaultfd", false },
	{ "userfaultfd_unregister", "userfaultfd", false },
	{ "userfaultfd_clear_vma", "userfaultfd", false },
	{ "userfaultfd_release", "userfaultfd", false },
	{ "userfaultfd_ioctl", "userfaultfd", false },

	{ "clear_refs_write", "soft dirty", false },
	{ "pagemap_scan_pmd_entry", "pagemap scan", false },		/* 6.7 */
	{ "do_pagemap_scan", "pagemap scan", false },

	{ "__replace_page", "uprobes", false },
	{ "uprobe_write_opcode", "uprobes", false },
	{ "uprobe_write", "uprobes", false },
	{ "install_breakpoint", "uprobes", false },
	{ "remove_breakpoint", "uprobes", false },
	{ "register_for_each_vma", "uprobes", false },
	{ "uprobe_mmap", "uprobes", false },

	/* One by the file's name, not by an address range of the process. */
	{ "hugetlb_vmdelete_list", "hugetlb", false },
	{ "hugetlb_unmap_file_page", "hugetlb", false },
	{ "hugetlb_unmap_file_folio", "hugetlb", false },
	{ "remove_inode_hugepages", "hugetlb", false },
	{ "unmap_ref_private", "hugetlb", false },
	{ "hugetlb_unshare_pmds", "hugetlb", true },
	{ "hugetlb_unshare_all_pmds", "hugetlb", true },
	{ "unmap_mapping_range", "truncate", false },
	{ "unmap_mapping_pages", "truncate", false },
	{ "unmap_mapping_page", "truncate", false },
	{ "unmap_mapping_folio", "truncate", false },
	{ "unmap_mapping_range_tree", "truncate", false },
	{ "truncate_pagecache", "truncate", false },
	{ "truncate_pagecache_range", "truncate", false },
	{ "invalidate_inode_pages2_range", "truncate", false },

	{ "sys_process_mrelease", "process_mrelease", false },		/* 5.15 */
	{ "__oom_reap_task_mm", "oom reaper", true },
	{ "oom_reap_task_mm", "oom reaper", false },
	{ "oom_reap_task", "oom reaper", false },
	{ "oom_reaper", "oom reaper", false },

	/* Both drop a whole address space, and exec builds its stack before. */
	{ "shift_arg_pages", "exec", false },
	{ "relocate_vma_down", "exec", false },				/* 6.12 */
	{ "setup_arg_pages", "exec", false },
	{ "exec_mmap", "exec", false },
	{ "begin_new_exec", "exec", false },
	{ "load_elf_binary", "exec", false },
	{ "bprm_execve", "exec", false },
	{ "sys_execve", "exec", false },
	{ "sys_execveat", "exec", false },
	{ "exit_mmap", "exit", true },
	{ "__mmput", "exit", true },
	{ "mmput", "exit", true },
	{ "exit_mm", "exit", false },
	{ "do_exit", "exit", false },
	{ "do_group_exit", "exit", false },

	{ "do_madvise", "madvise", false },
	{ "madvise_vma_behavior", "madvise", false },
	{ "madvise_dontneed_free", "madvise", false },
	{ "madvise_dontneed_single_vma", "madvise", false },
	{ "madvise_free_single_vma", "madvise", false },
	{ "madvise_guard_install", "madvise", false },			/* 6.13 */
	{ "madvise_do_behavior", "madvise", false },
	{ "vector_madvise", "madvise", false },
	{ "sys_madvise", "madvise", false },
	{ "sys_process_madvise", "madvise", false },

	{ "change_protection", "mprotect", true },
	{ "mprotect_fixup", "mprotect", true },
	{ "do_mprotect_pkey", "mprotect", false },
	{ "sys_mprotect", "mprotect", false },
	{ "sys_pkey_mprotect", "mprotect", false },

	{ "move_page_tables", "mremap", true },
	{ "move_vma", "mremap", false },
	{ "mremap_to", "mremap", false },
	{ "do_mremap", "mremap", false },				/* 6.15 */
	{ "sys_mremap", "mremap", false },

	/* A part of the address space goes: who wants it gone is further out. */
	{ "unmap_region", "munmap", true },
	{ "__do_munmap", "munmap", true },				/* to 6.0 */
	{ "do_munmap", "munmap", true },
	{ "do_mas_align_munmap", "munmap", true },			/* 6.1 */
	{ "do_mas_munmap", "munmap", true },
	{ "do_vmi_align_munmap", "munmap", true },			/* 6.3 */
	{ "do_vmi_munmap", "munmap", true },
	{ "vms_complete_munmap_vmas", "munmap", true },			/* 6.12 */
	{ "vms_clear_ptes", "munmap", true },
	{ "__vm_munmap", "munmap", true },
	{ "vm_munmap", "munmap", true },
	{ "sys_munmap", "munmap", false },
	{ "do_brk_munmap", "brk", false },				/* 6.1 */
	{ "sys_brk", "brk", false },
	{ "ksys_shmdt", "shmdt", false },
	{ "sys_shmdt", "shmdt", false },
	{ "__mmap_region", "mmap", false },				/* 6.12 */
	{ "mmap_region", "mmap", false },
	{ "do_mmap", "mmap", false },
	{ "vm_mmap_pgoff", "mmap", false },
	{ "ksys_mmap_pgoff", "mmap", false },
	{ "sys_mmap", "mmap", false },
};
/* clang-format on */

const size_t cause_rule_count = sizeof(cause_rules) / sizeof(cause_rules[0]);

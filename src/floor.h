/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_FLOOR_H
#define MMUSCOPE_FLOOR_H

/* Empty programs on __mmu_notifier_invalidate_range_start(): the floor of any watching. */
enum floor_kind { FLOOR_FENTRY, FLOOR_FEXIT, FLOOR_KPROBE };

struct floor;

/* Loads and attaches one. Returns 0 or -errno, without a word. */
int floor__attach(struct floor **out, enum floor_kind kind);
void floor__free(struct floor *f);

#endif

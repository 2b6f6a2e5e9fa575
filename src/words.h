/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_WORDS_H
#define MMUSCOPE_WORDS_H

/*
 * The field's names of what the maps hold as numbers, as they stand in tables
 * and JSON. All return static strings, never NULL; out of range: "EVENT_<n>"
 * for events (static buffers, one per value), "?" for the rest.
 */
const char *event_name(unsigned int event);		/* enum mmu_notifier_event */
const char *phase_name(unsigned int phase);		/* enum mmuscope_phase */
const char *direction_name(unsigned int direction);	/* enum mmuscope_direction */
const char *select_name(unsigned int bit);		/* enum mmuscope_select */
const char *outcome_name(unsigned int outcome);		/* enum mmuscope_outcome */
const char *page_name(unsigned int page);		/* enum mmuscope_page */

#endif

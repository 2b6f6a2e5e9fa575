// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "words.h"

#include "bpf/mmuscope.h"
#include "bpf/records.h"

const char *event_name(unsigned int event)
{
	/* enum mmu_notifier_event, include/linux/mmu_notifier.h, same values since 5.8. */
	static const char *const names[MMUSCOPE_EVENTS] = {
		"UNMAP", "CLEAR", "PROTECTION_VMA", "PROTECTION_PAGE", "SOFT_DIRTY",
		"RELEASE", "MIGRATE", "EXCLUSIVE", "EVENT_8", "EVENT_9", "EVENT_10",
		"EVENT_11", "EVENT_12", "EVENT_13", "EVENT_14", "EVENT_15",
	};

	return event < MMUSCOPE_EVENTS ? names[event] : "?";
}

const char *phase_name(unsigned int phase)
{
	static const char *const names[PHASE_MAX] = {
		[PHASE_OUTSIDE] = "outside", [PHASE_SETUP] = "setup",
		[PHASE_COPY] = "copy",	     [PHASE_PAGES] = "pages",
		[PHASE_FINALIZE] = "finalize", [PHASE_EVICT] = "evict",
	};

	return phase < PHASE_MAX ? names[phase] : "?";
}

const char *direction_name(unsigned int direction)
{
	static const char *const names[DIR_MAX] = {
		[DIR_NONE] = "?",	       [DIR_TO_DEVICE] = "to_device",
		[DIR_TO_SYSTEM] = "to_system", [DIR_MIXED] = "mixed",
		[DIR_EVICT] = "evict",
	};

	return direction < DIR_MAX ? names[direction] : "?";
}

const char *select_name(unsigned int bit)
{
	static const char *const names[SELECT_BITS] = {
		[SELECT_BIT_SYSTEM] = "system",
		[SELECT_BIT_DEVICE_PRIVATE] = "device_private",
		[SELECT_BIT_DEVICE_COHERENT] = "device_coherent",
		[SELECT_BIT_COMPOUND] = "compound",
	};

	return bit < SELECT_BITS ? names[bit] : "?";
}

const char *outcome_name(unsigned int outcome)
{
	static const char *const names[OUTCOME_MAX] = {
		[OUTCOME_SKIPPED] = "skipped",
		[OUTCOME_PERFORMED] = "performed",
		[OUTCOME_FAILED] = "failed",
		[OUTCOME_UNDETERMINED] = "undetermined",
	};

	return outcome < OUTCOME_MAX ? names[outcome] : "?";
}

const char *page_name(unsigned int page)
{
	static const char *const names[PAGE_MAX] = {
		[PAGE_MIGRATED] = "migrated",
		[PAGE_NOT_COLLECTED] = "not_collected",
		[PAGE_HOLE] = "hole",
		[PAGE_NOT_SELECTED] = "not_selected",
		[PAGE_OTHER_OWNER] = "other_owner",
		[PAGE_BUSY] = "busy",
		[PAGE_NO_DESTINATION] = "no_destination",
		[PAGE_CHANGED] = "changed",
	};

	return page < PAGE_MAX ? names[page] : "?";
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page table entries that are neither empty nor present.
 */
#ifndef CRCTL_COMPAT_PTE_H
#define CRCTL_COMPAT_PTE_H

#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "crctl: compat/pte.h does not know this kernel yet, it is older than 6.1"
#endif

/*
 * Swap that could not be read, and since 6.6 any memory that is to be taken for
 * poisoned (af19487f00f3, "mm: make PTE_MARKER_SWAPIN_ERROR more general").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define crctl_is_poison_marker(e)	is_poisoned_swp_entry(e)
#else
#define crctl_is_poison_marker(e)	is_swapin_error_entry(e)
#endif

enum crctl_swap_kind {
	CRCTL_SWAP_MEMORY,	/* anonymous memory that was swapped out */
	CRCTL_SWAP_MIGRATION,	/* a page on its way from one place to another */
	CRCTL_SWAP_POISON,	/* memory or swap that cannot be read any more */
	CRCTL_SWAP_DEVICE,	/* memory of a device */
	CRCTL_SWAP_MARKER,	/* no page: userfaultfd's write protection */
	CRCTL_SWAP_OTHER,
};

static inline enum crctl_swap_kind crctl_swap_kind(swp_entry_t e)
{
	if (!non_swap_entry(e))
		return CRCTL_SWAP_MEMORY;
	if (is_migration_entry(e))
		return CRCTL_SWAP_MIGRATION;
	if (is_device_private_entry(e) || is_device_exclusive_entry(e))
		return CRCTL_SWAP_DEVICE;
	if (is_hwpoison_entry(e) || crctl_is_poison_marker(e))
		return CRCTL_SWAP_POISON;
	if (is_pte_marker_entry(e))
		return CRCTL_SWAP_MARKER;
	return CRCTL_SWAP_OTHER;
}

/* The page of a CRCTL_SWAP_MIGRATION; the page table is locked. */
static inline struct page *crctl_migrating_page(swp_entry_t e)
{
	return pfn_swap_entry_to_page(e);
}

#endif /* CRCTL_COMPAT_PTE_H */

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

enum crctl_swap_kind {
	CRCTL_SWAP_MEMORY,	/* anonymous memory that was swapped out */
	CRCTL_SWAP_MIGRATION,	/* a page on its way from one place to another */
	CRCTL_SWAP_POISON,	/* memory or swap that cannot be read any more */
	CRCTL_SWAP_DEVICE,	/* memory of a device */
	CRCTL_SWAP_MARKER,	/* no page: userfaultfd's write protection, or a guard */
	CRCTL_SWAP_OTHER,
};

/* What was called a swap entry has names of its own since 6.19. */
#ifdef CRCTL_HAVE_LEAFOPS_H
#include <linux/leafops.h>

#define crctl_entry_t softleaf_t

static inline enum crctl_swap_kind crctl_swap_kind(crctl_entry_t e)
{
	switch (softleaf_type(e)) {
	case SOFTLEAF_SWAP:
		return CRCTL_SWAP_MEMORY;
	case SOFTLEAF_MIGRATION_READ:
	case SOFTLEAF_MIGRATION_READ_EXCLUSIVE:
	case SOFTLEAF_MIGRATION_WRITE:
		return CRCTL_SWAP_MIGRATION;
	case SOFTLEAF_DEVICE_PRIVATE_READ:
	case SOFTLEAF_DEVICE_PRIVATE_WRITE:
	case SOFTLEAF_DEVICE_EXCLUSIVE:
		return CRCTL_SWAP_DEVICE;
	case SOFTLEAF_HWPOISON:
		return CRCTL_SWAP_POISON;
	case SOFTLEAF_MARKER:
		return softleaf_is_poison_marker(e) ? CRCTL_SWAP_POISON : CRCTL_SWAP_MARKER;
	default:
		return CRCTL_SWAP_OTHER;
	}
}

/* The page of a CRCTL_SWAP_MIGRATION; the page table is locked. */
static inline struct page *crctl_migrating_page(crctl_entry_t e)
{
	return softleaf_to_page(e);
}

/* What an entry that is neither empty nor present stands for. */
#define crctl_pte_entry(pte)	softleaf_from_pte(pte)
#define crctl_pmd_entry(pmd)	softleaf_from_pmd(pmd)

static inline bool crctl_is_pmd_entry(pmd_t pmd)
{
	return !pmd_none(pmd) && !pmd_present(pmd);
}

#else /* swap entries */

#define crctl_entry_t swp_entry_t

/*
 * Swap that could not be read (since 6.0: 9f186f9e5fa9, "mm/swapfile: unuse_pte
 * can map random data if swap read fails"), and since 6.6 any memory that is to
 * be taken for poisoned (af19487f00f3, "mm: make PTE_MARKER_SWAPIN_ERROR more
 * general").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define crctl_is_poison_marker(e)	is_poisoned_swp_entry(e)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
#define crctl_is_poison_marker(e)	is_swapin_error_entry(e)
#else
#define crctl_is_poison_marker(e)	false
#endif

/* 679d10331910 "mm: introduce PTE_MARKER swap entry" (5.19) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
#define crctl_is_marker(e)		is_pte_marker_entry(e)
#else
#define crctl_is_marker(e)		false
#endif

/* b756a3b5e7ea "mm: device exclusive memory access" (5.14) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
#define crctl_is_exclusive(e)		is_device_exclusive_entry(e)
#else
#define crctl_is_exclusive(e)		false
#endif

static inline enum crctl_swap_kind crctl_swap_kind(crctl_entry_t e)
{
	if (!non_swap_entry(e))
		return CRCTL_SWAP_MEMORY;
	if (is_migration_entry(e))
		return CRCTL_SWAP_MIGRATION;
	if (is_device_private_entry(e) || crctl_is_exclusive(e))
		return CRCTL_SWAP_DEVICE;
	if (is_hwpoison_entry(e) || crctl_is_poison_marker(e))
		return CRCTL_SWAP_POISON;
	if (crctl_is_marker(e))
		return CRCTL_SWAP_MARKER;
	return CRCTL_SWAP_OTHER;
}

/* The page of a CRCTL_SWAP_MIGRATION; the page table is locked. */
static inline struct page *crctl_migrating_page(crctl_entry_t e)
{
/* af5cdaf82238 "mm: remove special swap entry functions" (5.14) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
	return pfn_swap_entry_to_page(e);
#else
	return migration_entry_to_page(e);
#endif
}

#define crctl_pte_entry(pte)	pte_to_swp_entry(pte)
#define crctl_pmd_entry(pmd)	pmd_to_swp_entry(pmd)
#define crctl_is_pmd_entry(pmd)	is_swap_pmd(pmd)

#endif /* swap entries */

/*
 * Pages of a DAX file were marked as such until 6.17, when they became ordinary
 * pages in this respect ("mm: remove devmap related functions and page table bits").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define crctl_pte_devmap(pte)	false
#define crctl_pmd_devmap(pmd)	false
#else
#define crctl_pte_devmap(pte)	pte_devmap(pte)
#define crctl_pmd_devmap(pmd)	pmd_devmap(pmd)
#endif

#endif /* CRCTL_COMPAT_PTE_H */

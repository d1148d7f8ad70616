/* SPDX-License-Identifier: GPL-2.0 */
/* What fork() does with an area, for areas of two processes. */
#ifndef CRCTL_COMPAT_COW_H
#define CRCTL_COMPAT_COW_H

#include <linux/mm.h>
#include <linux/version.h>

/*
 * Page faults may take the lock of an area alone (5e31275cc997, "mm: add per-VMA lock
 * and helper functions to control it", 6.4): who holds mmap_lock for writing keeps
 * them out by this.
 */
static inline void crctl_vma_start_write(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	vma_start_write(vma);
#endif
}

#endif /* CRCTL_COMPAT_COW_H */

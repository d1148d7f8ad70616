/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The areas of a memory map, and what hangs on it.
 */
#ifndef CRCTL_COMPAT_VMA_H
#define CRCTL_COMPAT_VMA_H

#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/version.h>

#include "compat/mm_flags.h"

/*
 * Iterate over all areas; the iterator is declared by CRCTL_VMA_ITERATOR().
 * Areas are in a maple tree since 6.1 (f39af05949a4, "mm: add VMA iterator").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define CRCTL_VMA_ITERATOR(vmi, mm)	VMA_ITERATOR(vmi, mm, 0)
#define crctl_for_each_vma(vmi, vma)	for_each_vma(vmi, vma)
#else
#define CRCTL_VMA_ITERATOR(vmi, of_mm)	struct mm_struct *vmi = (of_mm)
#define crctl_for_each_vma(vmi, vma) \
	for ((vma) = (vmi)->mmap; (vma); (vma) = (vma)->vm_next)
#endif

/* bc292ab00f6c, "mm: introduce vma->vm_flags wrapper functions" (6.3) */
static inline void crctl_vma_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* 7677f7fd8be7 "userfaultfd: add minor fault registration mode" (5.13) */
#ifndef VM_UFFD_MINOR
#define VM_UFFD_MINOR VM_NONE
#endif

/* Since 7.x userfaultfd(2) can ask to be told of reads as well. */
#ifdef VM_UFFD_RWP
#define CRCTL_VM_UFFD_RWP VM_UFFD_RWP
#else
#define CRCTL_VM_UFFD_RWP VM_NONE
#endif

/* A kernel may be built without protection keys. */
#ifdef CONFIG_ARCH_HAS_PKEYS
#define CRCTL_VM_PKEY (VM_PKEY_BIT0 | VM_PKEY_BIT1 | VM_PKEY_BIT2 | VM_PKEY_BIT3)
#define CRCTL_VM_PKEY_SHIFT VM_PKEY_SHIFT
#else
#define CRCTL_VM_PKEY VM_NONE
#define CRCTL_VM_PKEY_SHIFT 0
#endif

/*
 * In newer kernels an area that has, or had, guard pages says so (MADV_GUARD_INSTALL,
 * 6.13). The guards themselves are markers in the page table.
 */
#ifdef VM_MAYBE_GUARD
#define CRCTL_VM_MAYBE_GUARD VM_MAYBE_GUARD
#else
#define CRCTL_VM_MAYBE_GUARD VM_NONE
#endif

/*
 * Memory that the kernel may empty at any time, which mmap() is asked for by a type
 * of its own (9651fcedf7b9, "mm: add MAP_DROPPABLE for designating always lazily
 * freeable mappings", 6.11). Without it, memory that is never emptied does as well.
 */
#ifdef MAP_DROPPABLE
#define CRCTL_VM_DROPPABLE VM_DROPPABLE
#define CRCTL_MAP_DROPPABLE MAP_DROPPABLE
#else
#define CRCTL_VM_DROPPABLE VM_NONE
#define CRCTL_MAP_DROPPABLE MAP_PRIVATE
#endif

/* Newer kernels may have the vdso and its data sealed (MSEAL_SYSTEM_MAPPINGS). */
#ifdef VM_SEALED_SYSMAP
#define CRCTL_VM_SEALED_SYSMAP VM_SEALED_SYSMAP
#else
#define CRCTL_VM_SEALED_SYSMAP VM_NONE
#endif

/*
 * Until 5.16 the mappings of a program's file by exec had a flag that kept the
 * file from being written (8d0920bde5eb, "mm: remove VM_DENYWRITE"). No mmap()
 * can ask for it; to the program itself it makes no difference.
 */
#ifdef VM_DENYWRITE
#define CRCTL_VM_DENYWRITE VM_DENYWRITE
#else
#define CRCTL_VM_DENYWRITE VM_NONE
#endif

/*
 * The contexts of io_submit(2) are in a table that stays when the last of them
 * has been destroyed. Its layout is private to fs/aio.c, and has been this one
 * since 3.12 (db446a08c23d, "aio: convert the ioctx list to table lookup v3").
 */
struct crctl_kioctx_table {
	struct rcu_head rcu;
	unsigned int nr;
	void __rcu *table[];
};

static inline unsigned int crctl_nr_aio_contexts(struct mm_struct *mm)
{
	unsigned int found = 0;
#ifdef CONFIG_AIO
	const struct crctl_kioctx_table *t;
	unsigned int i;

	rcu_read_lock();
	t = (__force const void *)READ_ONCE(mm->ioctx_table);
	for (i = 0; t && i < t->nr; i++)
		found += !!rcu_access_pointer(t->table[i]);
	rcu_read_unlock();
#endif
	return found;
}

/*
 * What was added to the memory of a process since 6.1 and is not saved: its
 * name, or NULL.
 */
static inline const char *crctl_mm_unsaved(struct mm_struct *mm)
{
#ifdef MMF_HAS_MDWE
	/* b507808ebce2, "mm: implement memory-deny-write-execute as a prctl" (6.3) */
	if (crctl_mm_flag(mm, MMF_HAS_MDWE))
		return "no memory may become executable (PR_SET_MDWE)";
#endif
#ifdef MMF_VM_MERGE_ANY
	/* d7597f59d1d3, "mm: add new api to enable ksm per process" (6.4) */
	if (crctl_mm_flag(mm, MMF_VM_MERGE_ANY))
		return "all its memory is to be merged (PR_SET_MEMORY_MERGE)";
#endif
#ifdef MMF_DISABLE_THP_EXCEPT_ADVISED
	if (crctl_mm_flag(mm, MMF_DISABLE_THP_EXCEPT_ADVISED))
		return "huge pages are for advised memory alone (PR_THP_DISABLE_EXCEPT_ADVISED)";
#endif
#ifdef CONFIG_ADDRESS_MASKING
	/* 82721d8b25d7, "x86/mm: Handle LAM on context switch" (6.4) */
	if (mm->context.lam_cr3_mask)
		return "bits of its addresses are ignored (ARCH_ENABLE_TAGGED_ADDR)";
#endif
	return NULL;
}

#endif /* CRCTL_COMPAT_VMA_H */

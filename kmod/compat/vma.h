/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The areas of a memory map, and what hangs on it.
 */
#ifndef CRCTL_COMPAT_VMA_H
#define CRCTL_COMPAT_VMA_H

#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "crctl: compat/vma.h does not know this kernel yet, it is older than 6.1"
#endif

/*
 * Iterate over all areas; the iterator is declared by CRCTL_VMA_ITERATOR().
 * Areas are in a maple tree since 6.1 (f39af05949a4, "mm: add VMA iterator").
 */
#define CRCTL_VMA_ITERATOR(vmi, mm)	VMA_ITERATOR(vmi, mm, 0)
#define crctl_for_each_vma(vmi, vma)	for_each_vma(vmi, vma)

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

#endif /* CRCTL_COMPAT_VMA_H */

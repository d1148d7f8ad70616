/* SPDX-License-Identifier: GPL-2.0 */
/* Files of huge pages. */
#ifndef CRCTL_COMPAT_HUGETLB_H
#define CRCTL_COMPAT_HUGETLB_H

#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/version.h>

#ifdef CONFIG_HUGETLBFS
/*
 * What an index in the page cache of such a file counts: small pages since 6.7
 * (a08c7193e4f1, "mm/filemap: remove hugetlb special casing in filemap.c").
 */
static inline unsigned int crctl_hugetlb_index_shift(struct hstate *h)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	return PAGE_SHIFT;
#else
	return huge_page_shift(h);
#endif
}

/*
 * Which pages are there or reserved. It hung on the page cache, whose field has the name
 * i_private_data since 6.8 (600f111ef51d, "fs: Rename mapping private members"); newer
 * kernels keep it with the inode.
 */
static inline struct resv_map *crctl_hugetlb_reservations(struct inode *inode)
{
#if defined(CRCTL_HAVE_INODE_RESV_MAP)
	return HUGETLBFS_I(inode)->resv_map;
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return inode->i_data.i_private_data;
#else
	return inode->i_data.private_data;
#endif
}
#endif /* CONFIG_HUGETLBFS */

#endif /* CRCTL_COMPAT_HUGETLB_H */

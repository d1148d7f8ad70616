// SPDX-License-Identifier: GPL-2.0
/*
 * Files of huge pages: those that mmap(2), memfd_create(2) and shmget(2) make for memory
 * that is shared, and those of a mounted hugetlbfs. lseek(2) does not know of holes in
 * them, and whoever looks at one through a mapping fills it with a page.
 */
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "compat/hugetlb.h"
#include "crctl_ioctl.h"
#include "proc/proc.h"

/**
 * crctl_hugetlb_shift() - the size of the pages of a file
 * @inode: the file's
 *
 * Return: its binary logarithm; 0 if they are ordinary ones.
 */
u32 crctl_hugetlb_shift(const struct inode *inode)
{
	return inode->i_sb->s_magic == HUGETLBFS_MAGIC ? inode->i_sb->s_blocksize_bits : 0;
}

#ifdef CONFIG_HUGETLBFS
/* The first pages from @look->start on that are there. */
static int find_pages(struct inode *inode, struct crctl_huge_pages *look)
{
	struct hstate *h = hstate_inode(inode);
	unsigned int shift = crctl_hugetlb_index_shift(h);
	unsigned long step = huge_page_size(h) >> shift, index;
	struct xarray *pages = &inode->i_mapping->i_pages;

	index = round_up(look->start >> shift, step);
	if (!xa_find(pages, &index, ULONG_MAX, XA_PRESENT)) {
		look->end = look->start;
		return 0;
	}
	look->start = (u64)index << shift;
	do {
		index += step;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (xa_load(pages, index));
	look->end = (u64)index << shift;
	return 0;
}

/* Has all of the file a page, or a right to one? It may end within the last one. */
static bool is_reserved(struct inode *inode)
{
	unsigned long page = huge_page_size(hstate_inode(inode));
	long pages = round_up(i_size_read(inode), page) / page, next = 0;
	struct resv_map *map = crctl_hugetlb_reservations(inode);
	const struct file_region *region;

	if (!map)
		return false;
	spin_lock(&map->lock);
	list_for_each_entry(region, &map->regions, link) {
		if (region->from > next)
			break;
		next = max(next, region->to);
	}
	spin_unlock(&map->lock);
	return pages && next >= pages;
}
#else
static int find_pages(struct inode *inode, struct crctl_huge_pages *look)
{
	return -EOPNOTSUPP;
}

static bool is_reserved(struct inode *inode)
{
	return false;
}
#endif

static int look_at(const struct file *file, struct crctl_huge_pages *look)
{
	struct inode *inode = file_inode(file);

	if (look->reserved || look->end || !(file->f_mode & FMODE_READ) ||
	    !S_ISREG(inode->i_mode) || !crctl_hugetlb_shift(inode))
		return -EINVAL;
	look->reserved = is_reserved(inode);
	return find_pages(inode, look);
}

/**
 * crctl_hugetlb_look() - CRCTL_DUMP_HUGE_PAGES, see crctl_ioctl.h
 * @to: its argument
 *
 * Return: 0 or a negative errno.
 */
int crctl_hugetlb_look(struct crctl_huge_pages __user *to)
{
	struct crctl_huge_pages look;
	struct file *file;
	int err;

	if (copy_from_user(&look, to, sizeof(look)))
		return -EFAULT;
	file = fget(look.fd);
	if (!file)
		return -EBADF;
	err = look_at(file, &look);
	fput(file);
	if (err)
		return err;
	return copy_to_user(to, &look, sizeof(look)) ? -EFAULT : 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of /proc that point to operations of this module: find them in every
 * proc file system there is (one per pid namespace that has it mounted), drop
 * what the dentry cache alone keeps, count what somebody holds.
 *
 * No dentry operations are ours (links in mfd/ have the kernel's own), so an
 * inode that is gone from its super block leaves nothing that leads here but
 * readers under RCU.
 */
#include <linux/dcache.h>

#include "proc/proc.h"

static bool is_ours(const struct inode *inode)
{
	return inode->i_fop == &crctl_dump_fops || inode->i_fop == &crctl_mfd_fops ||
	       inode->i_op == &crctl_mfd_iops || inode->i_op == &crctl_mfd_link_iops;
}

static void count_super(struct super_block *sb, void *arg)
{
	unsigned long *count = arg;
	struct inode *inode;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list)
		*count += is_ours(inode);
	spin_unlock(&sb->s_inode_list_lock);
}

static void drop_dentry(struct inode *inode)
{
	struct dentry *dentry = d_find_alias(inode);

	if (!dentry)
		return;
	d_invalidate(dentry);
	dput(dentry);
}

static void sweep_super(struct super_block *sb, void *arg)
{
	struct inode *inode, *held = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (!is_ours(inode) || !igrab(inode))
			continue;
		/* Held, it stays in the list, and the walk can go on from it. */
		spin_unlock(&sb->s_inode_list_lock);
		drop_dentry(inode);
		iput(held);
		held = inode;
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(held);
}

static void for_each_proc(void (*fn)(struct super_block *sb, void *arg), void *arg)
{
	struct file_system_type *type = get_fs_type("proc");

	if (!type)
		return;
	iterate_supers_type(type, fn, arg);
	module_put(type->owner);
}

/**
 * crctl_sweep() - drop every inode of ours that nobody holds
 */
void crctl_sweep(void)
{
	for_each_proc(sweep_super, NULL);
}

/**
 * crctl_count_inodes() - count the inodes of ours
 *
 * Return: how many there are in all proc file systems.
 */
unsigned long crctl_count_inodes(void)
{
	unsigned long count = 0;

	for_each_proc(count_super, &count);
	return count;
}

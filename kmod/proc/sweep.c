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

struct visit {
	bool drop;		/* what the dentry cache alone keeps */
	unsigned long count;	/* inodes of ours that were seen */
};

static void drop_dentry(struct inode *inode)
{
	struct dentry *dentry = d_find_alias(inode);

	if (!dentry)
		return;
	d_invalidate(dentry);
	dput(dentry);
}

static void visit_super(struct super_block *sb, void *arg)
{
	struct inode *inode, *held = NULL;
	struct visit *v = arg;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (!is_ours(inode))
			continue;
		v->count++;
		if (!v->drop || !igrab(inode))
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

static unsigned long visit_all(bool drop)
{
	struct file_system_type *type = get_fs_type("proc");
	struct visit v = { .drop = drop };

	if (type) {
		iterate_supers_type(type, visit_super, &v);
		module_put(type->owner);
	}
	return v.count;
}

/**
 * crctl_sweep() - drop every inode of ours that nobody holds
 */
void crctl_sweep(void)
{
	visit_all(true);
}

/**
 * crctl_count_inodes() - count the inodes of ours
 *
 * Return: how many there are in all proc file systems.
 */
unsigned long crctl_count_inodes(void)
{
	return visit_all(false);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Structures that are private to fs/proc. Both are checked against the running
 * kernel before anything is built on them (see proc/layout.c).
 */
#ifndef CRCTL_COMPAT_PROC_H
#define CRCTL_COMPAT_PROC_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/version.h>

#include "symbols.h"

/* fs/proc/base.c: struct pid_entry; the same from 5.10 on */
struct crctl_pid_entry {
	const char *name;
	unsigned int len;
	umode_t mode;
	const struct inode_operations *iop;
	const struct file_operations *fop;
	void *op;
};

/* fs/proc/internal.h: struct proc_inode; the same from 5.10 on */
struct crctl_proc_inode {
	struct pid *pid;
	unsigned int fd;
	void *op;
	void *pde;
	void *sysctl;
	void *sysctl_entry;
	struct hlist_node sibling_inodes;
	const void *ns_ops;
	struct inode vfs_inode;
};

static inline struct pid *crctl_proc_pid(const struct inode *inode)
{
	return container_of(inode, struct crctl_proc_inode, vfs_inode)->pid;
}

/* What proc_create_data() was given; 359745d78351 "proc: remove PDE_DATA() completely" (5.17) */
static inline void *crctl_proc_data(const struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0)
	return pde_data(inode);
#else
	return PDE_DATA(inode);
#endif
}

/*
 * Join @dentry, which the kernel's operations for /proc/<pid> shall govern, and
 * @inode. Since 6.17 only one call does both ("new helper: d_splice_alias_ops()").
 */
static inline struct dentry *crctl_splice_pid_dentry(struct inode *inode, struct dentry *dentry)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return crctl_call(d_splice_alias_ops)(inode, dentry,
					      crctl_symbols.pid_dentry_operations);
#else
	d_set_d_op(dentry, crctl_symbols.pid_dentry_operations);
	return d_splice_alias(inode, dentry);
#endif
}

#endif /* CRCTL_COMPAT_PROC_H */

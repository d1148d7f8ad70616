/* SPDX-License-Identifier: GPL-2.0 */
/* Files, their attributes and the user namespaces that govern them. */
#ifndef CRCTL_COMPAT_FILES_H
#define CRCTL_COMPAT_FILES_H

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/shmem_fs.h>
#include <linux/uio.h>
#include <linux/version.h>
#include <linux/xattr.h>

/*
 * 4609e1f18e19 "fs: port ->permission() to pass mnt_idmap" and its series (6.3);
 * c7c7a1a18af4 "xattr: handle idmapped mounts" (5.12)
 */
static inline bool crctl_has_file_caps(struct file *f)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return vfs_getxattr(file_mnt_idmap(f), file_dentry(f), XATTR_NAME_CAPS, NULL, 0) > 0;
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
	return vfs_getxattr(file_mnt_user_ns(f), file_dentry(f), XATTR_NAME_CAPS, NULL, 0) > 0;
#else
	return vfs_getxattr(file_dentry(f), XATTR_NAME_CAPS, NULL, 0) > 0;
#endif
}

/*
 * A file of the kernel's own tmpfs that nobody else has, and security modules do
 * not look at. Since 7.x there is a type for the flags of an area.
 */
static inline struct file *crctl_kernel_shmem_file(const char *name, loff_t size)
{
#ifdef EMPTY_VMA_FLAGS
	struct file *file = shmem_file_setup(name, size, EMPTY_VMA_FLAGS);
#else
	struct file *file = shmem_file_setup(name, size, 0);
#endif

	/* shmem_kernel_file_setup() does this, but is not exported everywhere */
	if (!IS_ERR(file))
		file_inode(file)->i_flags |= S_PRIVATE;
	return file;
}

/* path_noexec(), which is not exported */
static inline bool crctl_path_noexec(const struct path *path)
{
	return path->mnt->mnt_flags & MNT_NOEXEC ||
	       path->mnt->mnt_sb->s_iflags & SB_I_NOEXEC;
}

static inline bool crctl_checkpoint_restore_capable(void)
{
	return ns_capable(current_user_ns(), CAP_CHECKPOINT_RESTORE) ||
	       ns_capable(current_user_ns(), CAP_SYS_ADMIN);
}

/* de4eda9de2d9 "use less confusing names for iov_iter direction initializers" (6.2) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define CRCTL_ITER_DEST ITER_DEST
#else
#define CRCTL_ITER_DEST READ
#endif

#endif /* CRCTL_COMPAT_FILES_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files and inodes.
 */
#ifndef CRCTL_COMPAT_FS_H
#define CRCTL_COMPAT_FS_H

#include <linux/fs.h>
#ifdef CRCTL_HAVE_HEX_H
#include <linux/hex.h>	/* hex_to_bin() was in kernel.h until 6.4 */
#endif
#include <linux/version.h>

/*
 * Inode operations are told how the mount maps ids since 5.12 (549c7297717c,
 * "fs: make helpers idmap mount aware"), by a struct mnt_idmap since 6.3
 * (4609e1f18e19, "fs: port ->permission() to pass mnt_idmap"). The first
 * parameter and argument, with their comma.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define CRCTL_IDMAP_PARAM struct mnt_idmap *idmap,
#define CRCTL_IDMAP_ARG idmap,
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define CRCTL_IDMAP_PARAM struct user_namespace *mnt_userns,
#define CRCTL_IDMAP_ARG mnt_userns,
#else
#define CRCTL_IDMAP_PARAM
#define CRCTL_IDMAP_ARG
#endif

/*
 * The path by which the user knows a file. Since 6.7 a mapping of a file on
 * overlayfs has the lower file's path in f_path (def3ae83da02, "fs: store real
 * path instead of fake path in backing file f_path").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline const struct path *crctl_file_path(struct file *file)
{
	return file_user_path(file);
}
#else
static inline const struct path *crctl_file_path(struct file *file)
{
	return &file->f_path;
}
#endif

#endif /* CRCTL_COMPAT_FS_H */

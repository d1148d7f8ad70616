// SPDX-License-Identifier: GPL-2.0
/*
 * Is what compat/proc.h says of the kernel's private structures true of the
 * kernel that runs? Looked at once, when the module is loaded; what does not
 * fit fails the load with a sentence and is not found out by an oops.
 */
#include <linux/ctype.h>
#include <linux/mount.h>
#include <linux/uaccess.h>

#include "compat/proc.h"
#include "proc/proc.h"

#define MAX_NAME 64

/* Is @e an entry of a table of struct pid_entry? Tells whether its name is @want. */
static bool entry_fits(const struct crctl_pid_entry *e, const char *want, bool *is_it)
{
	struct crctl_pid_entry copy;
	char name[MAX_NAME];
	unsigned int i;

	*is_it = false;
	if (copy_from_kernel_nofault(&copy, e, sizeof(copy)))
		return false;
	if (!copy.len || copy.len >= sizeof(name) ||
	    copy_from_kernel_nofault(name, copy.name, copy.len + 1))
		return false;
	for (i = 0; i < copy.len; i++)
		if (!isgraph(name[i]) || name[i] == '/')
			return false;
	if (name[i])
		return false;
	switch (copy.mode & S_IFMT) {
	case S_IFDIR:
		if (!copy.iop || !copy.fop)
			return false;
		break;
	case S_IFREG:
		if (!copy.fop)
			return false;
		break;
	case S_IFLNK:
		if (!copy.iop)
			return false;
		break;
	default:
		return false;
	}
	*is_it = !strcmp(name, want);
	return true;
}

/* Padding to the next object, which may be aligned to a cache line: zeroes. */
static bool is_padding(const struct crctl_pid_entry *e)
{
	struct crctl_pid_entry copy;

	return !copy_from_kernel_nofault(&copy, e, sizeof(copy)) &&
	       !memchr_inv(&copy, 0, sizeof(copy));
}

/* The table of /proc/<pid>: entries from one end to the other, and the well-known ones. */
static int check_pid_entries(unsigned int *nr_entries)
{
	const struct crctl_pid_entry *table = crctl_symbols.tgid_base_stuff;
	static const char * const known[] = { "status", "fd", "exe" };
	unsigned long size, offset;
	unsigned int i, k, nr;
	bool found, is_it;

	/* The size that kallsyms knows includes the padding. */
	if (!crctl_call(kallsyms_lookup_size_offset)((unsigned long)table, &size, &offset) ||
	    offset) {
		pr_err("the size of tgid_base_stuff is unknown\n");
		return -ENOENT;
	}
	nr = size / sizeof(*table);
	if (nr && is_padding(&table[nr - 1]))
		nr--;
	for (k = 0; k < ARRAY_SIZE(known); k++) {
		found = false;
		for (i = 0; i < nr; i++) {
			if (!entry_fits(&table[i], known[k], &is_it)) {
				pr_err("entry %u of tgid_base_stuff is no struct pid_entry as known; this kernel is too new or not Debian's\n",
				       i);
				return -EOPNOTSUPP;
			}
			found |= is_it;
		}
		if (!found) {
			pr_err("tgid_base_stuff has no entry \"%s\"; this kernel is too new or not Debian's\n",
			       known[k]);
			return -EOPNOTSUPP;
		}
	}
	*nr_entries = nr;
	return 0;
}

/* An inode that the kernel makes for us must lead to our pid. */
static int check_proc_inode(void)
{
	struct file_system_type *type;
	struct vfsmount *mnt;
	struct inode *inode;
	int err = 0;

	type = get_fs_type("proc");
	if (!type)
		return -ENODEV;
	mnt = kern_mount(type);
	if (IS_ERR(mnt)) {
		module_put(type->owner);
		return PTR_ERR(mnt);
	}
	inode = crctl_call(proc_pid_make_inode)(mnt->mnt_sb, current, S_IFREG | 0400);
	if (!inode) {
		err = -ENOMEM;
	} else {
		if (crctl_proc_pid(inode) != task_pid(current)) {
			pr_err("struct proc_inode is not as known; this kernel is too new or not Debian's\n");
			err = -EOPNOTSUPP;
		}
		iput(inode);
	}
	kern_unmount(mnt);
	module_put(type->owner);
	return err;
}

/**
 * crctl_layout_check() - compare compat/proc.h with the running kernel
 * @nr_entries: set to the number of entries in tgid_base_stuff
 *
 * Return: 0 or a negative errno, and then the log says what does not fit.
 */
int crctl_layout_check(unsigned int *nr_entries)
{
	return check_pid_entries(nr_entries) ?: check_proc_inode();
}

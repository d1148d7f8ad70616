// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/<pid>/mfd/: a symbolic link for each mapping of a file, named by the
 * start of the mapping in hexadecimal, that leads to the mapped file itself:
 * deleted files and shared anonymous memory as well, which have no other name.
 *
 * Who may do what is as in /proc/<pid>/map_files: seeing the links and reading
 * them needs the right to read the task (ptrace(2)), and following them, which
 * goes round the permissions of the directories above the file, needs
 * CAP_CHECKPOINT_RESTORE.
 *
 * The dentries have the kernel's own operations, so that sweep.c has inodes
 * alone to look for. Those do not ask whether the mapping is still there, so
 * the dentries are not kept; the link itself looks the mapping up each time.
 */
#include <linux/capability.h>
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/generic-radix-tree.h>
#include <linux/namei.h>
#include <linux/ptrace.h>

#include "compat/fs.h"
#include "compat/vma.h"
#include "compat/proc.h"
#include "proc/proc.h"

/* The name has exactly one spelling: lower case, no zeros in front. */
static bool parse_name(const struct qstr *name, unsigned long *start)
{
	unsigned long addr = 0;
	unsigned int i;
	int digit;

	if (!name->len || name->len > 2 * sizeof(addr) ||
	    (name->name[0] == '0' && name->len > 1))
		return false;
	for (i = 0; i < name->len; i++) {
		if (name->name[i] >= 'A' && name->name[i] <= 'F')
			return false;
		digit = hex_to_bin(name->name[i]);
		if (digit < 0)
			return false;
		addr = addr << 4 | digit;
	}
	*start = addr;
	return true;
}

/* The file mapped at exactly @start, with a reference; mmap_lock is held. */
static struct file *file_at(struct mm_struct *mm, unsigned long start)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	if (!vma || vma->vm_start != start || !vma->vm_file)
		return NULL;
	return get_file(vma->vm_file);
}

/* The file that the link called @name in a directory of @task stands for. */
static struct file *find_file(struct task_struct *task, const struct qstr *name)
{
	struct mm_struct *mm;
	struct file *file;
	unsigned long start;

	if (!parse_name(name, &start))
		return ERR_PTR(-ENOENT);
	mm = crctl_call(mm_access)(task, PTRACE_MODE_READ_FSCREDS);
	if (IS_ERR_OR_NULL(mm))
		return mm ? ERR_CAST(mm) : ERR_PTR(-ENOENT);
	file = ERR_PTR(-EINTR);
	if (!mmap_read_lock_killable(mm)) {
		file = file_at(mm, start) ?: ERR_PTR(-ENOENT);
		mmap_read_unlock(mm);
	}
	mmput(mm);
	return file;
}

/* ---- the links ---- */

static struct file *link_file(struct dentry *dentry, struct inode *inode)
{
	struct task_struct *task;
	struct name_snapshot name;
	struct file *file;

	task = get_pid_task(crctl_proc_pid(inode), PIDTYPE_PID);
	if (!task)
		return ERR_PTR(-ENOENT);
	take_dentry_name_snapshot(&name, dentry);
	file = find_file(task, &name.name);
	release_dentry_name_snapshot(&name);
	put_task_struct(task);
	return file;
}

static const char *link_get(struct dentry *dentry, struct inode *inode,
			    struct delayed_call *done)
{
	struct file *file;
	struct path path;
	int err;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	if (!checkpoint_restore_ns_capable(&init_user_ns))
		return ERR_PTR(-EPERM);
	file = link_file(dentry, inode);
	if (IS_ERR(file))
		return ERR_CAST(file);
	path = *crctl_file_path(file);
	path_get(&path);
	fput(file);
	err = crctl_call(nd_jump_link)(&path);
	return ERR_PTR(err);
}

static int link_read(struct dentry *dentry, char __user *buf, int size)
{
	struct file *file = link_file(dentry, d_inode(dentry));
	char *room, *path;
	int len;

	if (IS_ERR(file))
		return PTR_ERR(file);
	len = -ENOMEM;
	room = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!room)
		goto out_file;
	path = d_path(crctl_file_path(file), room, PATH_MAX);
	len = PTR_ERR(path);
	if (IS_ERR(path))
		goto out_room;
	len = min_t(int, size, strlen(path));
	if (copy_to_user(buf, path, len))
		len = -EFAULT;
out_room:
	kfree(room);
out_file:
	fput(file);
	return len;
}

/* Nothing about these inodes can be changed. */
static int no_setattr(CRCTL_IDMAP_PARAM struct dentry *dentry, struct iattr *attr)
{
	return -EPERM;
}

const struct inode_operations crctl_mfd_link_iops = {
	.readlink	= link_read,
	.get_link	= link_get,
	.setattr	= no_setattr,
};

static struct dentry *make_link(struct dentry *dentry, struct task_struct *task,
				const void *ptr)
{
	fmode_t mode = (__force fmode_t)(unsigned long)ptr;
	struct dentry *res;
	struct inode *inode;

	inode = crctl_call(proc_pid_make_inode)(dentry->d_sb, task, S_IFLNK |
						(mode & FMODE_READ ? 0400 : 0) |
						(mode & FMODE_WRITE ? 0200 : 0));
	if (!inode)
		return ERR_PTR(-ENOENT);
	inode->i_op = &crctl_mfd_link_iops;
	inode->i_size = 64;	/* as map_files has it; the length is not known */
	ihold(inode);
	res = crctl_splice_pid_dentry(inode, dentry);
	if (!IS_ERR(res))
		d_mark_dontcache(inode);
	iput(inode);
	return res;
}

/* ---- the directory ---- */

static struct dentry *mfd_lookup(struct inode *dir, struct dentry *dentry,
				 unsigned int flags)
{
	struct dentry *res = ERR_PTR(-ENOENT);
	struct task_struct *task;
	struct file *file;
	int err = crctl_fault(MFD_LOOKUP);

	if (err)
		return ERR_PTR(err);
	task = get_pid_task(crctl_proc_pid(dir), PIDTYPE_PID);
	if (!task)
		return res;
	file = find_file(task, &dentry->d_name);
	if (IS_ERR(file)) {
		res = ERR_CAST(file);
	} else {
		res = make_link(dentry, task, (void *)(__force unsigned long)file->f_mode);
		fput(file);
	}
	put_task_struct(task);
	return res;
}

/* As for /proc/<pid>/fd: a task that changed its ids can still look at itself. */
static int mfd_permission(CRCTL_IDMAP_PARAM struct inode *inode, int mask)
{
	struct task_struct *task;
	int err;

	err = generic_permission(CRCTL_IDMAP_ARG inode, mask);
	if (!err)
		return 0;
	rcu_read_lock();
	task = pid_task(crctl_proc_pid(inode), PIDTYPE_PID);
	if (task && same_thread_group(task, current))
		err = 0;
	rcu_read_unlock();
	return err;
}

const struct inode_operations crctl_mfd_iops = {
	.lookup		= mfd_lookup,
	.permission	= mfd_permission,
	.setattr	= no_setattr,
};

struct link {
	unsigned long start;
	fmode_t mode;
};

struct links {
	GENRADIX(struct link) list;
	size_t nr;
};

/* The file mappings from number @skip on; names are made once mmap_lock is free. */
static int collect(struct mm_struct *mm, unsigned long skip, struct links *links)
{
	struct vm_area_struct *vma;
	struct link *link;
	int err;

	CRCTL_VMA_ITERATOR(vmi, mm);

	err = mmap_read_lock_killable(mm);
	if (err)
		return err;
	crctl_for_each_vma(vmi, vma) {
		if (!vma->vm_file)
			continue;
		if (skip) {
			skip--;
			continue;
		}
		link = genradix_ptr_alloc(&links->list, links->nr, GFP_KERNEL_ACCOUNT);
		if (!link) {
			err = -ENOMEM;
			break;
		}
		link->start = vma->vm_start;
		link->mode = vma->vm_file->f_mode;
		links->nr++;
	}
	mmap_read_unlock(mm);
	return err;
}

static int mfd_readdir(struct file *dir, struct dir_context *ctx)
{
	char name[2 * sizeof(long) + 1];
	struct task_struct *task;
	struct mm_struct *mm;
	struct link *link;
	struct links links = {};
	unsigned int len;
	int err = 0;
	size_t i;

	task = get_pid_task(crctl_proc_pid(file_inode(dir)), PIDTYPE_PID);
	if (!task)
		return -ENOENT;
	if (!dir_emit_dots(dir, ctx))
		goto out_task;
	mm = crctl_call(mm_access)(task, PTRACE_MODE_READ_FSCREDS);
	if (IS_ERR_OR_NULL(mm)) {
		/* A task without memory has an empty directory. */
		if (mm && PTR_ERR(mm) != -ESRCH)
			err = PTR_ERR(mm);
		goto out_task;
	}
	genradix_init(&links.list);
	err = collect(mm, ctx->pos - 2, &links);
	mmput(mm);
	for (i = 0; !err && i < links.nr; i++) {
		link = genradix_ptr(&links.list, i);
		len = scnprintf(name, sizeof(name), "%lx", link->start);
		if (!crctl_call(proc_fill_cache)(dir, ctx, name, len, make_link, task,
						 (void *)(__force unsigned long)link->mode))
			break;
		ctx->pos++;
	}
	genradix_free(&links.list);
out_task:
	put_task_struct(task);
	return err;
}

const struct file_operations crctl_mfd_fops = {
	.owner		= THIS_MODULE,
	.read		= generic_read_dir,
	.iterate_shared	= mfd_readdir,
	.llseek		= generic_file_llseek,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * What an open /proc/<pid>/dump can be asked to do besides being read: see
 * crctl_ioctl.h.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/ptrace.h>
#include <linux/uaccess.h>

#include "crctl_ioctl.h"
#include "proc/dump.h"

static long ask_about_pages(struct crctl_dump *d, unsigned long arg, bool count_only)
{
	struct crctl_shared_pages __user *to = (void __user *)arg;
	struct crctl_shared_pages shared;
	int err;

	if (copy_from_user(&shared, to, sizeof(shared)))
		return -EFAULT;
	if (shared.pad)
		return -EINVAL;
	err = crctl_cow_ask(d, &shared, count_only);
	if (err)
		return err;
	return copy_to_user(to, &shared, sizeof(shared)) ? -EFAULT : 0;
}

struct wanted {
	unsigned int fd;
	struct file *file;
};

/* For iterate_fd(), which begins at the descriptor that is wanted, or the next one. */
static int take(const void *private, struct file *file, unsigned int fd)
{
	struct wanted *w = (struct wanted *)private;

	if (fd == w->fd)
		w->file = get_file(file);
	return 1;
}

static struct file *file_of(struct crctl_dump *d, unsigned int fd)
{
	struct task_struct *first = crctl_first(&d->g);
	struct wanted w = { .fd = fd };
	int err = crctl_dump_lock(d);

	if (err)
		return ERR_PTR(err);
	/* as pidfd_getfd(2), which asks so */
	if (crctl_call(ptrace_may_access)(first, PTRACE_MODE_ATTACH_REALCREDS)) {
		task_lock(first);
		if (first->files)
			iterate_fd(first->files, fd, take, &w);
		task_unlock(first);
		if (!w.file)
			w.file = ERR_PTR(-EBADF);
	} else {
		w.file = ERR_PTR(-EPERM);
	}
	crctl_dump_unlock(d);
	return w.file;
}

static long get_file_of(struct crctl_dump *d, unsigned int fd)
{
	struct file *file = file_of(d, fd);
	int own;

	if (IS_ERR(file))
		return PTR_ERR(file);
	own = crctl_call(security_file_receive)(file) ?: get_unused_fd_flags(O_CLOEXEC);
	if (own < 0)
		fput(file);
	else
		fd_install(own, file);
	return own;
}

/**
 * crctl_dump_ioctl() - see crctl_ioctl.h
 * @file: an open dump
 * @cmd: CRCTL_DUMP_*
 * @arg: its argument
 *
 * Return: as there, or a negative errno.
 */
long crctl_dump_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct crctl_dump *d = file->private_data;

	switch (cmd) {
	case CRCTL_DUMP_COUNT_SHARED:
	case CRCTL_DUMP_LEAVE_OUT:
		return ask_about_pages(d, arg, cmd == CRCTL_DUMP_COUNT_SHARED);
	case CRCTL_DUMP_GET_FILE:
		return arg > INT_MAX ? -EBADF : get_file_of(d, arg);
	case CRCTL_DUMP_HUGE_PAGES:
		return crctl_hugetlb_look((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

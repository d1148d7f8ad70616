// SPDX-License-Identifier: GPL-2.0-only
/* Inotify instances and what they watch. */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "executor.h"

/* linux/inotify.h, which collides with the C library's header */
#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD	_IOW('I', 0, int32_t)
#endif

/* By its path, not by a descriptor: opening and closing that would be events. */
static int add(int fd, const char *path, const struct plan_op *op, struct error *error)
{
	struct stat st;
	int wd;

	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(error, errno, "fstatat");
	if (st.st_ino != op->a || st.st_dev != op->b)
		return failed(error, ESTALE, "the file was replaced while it was being restored");
	/* numbers go up, and come round: this is the next */
	if (ioctl(fd, INOTIFY_IOC_SETNEXTWD, (unsigned long)op->arg) < 0)
		return failed(error, errno, "INOTIFY_IOC_SETNEXTWD");
	wd = inotify_add_watch(fd, path, op->flags | IN_DONT_FOLLOW);
	if (wd < 0)
		return failed(error, errno, "inotify_add_watch");
	if (wd != op->arg)
		return failed(error, EEXIST, "a watch got another number");
	return 0;
}

int op_inotify(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd;

	if (op->type == PLAN_OP_INOTIFY_ADD)
		return add(slot_fd(ex, op->slot), op_data(ex, op), op, error);
	fd = inotify_init1(IN_CLOEXEC);
	if (fd < 0)
		return failed(error, errno, "inotify_init1");
	return place_slot(ex, fd, op->slot, error);
}

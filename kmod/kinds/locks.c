// SPDX-License-Identifier: GPL-2.0
/*
 * File locks that belong to a process (fcntl(F_SETLK)). User space saves them,
 * and takes all others again itself; these would not live through execve(),
 * which closes descriptors: closing any one of a file drops all that the
 * process has locked there.
 */
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "restore/restore.h"

/* ---- restore ---- */

static long take(struct crctl_restore *r, const struct crctl_lock *l)
{
	struct flock __user *page = (void __user *)r->scratch;
	struct flock range = {
		.l_type = l->write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = l->start,
		.l_len = l->len,
	};

	if (copy_to_user(page, &range, sizeof(range)))
		return -EFAULT;
	return CRCTL_SYS(fcntl, l->fd, F_SETLK, page);
}

int crctl_locks_restore(struct crctl_restore *r, u32 idx)
{
	struct crctl_lock l;
	long ret;
	u32 i;

	for (i = 0; i < r->img.lock.count; i++) {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		crctl_rec(&r->img.lock, i, &l, sizeof(l));
		ret = crctl_fault(RESTORE_LOCKS) ?: take(r, &l);
		if (ret == -EAGAIN || ret == -EACCES)
			return crctl_restore_fail(r, ret, "locks", l.fd,
						  "somebody else has locked the file");
		if (ret)
			return crctl_restore_fail(r, ret, "locks", l.fd,
						  "cannot lock the file");
	}
	return 0;
}

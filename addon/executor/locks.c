// SPDX-License-Identifier: GPL-2.0-only
/* Locks on files that belong to open file descriptions, and leases. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "executor.h"

/* The signal that tells of the end of a lease names the descriptor by which it was taken. */
static int take_lease(int fd, const struct plan_op *op, struct error *error)
{
	struct borrowed borrowed;
	int result = 0;

	if (borrow_number(&borrowed, fd, op->b, error) < 0)
		return -1;
	if (fcntl(borrowed.number, F_SETLEASE, (int)op->flags) < 0)
		result = failed(error, errno, errno == EAGAIN ? "somebody else has the file open" : "F_SETLEASE");
	give_number_back(&borrowed);
	return result;
}

int op_lock(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct flock range = {
		.l_type = (short)op->flags, .l_whence = SEEK_SET, .l_start = (off_t)op->a, .l_len = (off_t)op->b,
	};
	int fd = slot_fd(ex, op->slot), result;

	switch (op->arg) {
	case PLAN_LOCK_FLOCK:
		result = flock(fd, (op->flags == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB);
		break;
	case PLAN_LOCK_OFD:
		result = fcntl(fd, F_OFD_SETLK, &range);
		break;
	case PLAN_LOCK_LEASE:
		return take_lease(fd, op, error);
	default:
		return failed(error, EPROTO, "a lock of an unknown kind");
	}
	if (result == 0)
		return 0;
	return failed(error, errno, errno == EAGAIN || errno == EACCES ? "somebody else has locked the file" : "locking the file");
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections out of the tree: the module holds their packets back until the
 * tree is loaded (kmod/crctl_net.h). If the restore fails, they are left as
 * they were found.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "crctl_net.h"
#include "executor.h"

static int hold(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct crctl_connections list = {
		.connections = (uintptr_t)op_data(ex, op),
		.count = op->data_len / sizeof(struct crctl_connection),
	};
	int fd = open("/proc/net/crctl", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return failed(error, errno, "open /proc/net/crctl");
	if (ioctl(fd, CRCTL_NET_HOLD, &list) < 0) {
		failed(error, errno, "CRCTL_NET_HOLD");
		close(fd);
		return -1;
	}
	return place_slot(ex, fd, op->slot, error);
}

int op_held(struct executor *ex, const struct plan_op *op, struct error *error)
{
	switch (op->type) {
	case PLAN_OP_TCP_HOLD:
		return hold(ex, op, error);
	case PLAN_OP_TCP_END:
		if (ioctl(slot_fd(ex, op->arg), CRCTL_NET_END, (unsigned long)slot_fd(ex, op->slot)) < 0)
			return failed(error, errno, "CRCTL_NET_END");
		return 0;
	default:
		/* from here on the other ends hear of us */
		if (interrupted())
			return failed(error, EINTR, "before connections go on");
		if (ioctl(slot_fd(ex, op->slot), CRCTL_NET_RELEASE) < 0)
			return failed(error, errno, "CRCTL_NET_RELEASE");
		ex->released = true;
		return 0;
	}
}

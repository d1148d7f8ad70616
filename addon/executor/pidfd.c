// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors that are about processes. That of a process of the tree is made
 * by the process itself and left in a socket, from which every task that had it
 * takes a copy: a slot is filled before the first fork, and there is no such
 * process then.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor.h"

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int make_sockets(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) < 0)
		return failed(error, errno, "socketpair");
	/* Both numbers are low and the slots are not: neither place_slot meets the other end. */
	if (place_slot(ex, ends[0], op->slot, error) < 0) {
		close(ends[1]);
		return -1;
	}
	return place_slot(ex, ends[1], op->arg, error);
}

/* Takes the descriptor. */
static int give(struct executor *ex, const struct plan_op *op, int fd, struct error *error)
{
	union control control = { 0 };
	struct iovec byte = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	const struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	int result = 0;

	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	if (sendmsg(slot_fd(ex, op->slot), &message, MSG_DONTWAIT) < 0)
		result = failed(error, errno, "sendmsg");
	close(fd);
	return result;
}

static int give_pidfd(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = pidfd_open(getpid(), op->flags);

	return fd < 0 ? failed(error, errno, "pidfd_open") : give(ex, op, fd, error);
}

/* A file of our own directory in /proc. */
static int give_file(struct executor *ex, const struct plan_op *op, struct error *error)
{
	char path[64];
	int fd;

	if (snprintf(path, sizeof(path), "self/%s", op_data(ex, op)) >= (int)sizeof(path))
		return failed(error, ENAMETOOLONG, "open");
	fd = openat(slot_fd(ex, op->arg), path, (int)op->flags | O_CLOEXEC);
	if (fd < 0)
		return failed(error, errno, "open");
	return give(ex, op, fd, error);
}

/* Waits until it is there, and leaves it for the others. */
static int take(struct executor *ex, const struct plan_op *op, struct error *error)
{
	union control control;
	struct iovec byte = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *part;
	struct pollfd socket = { .fd = slot_fd(ex, op->slot), .events = POLLIN };
	int fd;

	/* recvmsg(2) would wait too, but one datagram wakes one of those that wait there */
	if (poll(&socket, 1, -1) < 0)
		return failed(error, errno, "poll");
	if (recvmsg(socket.fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return failed(error, errno, "recvmsg");
	part = CMSG_FIRSTHDR(&message);
	if (!part || part->cmsg_type != SCM_RIGHTS || part->cmsg_len != CMSG_LEN(sizeof(fd)))
		return failed(error, EMFILE, "recvmsg");
	memcpy(&fd, CMSG_DATA(part), sizeof(fd));
	return place_slot(ex, fd, op->slot, error);
}

/* That of a process which has been waited for. */
static int make_ended(struct executor *ex, const struct plan_op *op, struct error *error)
{
	pid_t pid = fork();
	int fd, status;

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return failed(error, errno, "fork");
	fd = pidfd_open(pid, op->flags);
	if (fd < 0)
		failed(error, errno, "pidfd_open");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	return fd < 0 ? -1 : place_slot(ex, fd, op->slot, error);
}

int op_pidfd(struct executor *ex, const struct plan_op *op, struct error *error)
{
	switch (op->type) {
	case PLAN_OP_PIDFD_GIVE:
		return give_pidfd(ex, op, error);
	case PLAN_OP_PROC_GIVE:
		return give_file(ex, op, error);
	case PLAN_OP_PIDFD_TAKE:
		return take(ex, op, error);
	default:
		return op->slot == op->arg ? make_ended(ex, op, error) : make_sockets(ex, op, error);
	}
}

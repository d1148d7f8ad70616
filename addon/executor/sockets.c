// SPDX-License-Identifier: GPL-2.0-only
/* Sockets, and the messages that are unread in them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "executor.h"

#define MODE (SOCK_CLOEXEC | SOCK_NONBLOCK)

static int make_socket(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = socket((int)op->a, op->arg | MODE, (int)op->b);

	if (fd < 0)
		return failed(error, errno, "socket");
	return place_slot(ex, fd, op->slot, error);
}

static int make_pair(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int ends[2];

	if (socketpair(AF_UNIX, (int)op->a | MODE, 0, ends) < 0)
		return failed(error, errno, "socketpair");
	if (place_slot(ex, ends[0], op->slot, error) < 0) {
		close(ends[1]);
		return -1;
	}
	return place_slot(ex, ends[1], op->arg, error);
}

/* Returns the length of the address, 0 if the name is too long. */
static socklen_t address_of(struct sockaddr_un *address, const char *name, uint32_t len)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (len > sizeof(address->sun_path))
		return 0;
	memcpy(address->sun_path, name, len);
	/* Behind a path there is a NUL, for which the longest has no room. */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
			   (len > 0 && name[0] != '\0' && len < sizeof(address->sun_path)));
}

static int bind_or_connect(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct sockaddr_un address;
	socklen_t len = address_of(&address, op_data(ex, op), op->data_len);
	int fd = slot_fd(ex, op->slot);

	if (!len)
		return failed(error, ENAMETOOLONG, "the name of a socket");
	if (op->type == PLAN_OP_BIND) {
		if (bind(fd, (struct sockaddr *)&address, len) < 0)
			return failed(error, errno, "bind");
		if (address.sun_path[0] != '\0')
			ex->last_file = op;
	} else if (connect(fd, (struct sockaddr *)&address, len) < 0) {
		return failed(error, errno, "connect");
	}
	return 0;
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Within the machine: the other end listens, and has room. */
int connect_now(int fd, const void *address, socklen_t len, struct error *error)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return failed(error, errno, "fcntl");
	if (connect(fd, address, len) < 0)
		return failed(error, errno, "connect");
	if (fcntl(fd, F_SETFL, flags) < 0)
		return failed(error, errno, "fcntl");
	return 0;
}

/* The directory may be somebody's who would put another file in its place, or a link to one. */
static int set_socket_file(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = open(op_data(ex, op), O_PATH | O_NOFOLLOW | O_CLOEXEC), result = 0;
	char path[40];

	if (fd < 0)
		return failed(error, errno, "opening a socket's file");
	snprintf(path, sizeof(path), "self/fd/%d", fd);
	if (!is_socket(fd))
		result = failed(error, ESTALE, "the file was replaced while it was being restored");
	else if (fchownat(fd, "", (uid_t)op->a, (gid_t)op->b, AT_EMPTY_PATH) < 0)
		result = failed(error, errno, "chown of a socket's file");
	else if (fchmodat(ex->proc_fd, path, op->flags & 07777, 0) < 0)
		result = failed(error, errno, "chmod of a socket's file");
	close(fd);
	return result;
}

static int unlink_path(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = open(op_data(ex, op), O_PATH | O_NOFOLLOW | O_CLOEXEC), result = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : failed(error, errno, "opening a socket's file");
	if (!is_socket(fd))
		result = failed(error, EEXIST, "the path of a socket is that of something else");
	else if (unlink(op_data(ex, op)) < 0 && errno != ENOENT)
		result = failed(error, errno, "unlink of a socket's file");
	close(fd);
	return result;
}

/* from NUL to NUL */
static int rename_file(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const char *from = op_data(ex, op), *to = memchr(from, '\0', op->data_len);

	if (!to || to + 1 >= from + op->data_len || from[op->data_len - 1] != '\0')
		return failed(error, EPROTO, "the paths of a socket's file are malformed");
	if (rename(from, to + 1) < 0)
		return failed(error, errno, "rename of a socket's file");
	ex->last_file = op;
	return 0;
}

static void remove_if_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
}

/*
 * The restore has failed: names that sockets of ours were given would lead
 * nowhere. After an operation that binds to a path there is one that has that
 * path as others see it.
 */
void remove_socket_files(struct executor *ex)
{
	const struct plan_op *op = ex->ops + ex->plan->create.first, *end = op + ex->plan->create.count;

	for (; ex->last_file && op <= ex->last_file && op + 1 < end; op++) {
		if (op->type == PLAN_OP_RENAME)
			remove_if_socket(op_data(ex, op) + strlen(op_data(ex, op)) + 1);
		else if (op->type == PLAN_OP_BIND && op_data(ex, op)[0] != '\0' &&
			 (op[1].type == PLAN_OP_UNLINK || op[1].type == PLAN_OP_RENAME || op[1].type == PLAN_OP_SOCKET_FILE))
			remove_if_socket(op_data(ex, op + 1));
	}
}

static int accept_one(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = accept4(slot_fd(ex, op->arg), NULL, NULL, MODE);

	if (fd < 0)
		return failed(error, errno, "accept");
	return place_slot(ex, fd, op->slot, error);
}

static int set_option(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);

	if (op->b && setsockopt(fd, op->arg, (int)op->b, op_data(ex, op), op->data_len) == 0)
		return 0;
	if (setsockopt(fd, op->arg, (int)op->a, op_data(ex, op), op->data_len) < 0)
		return failed(error, errno, "setsockopt");
	return 0;
}

enum { MAX_PASSED = 253 };	/* SCM_MAX_FD */

static int send_message(struct executor *ex, const struct plan_op *op, struct error *error)
{
	char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(MAX_PASSED * sizeof(int))];
	const char *p = op_data(ex, op), *end = p + op->data_len;
	struct plan_message head;
	struct sockaddr_un address;
	struct msghdr message = { 0 };
	struct cmsghdr *part = (struct cmsghdr *)control;
	struct iovec bytes;
	ssize_t sent;

	if (op->data_len < sizeof(head))
		return failed(error, EPROTO, "a message of the plan is malformed");
	memcpy(&head, p, sizeof(head));
	p += sizeof(head);
	if (head.nr_slots > MAX_PASSED || head.name_len > (size_t)(end - p) ||
	    head.nr_slots * sizeof(int32_t) > (size_t)(end - p) - head.name_len)
		return failed(error, EPROTO, "a message of the plan is malformed");
	if (head.name_len > 0) {
		message.msg_name = &address;
		message.msg_namelen = address_of(&address, p, head.name_len);
		if (!message.msg_namelen)
			return failed(error, ENAMETOOLONG, "the name of a socket");
		p += head.name_len;
	}
	memset(control, 0, sizeof(control));
	if (head.pid != 0) {
		const struct ucred sender = { .pid = actual_pid(ex, head.pid), .uid = head.uid, .gid = head.gid };

		*part = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof(sender)) };
		memcpy(CMSG_DATA(part), &sender, sizeof(sender));
		message.msg_controllen += CMSG_SPACE(sizeof(sender));
		part = (struct cmsghdr *)(control + message.msg_controllen);
	}
	if (head.nr_slots > 0) {
		*part = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(head.nr_slots * sizeof(int)) };
		for (uint32_t i = 0; i < head.nr_slots; i++, p += sizeof(int32_t)) {
			int32_t slot;
			int fd;

			memcpy(&slot, p, sizeof(slot));
			if (slot < 0 || (uint32_t)slot >= ex->plan->nr_slots)
				return failed(error, EPROTO, "a message of the plan is malformed");
			fd = slot_fd(ex, slot);
			memcpy(CMSG_DATA(part) + i * sizeof(fd), &fd, sizeof(fd));
		}
		message.msg_controllen += CMSG_SPACE(head.nr_slots * sizeof(int));
	}
	if (message.msg_controllen > 0)
		message.msg_control = control;
	bytes = (struct iovec){ .iov_base = (void *)(uintptr_t)p, .iov_len = (size_t)(end - p) };
	message.msg_iov = &bytes;
	message.msg_iovlen = 1;
	sent = sendmsg(slot_fd(ex, op->slot), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return failed(error, errno, "sendmsg");
	if (sent != end - p)
		return failed(error, EMSGSIZE, "unread data do not fit into the socket");
	return 0;
}

static bool is_datagram(int fd)
{
	int type = 0;
	socklen_t length = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM;
}

static int attach_filter(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct sock_fprog program = {
		.len = (unsigned short)(op->data_len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)op_data(ex, op),
	};

	if (op->data_len % sizeof(struct sock_filter) || op->data_len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return failed(error, EINVAL, "a filter that is no program");
	if (setsockopt(slot_fd(ex, op->slot), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return failed(error, errno, "setsockopt(SO_ATTACH_FILTER)");
	return 0;
}

int op_socket(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);

	switch (op->type) {
	case PLAN_OP_SOCKET:
		return make_socket(ex, op, error);
	case PLAN_OP_SOCKETPAIR:
		return make_pair(ex, op, error);
	case PLAN_OP_BIND:
	case PLAN_OP_CONNECT:
		return bind_or_connect(ex, op, error);
	case PLAN_OP_SOCKET_FILE:
		return set_socket_file(ex, op, error);
	case PLAN_OP_UNLINK:
		return unlink_path(ex, op, error);
	case PLAN_OP_RENAME:
		return rename_file(ex, op, error);
	case PLAN_OP_LISTEN:
		if (listen(fd, op->arg) < 0)
			return failed(error, errno, "listen");
		return 0;
	case PLAN_OP_ACCEPT:
		return accept_one(ex, op, error);
	case PLAN_OP_SOCKOPT:
		return set_option(ex, op, error);
	case PLAN_OP_BIND_ADDRESS:
		if (bind(fd, (const struct sockaddr *)op_data(ex, op), op->data_len) < 0)
			return failed(error, errno, "bind");
		return 0;
	case PLAN_OP_CONNECT_ADDRESS:
		return connect_now(fd, op_data(ex, op), op->data_len, error);
	case PLAN_OP_FILTER:
		return attach_filter(ex, op, error);
	case PLAN_OP_SEND:
		return send_message(ex, op, error);
	default:
		/* datagrams need no connection to be told that there are no more: then this is done, and an error */
		if (shutdown(fd, op->arg) < 0 && !(errno == ENOTCONN && is_datagram(fd)) &&
		    !((op->flags & PLAN_TCP_MAY_BE_OVER) && tcp_is_over(errno)))
			return failed(error, errno, "shutdown");
		return 0;
	}
}

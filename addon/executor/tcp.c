// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP connections. Each end is put together by itself with TCP_REPAIR, which
 * connects without a packet; when all ends are there they begin to talk.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* not <netinet/tcp.h>: glibc's lacks some of it */
#include <linux/tcp.h>

#include "executor.h"

enum {
	/* What one send into a queue is to take: as many pages as a packet has room for. */
	PIECE = 64 << 10,
	/* The machine answers itself at once. */
	ANSWER_MS = 10000,
	/* TCPOPT_* of the kernel, for TCP_REPAIR_OPTIONS */
	OPT_MSS = 2,
	OPT_WINDOW = 3,
	OPT_SACK_PERM = 4,
	OPT_TIMESTAMP = 8,
};

static int set(int fd, int name, const void *value, socklen_t size)
{
	return setsockopt(fd, IPPROTO_TCP, name, value, size);
}

static int set_number(int fd, int name, uint32_t value)
{
	return set(fd, name, &value, sizeof(value));
}

/* A buffer that has no room for what was in it: what a packet takes differs. It gets its size back later. */
bool enlarge_buffer(int fd, int name, int force)
{
	int size;
	socklen_t length = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, name, &size, &length) < 0 || size > 1 << 29)
		return false;
	/* what is read is twice what is set */
	return setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) == 0;
}

static int send_all(int fd, const char *data, size_t size, struct error *error)
{
	while (size > 0) {
		ssize_t sent = send(fd, data, size < PIECE ? size : PIECE, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0) {
			data += sent;
			size -= (size_t)sent;
		} else if ((errno != EAGAIN && errno != ENOMEM) || !enlarge_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE)) {
			return failed(error, errno, "send");
		}
	}
	return 0;
}

static int fill_received(int fd, const char *data, size_t size, struct error *error)
{
	if (size > 0 && set_number(fd, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE) < 0)
		return failed(error, errno, "TCP_REPAIR_QUEUE");
	while (size > 0) {
		ssize_t sent = send(fd, data, size < PIECE ? size : PIECE, MSG_DONTWAIT);

		if (sent > 0) {
			data += sent;
			size -= (size_t)sent;
		} else if ((errno != EAGAIN && errno != ENOMEM) || !enlarge_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE)) {
			return failed(error, errno, "send to the receive queue");
		}
	}
	return 0;
}

/* It counts as sent: what the other end acknowledges of it, it may have received long ago. */
static int fill_sent(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);

	if (set_number(fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE) < 0)
		return failed(error, errno, "TCP_REPAIR_QUEUE");
	if (send_all(fd, op_data(ex, op), op->data_len, error) < 0)
		return -1;
	if ((op->flags & PLAN_TCP_FILLED_END) && shutdown(fd, SHUT_WR) < 0)
		return failed(error, errno, "shutdown");
	if (set_number(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE) < 0)
		return failed(error, errno, "TCP_REPAIR_QUEUE");
	return 0;
}

/* What an end of a connection meets whose other end is not ours. */
bool tcp_is_over(int err)
{
	switch (err) {
	case EPIPE:
	case ENOTCONN:
	case ECONNRESET:
	case ECONNREFUSED:
	case ECONNABORTED:
	case ETIMEDOUT:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

static int set_sequence(int fd, int queue, uint32_t sequence, struct error *error)
{
	if (set_number(fd, TCP_REPAIR_QUEUE, (uint32_t)queue) < 0 || set_number(fd, TCP_QUEUE_SEQ, sequence) < 0)
		return failed(error, errno, "TCP_QUEUE_SEQ");
	return 0;
}

/* What the two agreed on when they connected. */
static int set_agreed(int fd, const struct plan_tcp *head, struct error *error)
{
	struct tcp_repair_opt options[4];
	unsigned int count = 0;

	if (head->options & PLAN_TCP_SACK)
		options[count++] = (struct tcp_repair_opt){ .opt_code = OPT_SACK_PERM };
	if (head->options & PLAN_TCP_WINDOW_SCALE)
		options[count++] = (struct tcp_repair_opt){
			.opt_code = OPT_WINDOW, .opt_val = head->send_scale | head->receive_scale << 16,
		};
	if (head->options & PLAN_TCP_TIMESTAMPS)
		options[count++] = (struct tcp_repair_opt){ .opt_code = OPT_TIMESTAMP };
	options[count++] = (struct tcp_repair_opt){ .opt_code = OPT_MSS, .opt_val = head->mss };
	if (set(fd, TCP_REPAIR_OPTIONS, options, count * sizeof(options[0])) < 0)
		return failed(error, errno, "TCP_REPAIR_OPTIONS");
	if ((head->options & PLAN_TCP_TIMESTAMPS) && set_number(fd, TCP_TIMESTAMP, head->timestamp) < 0)
		return failed(error, errno, "TCP_TIMESTAMP");
	return 0;
}

static int repair(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const char *p = op_data(ex, op);
	int fd = slot_fd(ex, op->slot);
	struct tcp_repair_window window;
	struct plan_tcp head;

	if (op->data_len < sizeof(head))
		return failed(error, EPROTO, "a connection of the plan is malformed");
	memcpy(&head, p, sizeof(head));
	p += sizeof(head);
	if (head.local_len > op->data_len - sizeof(head) || head.peer_len > op->data_len - sizeof(head) - head.local_len)
		return failed(error, EPROTO, "a connection of the plan is malformed");
	if (set_number(fd, TCP_REPAIR, TCP_REPAIR_ON) < 0)
		return failed(error, errno, "TCP_REPAIR");
	if (set_sequence(fd, TCP_RECV_QUEUE, head.receive_sequence, error) < 0 ||
	    set_sequence(fd, TCP_SEND_QUEUE, head.send_sequence, error) < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)p, head.local_len) < 0)
		return failed(error, errno, "bind");
	if (connect(fd, (const struct sockaddr *)(p + head.local_len), head.peer_len) < 0)
		return failed(error, errno, "connect");
	if (set_agreed(fd, &head, error) < 0)
		return -1;
	p += head.local_len + head.peer_len;
	if (fill_received(fd, p, op->data_len - (size_t)(p - op_data(ex, op)), error) < 0)
		return -1;
	window = (struct tcp_repair_window){
		.snd_wl1 = head.snd_wl1, .snd_wnd = head.snd_wnd, .max_window = head.max_window,
		.rcv_wnd = head.rcv_wnd, .rcv_wup = head.rcv_wup,
	};
	if (set(fd, TCP_REPAIR_WINDOW, &window, sizeof(window)) < 0)
		return failed(error, errno, "TCP_REPAIR_WINDOW");
	return 0;
}

/* A connection that nobody answered, which its program has not been told yet. */
static int refused(int fd, const struct sockaddr *name, socklen_t length, struct error *error)
{
	struct pollfd answer = { .fd = fd };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return failed(error, errno, "fcntl");
	/* what connect() itself returns is told, and gone */
	if (connect(fd, name, length) == 0 || errno != EINPROGRESS)
		return failed(error, errno, "a connection within the machine");
	if (poll(&answer, 1, ANSWER_MS) != 1)
		return failed(error, ETIMEDOUT, "a connection within the machine");
	if (fcntl(fd, F_SETFL, flags) < 0)
		return failed(error, errno, "fcntl");
	return 0;
}

/* Before it is connected, which is when its window is chosen. Returns the size to set it to afterwards, 0 if it stays. */
static int make_room(int fd, size_t need)
{
	int size, wanted = need > 1 << 28 ? 1 << 29 : (int)(2 * need) + PIECE;
	socklen_t length = sizeof(size);

	if (need == 0 || getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length) < 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
	/* what is read is twice what is set */
	return size / 2;
}

static void give_back_room(int fd, int size)
{
	if (size > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* What has not come when a connection is reset is lost. */
static int await_all(int fd, size_t size, struct error *error)
{
	int unread = 0;

	for (int i = 0; i < ANSWER_MS; i++) {
		if (ioctl(fd, FIONREAD, &unread) < 0)
			return failed(error, errno, "FIONREAD");
		if ((size_t)unread == size)
			return 0;
		poll(NULL, 0, 1);
	}
	return failed(error, ETIMEDOUT, "what was unread does not arrive");
}

/* A connection of ours within the machine, whose other end has gone. */
static int ended(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);
	int fd = slot_fd(ex, op->slot), server, other;
	int ret = -1, room = 0;

	memset(&name, 0, sizeof(name));
	name.ss_family = (sa_family_t)op->arg;
	if (op->arg == AF_INET6)
		((struct sockaddr_in6 *)&name)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = socket(op->arg, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server < 0)
		return failed(error, errno, "socket");
	if (bind(server, (struct sockaddr *)&name, op->arg == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) < 0 ||
	    getsockname(server, (struct sockaddr *)&name, &length) < 0) {
		failed(error, errno, "a socket within the machine");
		goto out;
	}
	if (op->a == PLAN_TCP_REFUSED) {
		ret = refused(fd, (struct sockaddr *)&name, length, error);
		goto out;
	}
	room = make_room(fd, op->data_len);
	if (listen(server, 1) < 0 || connect_now(fd, &name, length, error) < 0) {
		failed(error, errno, "a connection within the machine");
		goto out;
	}
	other = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	if (other < 0) {
		failed(error, errno, "accept");
		goto out;
	}
	ret = send_all(other, op_data(ex, op), op->data_len, error);
	if (ret == 0)
		ret = await_all(fd, op->data_len, error);
	if (ret == 0 && op->a == PLAN_TCP_BROKEN && shutdown(other, SHUT_WR) < 0)
		ret = failed(error, errno, "shutdown");
	if (ret == 0 && op->a != PLAN_TCP_CLOSED && setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0)
		ret = failed(error, errno, "SO_LINGER");
	close(other);
	if (ret == 0 && op->a == PLAN_TCP_CLOSED && shutdown(fd, SHUT_WR) < 0)
		ret = failed(error, errno, "shutdown");
	give_back_room(fd, room);
out:
	close(server);
	return ret;
}

int op_tcp(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);

	switch (op->type) {
	case PLAN_OP_TCP_REPAIR:
		return repair(ex, op, error);
	case PLAN_OP_TCP_OPEN:
		if (set_number(fd, TCP_REPAIR, TCP_REPAIR_OFF) < 0)
			return failed(error, errno, "TCP_REPAIR");
		return 0;
	case PLAN_OP_TCP_SEND:
		if (send_all(fd, op_data(ex, op), op->data_len, error) < 0 &&
		    !((op->flags & PLAN_TCP_MAY_BE_OVER) && tcp_is_over(error->err)))
			return -1;
		return 0;
	case PLAN_OP_TCP_FILL:
		return fill_sent(ex, op, error);
	default:
		return ended(ex, op, error);
	}
}

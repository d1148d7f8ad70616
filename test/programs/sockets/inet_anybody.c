// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp(7), udp(7): what takes no privilege to make again: a connection that waits to be accepted, connections that are
 * over, and UDP sockets that hold nothing.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "test.h"

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in name;
	socklen_t length = sizeof(name);

	TRY(getsockname(fd, (struct sockaddr *)&name, &length));
	return name;
}

static int bound(int type)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = TRY(socket(AF_INET, type, 0)), on = 1;

	if (type == SOCK_STREAM)
		TRY(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	TRY(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	return fd;
}

static int connected(int to)
{
	struct sockaddr_in name = name_of(to);
	int fd = TRY(socket(AF_INET, SOCK_STREAM, 0));

	TRY(connect(fd, (struct sockaddr *)&name, sizeof(name)));
	return fd;
}

static void await(int fd)
{
	SAME(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 60000), 1);
}

static void close_at_once(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	TRY(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(fd);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int listener = bound(SOCK_STREAM), one = bound(SOCK_DGRAM), other = bound(SOCK_DGRAM), reset, waiting, server;
		struct sockaddr_in address, found;
		char text[8];

		TRY(listen(listener, 4));
		reset = connected(listener);
		server = TRY(accept(listener, NULL, NULL));
		SAME(send(server, "hello", 5, 0), 5);
		await(reset);
		close_at_once(server);
		SAME(poll(&(struct pollfd){ .fd = reset, .events = POLLRDHUP }, 1, 60000), 1);
		waiting = connected(listener);
		await(listener);
		address = name_of(waiting);
		found = name_of(other);
		TRY(connect(one, (struct sockaddr *)&found, sizeof(found)));

		test_ready();
		test_wait();

		found = name_of(waiting);
		SAME(found.sin_port, address.sin_port);
		server = TRY(accept(listener, NULL, NULL));
		SAME(send(waiting, "there", 5, 0), 5);
		SAME(recv(server, text, 5, MSG_WAITALL), 5);
		SAME(send(server, "back", 4, 0), 4);
		SAME(recv(waiting, text, 4, MSG_WAITALL), 4);
		SAME(recv(reset, text, 5, MSG_WAITALL), 5);
		SAME(memcmp(text, "hello", 5), 0);
		SAME(recv(reset, text, 1, 0), -1);
		SAME(errno, ECONNRESET);
		SAME(send(one, "datagram", 8, 0), 8);
		await(other);
		SAME(recv(other, text, sizeof(text), 0), 8);
		/* nothing stays behind */
		close_at_once(waiting);
		close(server);
		close(reset);
		close(listener);
		close(one);
		close(other);
	} while (test_pass());
	return 0;
}

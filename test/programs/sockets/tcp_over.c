// SPDX-License-Identifier: GPL-2.0-only
/* tcp(7): much that is unread where the other end has been reset; ends that are shut down before they are accepted; what a peek does not move. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "test.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { MUCH = 200000, ROOM = 400000 };

static char buffer[MUCH], expected[MUCH];
static struct sockaddr_in name;

static int listen_here(void)
{
	socklen_t length = sizeof(name);
	int fd = TRY(socket(AF_INET, SOCK_STREAM, 0)), on = 1;

	name = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	TRY(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	TRY(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	TRY(listen(fd, 4));
	TRY(getsockname(fd, (struct sockaddr *)&name, &length));
	return fd;
}

static int connect_here(void)
{
	int fd = TRY(socket(AF_INET, SOCK_STREAM, 0)), room = ROOM;

	TRY(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)));
	TRY(connect(fd, (struct sockaddr *)&name, sizeof(name)));
	return fd;
}

static int unread(int fd)
{
	int size = -1;

	TRY(ioctl(fd, FIONREAD, &size));
	return size;
}

static void wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	SAME(poll(&poll_fd, 1, 60000), 1);
}

int main(int argc, char **argv)
{
	const struct linger at_once = { .l_onoff = 1 };

	test_init(argc, argv);
	pattern_fill(expected, MUCH, 11);
	do {
		struct sockaddr_in addressed_name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8) };
		int listener = listen_here(), reset = connect_here(), other = TRY(accept(listener, NULL, NULL)), on = 1;
		int peeked = connect_here(), source = TRY(accept(listener, NULL, NULL)), waiting, addressed, offset = 4;
		socklen_t length = sizeof(offset);
		bool has_offset;

		SAME(send(other, expected, MUCH, MSG_NOSIGNAL), MUCH);
		WAIT_FOR(unread(reset) == MUCH);
		TRY(setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
		close(other);
		wait_for(reset, POLLERR);
		SAME(send(source, "read it later", 13, 0), 13);
		WAIT_FOR(unread(peeked) == 13);
		/* from Linux 6.9 on */
		has_offset = setsockopt(peeked, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0;
		addressed = TRY(socket(AF_INET, SOCK_STREAM, 0));
		TRY(setsockopt(addressed, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)));
		TRY(bind(addressed, (struct sockaddr *)&addressed_name, sizeof(addressed_name)));
		waiting = connect_here();
		TRY(shutdown(waiting, SHUT_WR));
		wait_for(listener, POLLIN);

		test_ready();
		test_wait();

		SAME(recv(reset, buffer, MUCH, MSG_WAITALL), MUCH);
		CHECK(memcmp(buffer, expected, MUCH) == 0, "what was unread is not what was sent");
		SAME(recv(reset, buffer, 1, 0), -1);
		SAME(errno, ECONNRESET);
		if (has_offset) {
			TRY(getsockopt(peeked, SOL_SOCKET, SO_PEEK_OFF, &offset, &length));
			SAME(offset, 4);
		}
		SAME(recv(peeked, buffer, 13, 0), 13);
		CHECK(memcmp(buffer, "read it later", 13) == 0, "%.13s is unread", buffer);
		other = TRY(accept(listener, NULL, NULL));
		SAME(recv(other, buffer, 1, 0), 0);
		SAME(send(other, "x", 1, MSG_NOSIGNAL), 1);
		SAME(recv(waiting, buffer, 1, 0), 1);
		length = sizeof(addressed_name);
		TRY(getsockname(addressed, (struct sockaddr *)&addressed_name, &length));
		SAME(ntohl(addressed_name.sin_addr.s_addr), INADDR_LOOPBACK + 8);
		TRY(setsockopt(waiting, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
		TRY(setsockopt(peeked, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
		close(waiting);
		close(other);
		close(peeked);
		close(source);
		close(reset);
		close(addressed);
		close(listener);
	} while (test_pass());
	return 0;
}

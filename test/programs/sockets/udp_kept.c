// SPDX-License-Identifier: GPL-2.0-only
/* udp(7): more that is unread than there is room for now; ends that are shut down. */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "sockets.h"
#include "test.h"

enum { MANY = 60, SIZE = 1500 };

static char buffer[SIZE], expected[MANY][SIZE];

int main(int argc, char **argv)
{
	test_init(argc, argv);
	stay_on_processor();
	pattern_fill(expected, sizeof(expected), 5);
	do {
		struct sockaddr_in name, deaf_name;
		int narrow = bound_udp(&name), deaf = bound_udp(&deaf_name), dumb, sender = TRY(socket(AF_INET, SOCK_DGRAM, 0));
		int size, least = 1;
		socklen_t length = sizeof(size);

		for (int i = 0; i < MANY; i++)
			SAME(sendto(sender, expected[i], SIZE, 0, (struct sockaddr *)&name, sizeof(name)), SIZE);
		await_unread(narrow, sizeof(expected));
		TRY(setsockopt(narrow, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)));
		TRY(getsockopt(narrow, SOL_SOCKET, SO_RCVBUF, &least, &length));
		/* this is an error, and done nevertheless */
		SAME(shutdown(deaf, SHUT_RD), -1);
		SAME(errno, ENOTCONN);
		dumb = TRY(socket(AF_INET, SOCK_DGRAM, 0));
		TRY(connect(dumb, (struct sockaddr *)&name, sizeof(name)));
		TRY(shutdown(dumb, SHUT_WR));

		test_ready();
		test_wait();

		for (int i = 0; i < MANY; i++) {
			SAME(recv(narrow, buffer, SIZE, MSG_DONTWAIT), SIZE);
			CHECK(memcmp(buffer, expected[i], SIZE) == 0, "datagram %d is not what was sent", i);
		}
		SAME(recv(narrow, buffer, SIZE, MSG_DONTWAIT), -1);
		TRY(getsockopt(narrow, SOL_SOCKET, SO_RCVBUF, &size, &length));
		SAME(size, least);
		SAME(poll(&(struct pollfd){ .fd = deaf, .events = POLLRDHUP }, 1, 0), 1);
		SAME(recv(deaf, buffer, 1, 0), 0);
		SAME(send(dumb, "x", 1, MSG_NOSIGNAL), -1);
		SAME(errno, EPIPE);
		for (int fd = narrow; fd <= sender; fd++)
			close(fd);
		close(dumb);
	} while (test_pass());
	return 0;
}

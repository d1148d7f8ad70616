// SPDX-License-Identifier: GPL-2.0-only
/*
 * looked_at error|udp|datagram|packet|offset: what whoever looks at a socket could take from it. An error that was not told; a message
 * without bytes in a socket of UDP, of AF_UNIX's two kinds, and one that the program itself peeks at by offset.
 */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "sockets.h"
#include "test.h"

static void pair_of(const char *what, int ends[2])
{
	struct sockaddr_in name;

	if (strcmp(what, "datagram") == 0 || strcmp(what, "packet") == 0) {
		TRY(socketpair(AF_UNIX, what[0] == 'd' ? SOCK_DGRAM : SOCK_SEQPACKET, 0, ends));
		return;
	}
	ends[0] = bound_udp(&name);
	ends[1] = TRY(socket(AF_INET, SOCK_DGRAM, 0));
	TRY(connect(ends[1], (struct sockaddr *)&name, sizeof(name)));
}

int main(int argc, char **argv)
{
	const char *what = argv[test_init(argc, argv)];
	bool error, offset;

	stay_on_processor();
	CHECK(what, "error, udp, datagram, packet or offset?");
	error = strcmp(what, "error") == 0;
	offset = strcmp(what, "offset") == 0;
	do {
		int ends[2], value, zero = 0;
		socklen_t length = sizeof(value);

		pair_of(what, ends);
		if (error)
			close(ends[0]);
		SAME(send(ends[1], "", 0, 0), 0);
		SAME(poll(&(struct pollfd){ .fd = error ? ends[1] : ends[0], .events = POLLIN }, 1, 60000), 1);
		if (!error) {
			SAME(send(ends[1], "more", 4, 0), 4);
			SAME(send(ends[1], "", 0, 0), 0);
		}
		if (offset) {
			TRY(setsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)));
			SAME(recv(ends[0], &value, sizeof(value), MSG_PEEK), 0);
		}

		test_ready();
		test_wait();

		if (error) {
			TRY(getsockopt(ends[1], SOL_SOCKET, SO_ERROR, &value, &length));
			SAME(value, ECONNREFUSED);
		} else {
			SAME(recv(ends[0], &value, sizeof(value), MSG_DONTWAIT), 0);
			SAME(recv(ends[0], &value, sizeof(value), MSG_DONTWAIT), 4);
			SAME(recv(ends[0], &value, sizeof(value), MSG_DONTWAIT), 0);
			SAME(recv(ends[0], &value, sizeof(value), MSG_DONTWAIT), -1);
			close(ends[0]);
		}
		close(ends[1]);
	} while (test_pass());
	return 0;
}

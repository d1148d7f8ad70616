// SPDX-License-Identifier: GPL-2.0-only
/* udp(7): udp_looked_at error|empty: what whoever looks at a socket could take from it. */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "sockets.h"
#include "test.h"

int main(int argc, char **argv)
{
	int first = test_init(argc, argv);
	bool error;

	CHECK(first < argc, "error or empty?");
	error = strcmp(argv[first], "error") == 0;
	do {
		struct sockaddr_in name;
		int silent = bound_udp(&name), fd = TRY(socket(AF_INET, SOCK_DGRAM, 0)), value;
		socklen_t length = sizeof(value);

		if (error)
			close(silent);
		TRY(connect(fd, (struct sockaddr *)&name, sizeof(name)));
		SAME(send(fd, "", 0, 0), 0);
		SAME(poll(&(struct pollfd){ .fd = error ? fd : silent, .events = POLLIN }, 1, 60000), 1);

		test_ready();
		test_wait();

		if (error) {
			TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length));
			SAME(value, ECONNREFUSED);
		} else {
			SAME(recv(silent, &value, sizeof(value), MSG_DONTWAIT), 0);
			close(silent);
		}
		close(fd);
	} while (test_pass());
	return 0;
}

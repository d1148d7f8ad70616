// SPDX-License-Identifier: GPL-2.0-only
/* tcp(7): tcp_client PORT: a connection to somebody else, who says "hello" and is found gone later. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "test.h"

int main(int argc, char **argv)
{
	int first = test_init(argc, argv);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	CHECK(first < argc, "no port is given");
	to.sin_port = htons((uint16_t)atoi(argv[first]));
	do {
		int fd = TRY(socket(AF_INET, SOCK_STREAM, 0));
		char found[8];

		TRY(connect(fd, (struct sockaddr *)&to, sizeof(to)));
		SAME(recv(fd, found, 5, MSG_PEEK | MSG_WAITALL), 5);

		test_ready();
		test_wait();

		SAME(recv(fd, found, 5, MSG_WAITALL), 5);
		CHECK(memcmp(found, "hello", 5) == 0, "%.5s instead of hello", found);
		SAME(recv(fd, found, 1, 0), -1);
		SAME(errno, ECONNRESET);
		SAME(recv(fd, found, 1, 0), 0);
		SAME(send(fd, "x", 1, MSG_NOSIGNAL), -1);
		SAME(errno, EPIPE);
		close(fd);
	} while (test_pass());
	return 0;
}

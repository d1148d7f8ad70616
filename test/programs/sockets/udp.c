// SPDX-License-Identifier: GPL-2.0-only
/* udp(7): bound, connected, of both versions of IP; datagrams that were not read, with who sent them. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "sockets.h"
#include "test.h"

static char buffer[65536], large[60000];

static struct sockaddr_storage name_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	memset(&name, 0, sizeof(name));
	TRY(getsockname(fd, (struct sockaddr *)&name, &length));
	return name;
}

static int bound(int family, const struct in_addr *address)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	struct sockaddr_in6 name6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	int fd = TRY(socket(family, SOCK_DGRAM, 0));

	if (address)
		name.sin_addr = *address;
	if (family == AF_INET)
		TRY(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	else
		TRY(bind(fd, (struct sockaddr *)&name6, sizeof(name6)));
	return fd;
}

static void send_to(int fd, int target, const void *data, size_t size)
{
	struct sockaddr_storage to = name_of(target);
	struct sockaddr_in *to4 = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *to6 = (struct sockaddr_in6 *)&to;
	struct sockaddr_storage own = name_of(fd);

	if (own.ss_family == AF_INET && to.ss_family == AF_INET6) {
		const in_port_t port = to6->sin6_port;

		*to4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
	}
	if (to.ss_family == AF_INET)
		to4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		to6->sin6_addr = in6addr_loopback;
	SAME(sendto(fd, data, size, 0, (struct sockaddr *)&to, to.ss_family == AF_INET ? sizeof(*to4) : sizeof(*to6)), size);
}

/* The next datagram, and whose it was. */
static void get(int fd, const void *data, size_t size, struct sockaddr_storage from)
{
	struct sockaddr_storage found;
	socklen_t length = sizeof(found);

	memset(&found, 0, sizeof(found));
	SAME(recvfrom(fd, buffer, sizeof(buffer), MSG_DONTWAIT, (struct sockaddr *)&found, &length), size);
	CHECK(memcmp(buffer, data, size) == 0, "a datagram is not what was sent");
	SAME(((struct sockaddr_in *)&found)->sin_port, ((struct sockaddr_in *)&from)->sin_port);
	SAME(found.ss_family, from.ss_family);
	if (from.ss_family == AF_INET)
		SAME(((struct sockaddr_in *)&found)->sin_addr.s_addr, ((struct sockaddr_in *)&from)->sin_addr.s_addr);
}

static void await(int fd)
{
	SAME(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 60000), 1);
}

int main(int argc, char **argv)
{
	const struct in_addr loopback = { .s_addr = htonl(INADDR_LOOPBACK) };

	test_init(argc, argv);
	stay_on_processor();
	pattern_fill(large, sizeof(large), 7);
	do {
		int one = bound(AF_INET, &loopback), any = bound(AF_INET, NULL), six = bound(AF_INET6, NULL);
		int connected = bound(AF_INET, &loopback), gone = bound(AF_INET, &loopback), gone6 = bound(AF_INET6, NULL), on = 1;
		int fresh = TRY(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
		struct sockaddr_storage names[] = { name_of(one), name_of(any), name_of(six), name_of(connected) };
		struct sockaddr_storage gone_name = name_of(gone), gone6_name = name_of(gone6);

		TRY(setsockopt(any, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)));
		send_to(gone, one, "first", 5);
		send_to(any, one, "", 0);
		send_to(gone, one, large, sizeof(large));
		send_to(one, any, "to any", 6);
		send_to(gone, connected, "before", 6);
		await(connected);
		TRY(connect(connected, (struct sockaddr *)&names[0], sizeof(struct sockaddr_in)));
		send_to(one, connected, "after", 5);
		send_to(gone6, six, "of six", 6);
		send_to(gone, six, "of four", 7);
		await_unread(one, sizeof(large) + 5);
		await_unread(connected, 11);
		await(any);
		await(six);
		close(gone);
		close(gone6);

		test_ready();
		test_wait();

		for (int i = 0; i < 4; i++) {
			struct sockaddr_storage name = name_of((int[]){ one, any, six, connected }[i]);

			CHECK(memcmp(&name, &names[i], sizeof(name)) == 0, "socket %d has another address", i);
		}
		get(one, "first", 5, gone_name);
		((struct sockaddr_in *)&names[1])->sin_addr = loopback;
		get(one, "", 0, names[1]);
		get(one, large, sizeof(large), gone_name);
		get(any, "to any", 6, names[0]);
		get(connected, "before", 6, gone_name);
		get(connected, "after", 5, names[0]);
		get(six, "of six", 6, gone6_name);
		await(six);
		SAME(recv(six, buffer, sizeof(buffer), MSG_DONTWAIT), 7);
		CHECK(memcmp(buffer, "of four", 7) == 0, "a datagram of IPv4 is another");
		SAME(recv(one, buffer, 1, MSG_DONTWAIT), -1);
		SAME(fcntl(fresh, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(send(connected, "back", 4, 0), 4);
		await(one);
		get(one, "back", 4, names[3]);
		for (int fd = one; fd <= fresh; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

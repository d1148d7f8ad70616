// SPDX-License-Identifier: GPL-2.0-only
/* tcp(7) without connections: listening for both versions of IP, bound, new; options. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "test.h"

static void set(int fd, int level, int name, int value)
{
	TRY(setsockopt(fd, level, name, &value, sizeof(value)));
}

static int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	TRY(getsockopt(fd, level, name, &value, &length));
	return value;
}

static struct sockaddr_storage name;
static socklen_t length;

static in_port_t port_of(int fd)
{
	length = sizeof(name);
	TRY(getsockname(fd, (struct sockaddr *)&name, &length));
	return ((struct sockaddr_in *)&name)->sin_port;
}

/* A byte goes there and back. */
static void serve(int listener, int family, in_port_t port)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct linger at_once = { .l_onoff = 1 };
	int client = TRY(socket(family, SOCK_STREAM, 0)), server;
	char byte = 0;

	if (family == AF_INET)
		TRY(connect(client, (struct sockaddr *)&to4, sizeof(to4)));
	else
		TRY(connect(client, (struct sockaddr *)&to6, sizeof(to6)));
	WAIT_FOR(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 0) == 1);
	server = TRY(accept(listener, NULL, NULL));
	SAME(write(client, "x", 1), 1);
	SAME(read(server, &byte, 1), 1);
	SAME(byte, 'x');
	/* nothing of it stays behind */
	TRY(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(client);
	close(server);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
		int listener = TRY(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
		int listener6 = TRY(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
		int bound = TRY(socket(AF_INET, SOCK_STREAM, 0)), new = TRY(socket(AF_INET6, SOCK_STREAM, 0));
		in_port_t port, port6, bound_port;
		struct tcp_info info;

		set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
		set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
		set(listener, IPPROTO_TCP, TCP_KEEPIDLE, 77);
		TRY(bind(listener, (struct sockaddr *)&any, sizeof(any)));
		TRY(listen(listener, 5));
		port = port_of(listener);
		set(listener6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		TRY(bind(listener6, (struct sockaddr *)&any6, sizeof(any6)));
		TRY(listen(listener6, 6));
		port6 = port_of(listener6);
		TRY(bind(bound, (struct sockaddr *)&any, sizeof(any)));
		bound_port = port_of(bound);
		set(new, SOL_SOCKET, SO_KEEPALIVE, 1);

		test_ready();
		test_wait();

		SAME(port_of(listener), port);
		SAME(((struct sockaddr_in *)&name)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		SAME(port_of(listener6), port6);
		SAME(port_of(bound), bound_port);
		SAME(port_of(new), 0);
		SAME(fcntl(listener, F_GETFD), FD_CLOEXEC);
		SAME(fcntl(listener, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(fcntl(bound, F_GETFL) & O_NONBLOCK, 0);
		SAME(get(listener, SOL_SOCKET, SO_REUSEADDR), 1);
		SAME(get(listener, IPPROTO_TCP, TCP_NODELAY), 1);
		SAME(get(listener, IPPROTO_TCP, TCP_KEEPIDLE), 77);
		SAME(get(listener6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		SAME(get(new, SOL_SOCKET, SO_KEEPALIVE), 1);
		length = sizeof(info);
		TRY(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &length));
		SAME(info.tcpi_sacked, 5);
		serve(listener, AF_INET, port);
		serve(listener6, AF_INET6, port6);
		for (int fd = listener; fd <= new; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

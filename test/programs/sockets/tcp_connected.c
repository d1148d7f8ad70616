// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp(7): connections whose ends are both in the tree, in each state in which a program can leave one; with unread data,
 * and with as much on its way as the kernel takes, or so many bytes: tcp_connected [BYTES].
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "test.h"

enum { LONG = 8 << 20 };

struct pair { int client, server; };

static struct sockaddr_storage name;
static socklen_t length;
static char buffer[LONG], expected[LONG];
static size_t most = LONG;

static void name_of(int fd)
{
	length = sizeof(name);
	TRY(getsockname(fd, (struct sockaddr *)&name, &length));
}

static in_port_t port_of(int fd)
{
	name_of(fd);
	return ((struct sockaddr_in *)&name)->sin_port;
}

static int listen_on(int family)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	int fd = TRY(socket(family, SOCK_STREAM, 0)), on = 1;

	/* as servers do: connections that are over are in nobody's way */
	TRY(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	if (family == AF_INET)
		TRY(bind(fd, (struct sockaddr *)&any, sizeof(any)));
	else
		TRY(bind(fd, (struct sockaddr *)&any6, sizeof(any6)));
	TRY(listen(fd, 8));
	return fd;
}

/* Of IPv4, to whatever listens there. */
static int connect_to(int listener)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = TRY(socket(AF_INET, SOCK_STREAM, 0));

	to.sin_port = port_of(listener);
	TRY(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

static struct pair connected(int listener)
{
	struct pair pair = { .client = connect_to(listener) };

	pair.server = TRY(accept(listener, NULL, NULL));
	return pair;
}

static void put(int fd, const char *text)
{
	SAME(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void get(int fd, const char *text)
{
	char found[64];

	SAME(recv(fd, found, strlen(text), MSG_WAITALL), strlen(text));
	CHECK(memcmp(found, text, strlen(text)) == 0, "%.*s instead of %s", (int)strlen(text), found, text);
}

static void talk(struct pair pair)
{
	put(pair.client, "there");
	get(pair.server, "there");
	put(pair.server, "and back");
	get(pair.client, "and back");
}

static void wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	SAME(poll(&poll_fd, 1, 60000), 1);
}

/* As much as goes in; returns how much that was. */
static size_t fill(int fd)
{
	size_t size = 0;

	TRY(fcntl(fd, F_SETFL, O_NONBLOCK));
	while (size < most) {
		ssize_t sent = send(fd, expected + size, most - size, MSG_NOSIGNAL);

		if (sent > 0) {
			size += (size_t)sent;
			continue;
		}
		SAME(errno, EAGAIN);
		/* some of it may be on its way still: until nothing moves */
		if (poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 100) == 0)
			break;
	}
	TRY(fcntl(fd, F_SETFL, 0));
	return size;
}

static void check_filled(int fd, size_t size)
{
	SAME(recv(fd, buffer, size, MSG_WAITALL), size);
	CHECK(memcmp(buffer, expected, size) == 0, "what was on its way is not what was sent");
}

/* One that is on its way to where nobody listens. */
static int connect_in_vain(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int silent = TRY(socket(AF_INET, SOCK_STREAM, 0)), fd = TRY(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

	length = sizeof(name);
	TRY(bind(silent, (struct sockaddr *)&name, sizeof(name)));
	TRY(getsockname(silent, (struct sockaddr *)&name, &length));
	SAME(connect(fd, (struct sockaddr *)&name, sizeof(name)), -1);
	SAME(errno, EINPROGRESS);
	wait_for(fd, POLLERR);
	close(silent);
	return fd;
}

static void close_both(struct pair pair)
{
	close(pair.client);
	close(pair.server);
}

static struct sockaddr_storage ends[4];

static void note_ends(struct pair pair)
{
	struct sockaddr_storage *end = ends;

	memset(ends, 0, sizeof(ends));
	for (int i = 0; i < 2; i++) {
		int fd = i ? pair.server : pair.client;

		length = sizeof(*end);
		TRY(getsockname(fd, (struct sockaddr *)end++, &length));
		length = sizeof(*end);
		TRY(getpeername(fd, (struct sockaddr *)end++, &length));
	}
}

static int number(int fd, int level, int option)
{
	int value = -1;

	length = sizeof(value);
	TRY(getsockopt(fd, level, option, &value, &length));
	return value;
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);

	if (own < argc)
		most = (size_t)atoi(argv[own]);
	CHECK(most <= LONG, "more than %d bytes are too many", LONG);
	pattern_fill(expected, LONG, 42);
	do {
		int listener = listen_on(AF_INET), listener6 = listen_on(AF_INET6), waiting, refused, on = 1;
		const struct linger at_once = { .l_onoff = 1 };
		struct pair idle, unread, mapped, full, half, both, closed, reset, broken;
		struct sockaddr_storage before[4];
		size_t full_size;

		idle = connected(listener);
		TRY(setsockopt(idle.client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
		TRY(setsockopt(idle.server, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
		talk(idle);
		unread = connected(listener);
		put(unread.client, "read it later");
		put(unread.server, "this, too");
		mapped = connected(listener6);
		put(mapped.client, "of another family");
		full = connected(listener);
		full_size = fill(full.client);
		half = connected(listener);
		put(half.client, "the last words");
		TRY(shutdown(half.client, SHUT_WR));
		both = connected(listener);
		TRY(shutdown(both.client, SHUT_WR));
		wait_for(both.server, POLLIN);
		TRY(shutdown(both.server, SHUT_WR));
		wait_for(both.client, POLLIN);
		closed = connected(listener);
		put(closed.server, "farewell");
		close(closed.server);
		reset = connected(listener);
		TRY(setsockopt(reset.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
		close(reset.server);
		broken = connected(listener);
		put(broken.server, "farewell");
		TRY(shutdown(broken.server, SHUT_WR));
		wait_for(broken.client, POLLRDHUP);
		TRY(setsockopt(broken.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
		close(broken.server);
		wait_for(broken.client, POLLERR);
		refused = connect_in_vain();
		waiting = connect_to(listener);
		wait_for(listener, POLLIN);
		wait_for(reset.client, POLLIN);
		wait_for(closed.client, POLLRDHUP);
		wait_for(half.server, POLLRDHUP);
		note_ends(mapped);
		memcpy(before, ends, sizeof(before));

		test_ready();
		test_wait();

		note_ends(mapped);
		CHECK(memcmp(before, ends, sizeof(before)) == 0, "the addresses are others");
		talk(idle);
		SAME(number(idle.client, IPPROTO_TCP, TCP_NODELAY), 1);
		SAME(number(idle.server, IPPROTO_TCP, TCP_NODELAY), 0);
		SAME(number(idle.server, SOL_SOCKET, SO_REUSEADDR), 1);
		SAME(number(idle.client, SOL_SOCKET, SO_REUSEADDR), 0);
		SAME(number(idle.server, SOL_SOCKET, SO_KEEPALIVE), 1);
		get(unread.server, "read it later");
		get(unread.client, "this, too");
		talk(unread);
		get(mapped.server, "of another family");
		talk(mapped);
		check_filled(full.server, full_size);
		talk(full);
		get(half.server, "the last words");
		SAME(recv(half.server, buffer, 1, 0), 0);
		put(half.server, "an answer");
		get(half.client, "an answer");
		SAME(recv(both.server, buffer, 1, 0), 0);
		SAME(recv(both.client, buffer, 1, 0), 0);
		SAME(send(both.server, "x", 1, MSG_NOSIGNAL), -1);
		SAME(errno, EPIPE);
		get(closed.client, "farewell");
		SAME(recv(closed.client, buffer, 1, 0), 0);
		SAME(recv(reset.client, buffer, 1, 0), -1);
		SAME(errno, ECONNRESET);
		SAME(number(broken.client, SOL_SOCKET, SO_ERROR), EPIPE);
		get(broken.client, "farewell");
		SAME(recv(broken.client, buffer, 1, 0), 0);
		SAME(number(refused, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
		closed.server = TRY(accept(listener, NULL, NULL));
		talk((struct pair){ waiting, closed.server });
		/* nothing stays behind */
		TRY(setsockopt(waiting, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
		close_both((struct pair){ waiting, closed.server });
		close(closed.client);
		close(reset.client);
		close(broken.client);
		close(refused);
		close_both(idle);
		close_both(unread);
		close_both(mapped);
		close_both(full);
		close_both(half);
		close_both(both);
		close_both((struct pair){ listener, listener6 });
	} while (test_pass());
	return 0;
}

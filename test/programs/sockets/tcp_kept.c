// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp(7): tcp_kept ADDRESS PORT: connections to somebody who stays where it is when we are saved, and with whom they
 * are to go on as if nothing had been. The first byte of each tells it what to do.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "test.h"

enum {
	RECEIVED = 50000,
	TOTAL = 5 << 20,	/* more than both ends have room for */
};

static struct sockaddr_storage to;
static socklen_t to_len;

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static int connect_as(char role)
{
	int fd = TRY(socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	TRY(connect(fd, (struct sockaddr *)&to, to_len));
	SAME(send(fd, &role, 1, 0), 1);
	return fd;
}

static void set(int fd, int level, int name, int value)
{
	TRY(setsockopt(fd, level, name, &value, sizeof(value)));
}

static int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	TRY(getsockopt(fd, level, name, &value, &size));
	return value;
}

static int state_of(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	TRY(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	return info.tcpi_state;
}

static int unread(int fd)
{
	int bytes;

	TRY(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

static void expect_text(int fd, const char *text)
{
	char found[64] = {};
	size_t len = strlen(text);

	SAME(recv(fd, found, len, MSG_WAITALL), (long)len);
	CHECK(strcmp(found, text) == 0, "\"%s\" instead of \"%s\"", found, text);
}

static void expect_end(int fd)
{
	char byte;

	SAME(recv(fd, &byte, 1, 0), 0);
}

static void say(int fd, const char *text)
{
	SAME(send(fd, text, strlen(text), MSG_NOSIGNAL), (long)strlen(text));
}

/* Sends of the pattern from there on, until there is no room or it is over. Returns how far it came. */
static size_t send_pattern(int fd, size_t from, int flags)
{
	static uint8_t piece[65536];

	while (from < TOTAL) {
		size_t size = TOTAL - from < sizeof(piece) ? TOTAL - from : sizeof(piece);
		ssize_t sent;

		for (size_t i = 0; i < size; i++)
			piece[i] = pattern(from + i);
		sent = send(fd, piece, size, flags | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return from;
		from += (size_t)TRY(sent);
	}
	return from;
}

/* Until the other end takes no more: what is sent first goes on into its buffers. */
static size_t fill(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	size_t size = 0;

	do
		size = send_pattern(fd, size, MSG_DONTWAIT);
	while (poll(&room, 1, 500) == 1);
	CHECK(size < TOTAL, "there was room for all");
	return size;
}

int main(int argc, char **argv)
{
	int first = test_init(argc, argv), listener;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to;

	CHECK(first + 1 < argc, "no address is given");
	if (inet_pton(AF_INET, argv[first], &v4->sin_addr) == 1) {
		to.ss_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(argv[first + 1]));
		to_len = sizeof(*v4);
	} else {
		SAME(inet_pton(AF_INET6, argv[first], &v6->sin6_addr), 1);
		to.ss_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)atoi(argv[first + 1]));
		to_len = sizeof(*v6);
	}
	do {
		int idle = connect_as('i'), away = connect_as('a');
		int received = connect_as('r'), sending = connect_as('s');
		int closed = connect_as('c'), ended = connect_as('e'), both = connect_as('b');
		int asked = connect_as('q');
		uint8_t bytes[RECEIVED];
		size_t sent, sent_both;
		int accepted;
		char port[16];
		struct sockaddr_storage own;
		socklen_t own_len = sizeof(own);

		/* while it is held back it gets no answer; but a dump on a slow machine is not to take longer than this */
		set(idle, SOL_SOCKET, SO_KEEPALIVE, 1);
		set(idle, IPPROTO_TCP, TCP_KEEPIDLE, 30);
		set(idle, IPPROTO_TCP, TCP_KEEPINTVL, 30);
		set(idle, IPPROTO_TCP, TCP_KEEPCNT, 3);
		set(idle, IPPROTO_TCP, TCP_USER_TIMEOUT, 90000);
		set(idle, IPPROTO_TCP, TCP_NODELAY, 1);
		set(sending, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 100000);

		/* who is called by the other end */
		listener = TRY(socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
		own = to;
		if (own.ss_family == AF_INET)
			((struct sockaddr_in *)&own)->sin_port = 0;
		else
			((struct sockaddr_in6 *)&own)->sin6_port = 0;
		TRY(bind(listener, (struct sockaddr *)&own, to_len));
		TRY(listen(listener, 1));
		TRY(getsockname(listener, (struct sockaddr *)&own, &own_len));
		snprintf(port, sizeof(port), "%05u", ntohs(((struct sockaddr_in *)&own)->sin_port));
		say(idle, port);
		accepted = TRY(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		expect_text(accepted, "called");

		WAIT_FOR(unread(received) == RECEIVED);
		sent = fill(sending);
		say(closed, "bye");
		TRY(shutdown(closed, SHUT_WR));
		WAIT_FOR(state_of(closed) == TCP_FIN_WAIT2);
		WAIT_FOR(state_of(ended) == TCP_CLOSE_WAIT);
		WAIT_FOR(state_of(both) == TCP_CLOSE_WAIT);
		sent_both = fill(both);
		TRY(shutdown(both, SHUT_WR));
		SAME(state_of(both), TCP_LAST_ACK);

		/* the usual one that is closed half-way: the question has been read, with its end */
		expect_text(asked, "question");
		expect_end(asked);

		test_ready();
		test_wait();

		SAME(state_of(idle), TCP_ESTABLISHED);
		SAME(get(idle, SOL_SOCKET, SO_KEEPALIVE), 1);
		SAME(get(idle, IPPROTO_TCP, TCP_KEEPCNT), 3);
		SAME(get(idle, IPPROTO_TCP, TCP_USER_TIMEOUT), 90000);
		SAME(get(sending, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 100000);
		say(idle, "hello");
		expect_text(idle, "hello yourself");
		say(accepted, "here");
		expect_text(accepted, "here too");
		expect_text(away, "while you were away");

		SAME(unread(received), RECEIVED);
		SAME(recv(received, bytes, RECEIVED, MSG_WAITALL), RECEIVED);
		for (size_t i = 0; i < RECEIVED; i++)
			CHECK(bytes[i] == pattern(i), "byte %zu is %d", i, bytes[i]);
		say(received, "got it");
		expect_text(received, "fine");

		SAME(send_pattern(sending, sent, 0), TOTAL);
		TRY(shutdown(sending, SHUT_WR));
		expect_text(sending, "all of it");
		expect_end(sending);

		expect_text(closed, "bye bye");
		expect_end(closed);

		SAME(state_of(ended), TCP_CLOSE_WAIT);
		SAME(unread(ended), 3);
		expect_text(ended, "end");
		expect_end(ended);
		say(ended, "and my end");
		TRY(shutdown(ended, SHUT_WR));

		expect_end(asked);
		say(asked, "answer");
		TRY(shutdown(asked, SHUT_WR));

		expect_text(both, "end");
		expect_end(both);
		CHECK(state_of(both) == TCP_LAST_ACK || state_of(both) == TCP_CLOSE, "state %d", state_of(both));
		/* the other end tells how much came of what was on its way */
		snprintf((char *)bytes, sizeof(bytes), "%08zu", sent_both);
		say(idle, (char *)bytes);
		expect_text(idle, "so many");
		close(idle);
		close(away);
		close(received);
		close(sending);
		close(closed);
		close(ended);
		close(both);
		close(asked);
		close(accepted);
		close(listener);
	} while (test_pass());
	return 0;
}

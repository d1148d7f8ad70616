// SPDX-License-Identifier: GPL-2.0-only
/*
 * unix(7), what is left when somebody has gone: clients of accepted connections, the socket that listened for them, senders of datagrams, a peer that
 * had not read everything, one that had more room to send than others.
 */
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test.h"

#define LARGE (1 << 20)

static struct sockaddr_un address;
static socklen_t length;

/* A path, or, with '@' in front, an abstract name. */
static const struct sockaddr *named(const char *name)
{
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@'));
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	return (const struct sockaddr *)&address;
}

static int bound(int type, const char *name)
{
	int fd = TRY(socket(AF_UNIX, type | SOCK_NONBLOCK, 0));
	const struct sockaddr *to = named(name);

	TRY(bind(fd, to, length));
	return fd;
}

static int client(int type, const char *name)
{
	int fd = TRY(socket(AF_UNIX, type | SOCK_NONBLOCK, 0));
	const struct sockaddr *to = named(name);

	TRY(connect(fd, to, length));
	return fd;
}

static void put(int fd, const char *text)
{
	SAME(send(fd, text, strlen(text), 0), strlen(text));
}

static void expect(int fd, const char *text)
{
	char found[64] = "";
	ssize_t n = recv(fd, found, sizeof(found) - 1, MSG_DONTWAIT);

	CHECK(n == (ssize_t)strlen(text) && !memcmp(found, text, (size_t)n), "found \"%s\" (%zd, %s), not \"%s\"", found, n,
	      n < 0 ? strerror(errno) : "", text);
}

static void expect_name(int fd, const char *name)
{
	struct sockaddr_un found = { 0 };
	socklen_t size = sizeof(found);
	const struct sockaddr *wanted = named(name);

	TRY(getsockname(fd, (struct sockaddr *)&found, &size));
	CHECK(size == length && !memcmp(&found, wanted, size), "descriptor %d has another name than \"%s\"", fd, name);
}

int main(int argc, char **argv)
{
	static char sent[LARGE], got[LARGE];
	char listening[2][128], left[2][128], datagrams[128], sender[64];

	test_init(argc, argv);
	snprintf(listening[0], sizeof(listening[0]), "%s", test_path(".listening"));
	snprintf(listening[1], sizeof(listening[1]), "@crctl-listening-%d", getpid());
	snprintf(left[0], sizeof(left[0]), "%s", test_path(".left"));
	snprintf(left[1], sizeof(left[1]), "@crctl-left-%d", getpid());
	snprintf(datagrams, sizeof(datagrams), "@crctl-datagrams-%d", getpid());
	snprintf(sender, sizeof(sender), "@crctl-sender-%d", getpid());
	do {
		int listeners[2], served[2], left_listener, ends[2][2], others[2][2], box, fd, reset[2], large[2], size = LARGE, silent;
		char byte;

		/* who listens is there, whom it served is not */
		for (int i = 0; i < 2; i++) {
			listeners[i] = bound(SOCK_STREAM, listening[i]);
			TRY(listen(listeners[i], 4));
			fd = client(SOCK_STREAM, listening[i]);
			served[i] = TRY(accept(listeners[i], NULL, NULL));
			put(fd, "a legacy");
			close(fd);
		}
		/* who listened is not there, those that it served are */
		for (int i = 0; i < 2; i++) {
			left_listener = bound(SOCK_STREAM, left[i]);
			TRY(listen(left_listener, 4));
			for (int n = 0; n < 2; n++) {
				others[i][n] = client(SOCK_STREAM, left[i]);
				ends[i][n] = TRY(accept(left_listener, NULL, NULL));
			}
			close(left_listener);
		}
		/* who sent is not there: two without a name, two messages of one that had one */
		box = bound(SOCK_DGRAM, datagrams);
		for (int i = 0; i < 2; i++) {
			fd = client(SOCK_DGRAM, datagrams);
			put(fd, i ? "second" : "first");
			close(fd);
		}
		fd = bound(SOCK_DGRAM, sender);
		named(datagrams);
		TRY(connect(fd, (struct sockaddr *)&address, length));
		put(fd, "third");
		put(fd, "fourth");
		close(fd);
		/* who has gone had something unread: that is told once */
		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, reset));
		put(reset[1], "before the end");
		put(reset[0], "never read");
		close(reset[1]);
		/* who has gone had more room than others */
		TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, large));
		TRY(setsockopt(large[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)));
		pattern_fill(sent, sizeof(sent), 9);
		SAME(write(large[1], sent, sizeof(sent)), sizeof(sent));
		close(large[1]);
		/* it listens no more, and says so */
		silent = bound(SOCK_SEQPACKET, sender);
		TRY(listen(silent, 1));
		TRY(shutdown(silent, SHUT_RD));

		test_ready();
		test_wait();

		for (int i = 0; i < 2; i++) {
			expect_name(served[i], listening[i]);
			expect(served[i], "a legacy");
			SAME(recv(served[i], &byte, 1, 0), 0);
			fd = client(SOCK_STREAM, listening[i]);
			close(TRY(accept(listeners[i], NULL, NULL)));
			close(fd);
		}
		for (int i = 0; i < 2; i++) {
			for (int n = 0; n < 2; n++) {
				expect_name(ends[i][n], left[i]);
				put(others[i][n], "still there");
				expect(ends[i][n], "still there");
			}
			fd = TRY(socket(AF_UNIX, SOCK_STREAM, 0));
			named(left[i]);
			CHECK(connect(fd, (struct sockaddr *)&address, length) < 0 && errno == ECONNREFUSED, "somebody listens");
			close(fd);
		}
		expect(box, "first");
		expect(box, "second");
		for (int i = 0; i < 2; i++) {
			struct sockaddr_un from = { 0 };
			socklen_t from_length = sizeof(from);

			SAME(recvfrom(box, got, sizeof(got), 0, (struct sockaddr *)&from, &from_length), i ? 6 : 5);
			CHECK(!memcmp(from.sun_path + 1, sender + 1, strlen(sender) - 1), "from \"%s\"", from.sun_path + 1);
		}
		SAME(poll(&(struct pollfd){ .fd = reset[0] }, 1, 0), 1);
		expect(reset[0], "before the end");
		CHECK(recv(reset[0], &byte, 1, 0) < 0 && errno == ECONNRESET, "it is not told that what it sent was not read");
		SAME(recv(reset[0], &byte, 1, 0), 0);
		SAME(recv(large[0], got, sizeof(got), MSG_WAITALL), sizeof(got));
		pattern_check(got, sizeof(got), 9, "what was unread");
		SAME(recv(large[0], &byte, 1, 0), 0);
		SAME(poll(&(struct pollfd){ .fd = silent, .events = POLLRDHUP }, 1, 0), 1);

		for (int i = 0; i < 2; i++) {
			close(listeners[i]);
			close(served[i]);
			for (int n = 0; n < 2; n++) {
				close(ends[i][n]);
				close(others[i][n]);
			}
		}
		close(box);
		close(reset[0]);
		close(large[0]);
		close(silent);
		TRY(unlink(listening[0]));
		TRY(unlink(left[0]));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Classic BPF programs that look at what comes to sockets (SO_ATTACH_FILTER), locked or not, and none, locked: what they drop does not come. */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

/* Whole messages, but for those whose byte at that offset is 'x'. */
#define NO_X(offset) { \
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'x', 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, 0), \
	BPF_STMT(BPF_RET | BPF_K, 0xffffffff), \
}

static const struct sock_filter of_unix[] = NO_X(0);
static const struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };

static void attach(int fd, const struct sock_filter *code, size_t count)
{
	const struct sock_fprog program = { (unsigned short)count, (struct sock_filter *)code };

	TRY(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

static void still(int fd, const struct sock_filter *code, size_t count)
{
	struct sock_filter found[8];
	socklen_t length = COUNT(found);

	TRY(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, found, &length));
	SAME(length, count);
	CHECK(memcmp(found, code, count * sizeof(*code)) == 0, "the filter is another one");
}

static void say(int fd, const char *text) { SAME(send(fd, text, strlen(text), 0), strlen(text)); }

static void is_locked(int fd)
{
	socklen_t length = sizeof(int);
	int locked = 0;

	TRY(getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, &length));
	SAME(locked, 1);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &locked, sizeof(locked)) < 0 && errno == EPERM, "the filter is not locked any more");
}

static void hear(int fd, const char *text)
{
	char buffer[16] = "";

	SAME(recv(fd, buffer, sizeof(buffer) - 1, 0), strlen(text));
	CHECK(strcmp(buffer, text) == 0, "\"%s\" came, and not \"%s\"", buffer, text);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int pair[2], stream[2], on = 1, route = TRY(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));

		TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
		/* what was there before may be what would be dropped now */
		say(pair[1], "x old");
		attach(pair[0], of_unix, COUNT(of_unix));
		attach(stream[0], nothing, COUNT(nothing));
		attach(route, nothing, COUNT(nothing));
		TRY(setsockopt(stream[0], SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)));
		TRY(setsockopt(stream[1], SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)));
		say(pair[1], "x dropped");
		say(pair[1], "kept");

		test_ready();
		test_wait();

		still(pair[0], of_unix, COUNT(of_unix));
		still(stream[0], nothing, COUNT(nothing));
		still(route, nothing, COUNT(nothing));
		say(pair[1], "x dropped");
		say(pair[1], "new");
		hear(pair[0], "x old");
		hear(pair[0], "kept");
		hear(pair[0], "new");
		is_locked(stream[0]);
		is_locked(stream[1]);
		TRY(setsockopt(pair[0], SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)));
		for (int i = 0; i < 2; i++) {
			close(pair[i]);
			close(stream[i]);
		}
		close(route);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * unix(7), connections: pairs of both kinds, what is unread in them both ways, ends that are shut down or gone, one that a child shares,
 * one whose reader is blocked.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "test.h"

#define LARGE 100000

static int blocked[2];
static pid_t reader_tid;

static void *reader(void *arg)
{
	char text[8];

	(void)arg;
	__atomic_store_n(&reader_tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	SAME(read(blocked[0], text, sizeof(text)), 4);
	CHECK(!memcmp(text, "wake", 4), "woken by something else");
	return NULL;
}

static void expect(int fd, const char *text)
{
	char found[64] = "";
	ssize_t n = recv(fd, found, sizeof(found) - 1, MSG_DONTWAIT);

	CHECK(n == (ssize_t)strlen(text) && !memcmp(found, text, (size_t)n), "found \"%s\" (%zd), not \"%s\"", found, n, text);
}

static void expect_empty(int fd)
{
	char byte;

	CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "descriptor %d has more", fd);
}

static void expect_end(int fd)
{
	char byte;

	SAME(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
}

static void child(void *arg)
{
	int *ends = arg;

	close(ends[0]);
	test_child_ready();
	test_wait();
	expect(ends[1], "for the child");
	TRY(write(ends[1], "from the child", 14));
}

static void put(int fd, const char *text)
{
	SAME(write(fd, text, strlen(text)), strlen(text));
}

int main(int argc, char **argv)
{
	static char sent[LARGE], got[LARGE];

	test_init(argc, argv);
	do {
		int stream[2], packets[2], half[2], gone[2], shared[2], large[2], size = 200000, value;
		socklen_t length = sizeof(value);
		struct timeval timeout = { .tv_sec = 77 };
		pthread_t thread;
		pid_t pid;

		TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream));
		put(stream[0], "one");
		put(stream[0], "two");
		put(stream[1], "back");
		TRY(setsockopt(stream[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)));

		TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, packets));
		put(packets[0], "first");
		put(packets[0], "second packet");
		put(packets[1], "another");

		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, half));
		put(half[0], "last words");
		TRY(shutdown(half[0], SHUT_WR));

		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, gone));
		put(gone[1], "a legacy");
		close(gone[1]);

		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, shared));
		put(shared[0], "for the child");
		pid = test_fork(child, shared);
		close(shared[1]);

		TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, large));
		TRY(setsockopt(large[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
		pattern_fill(sent, sizeof(sent), 5);
		SAME(write(large[0], sent, sizeof(sent)), sizeof(sent));

		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, blocked));
		reader_tid = 0;
		TRY0(pthread_create(&thread, NULL, reader, NULL));
		WAIT_FOR(__atomic_load_n(&reader_tid, __ATOMIC_ACQUIRE));
		proc_wait_syscall(reader_tid, SYS_read);

		test_ready();
		test_wait();

		SAME(fcntl(stream[0], F_GETFD), FD_CLOEXEC);
		SAME(fcntl(stream[0], F_GETFL) & O_NONBLOCK, 0);
		SAME(fcntl(packets[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		expect(stream[1], "onetwo");
		expect_empty(stream[1]);
		expect(stream[0], "back");
		put(stream[0], "again");
		expect(stream[1], "again");
		length = sizeof(timeout);
		TRY(getsockopt(stream[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, &length));
		SAME(timeout.tv_sec, 77);

		expect(packets[1], "first");
		expect(packets[1], "second packet");
		expect_empty(packets[1]);
		expect(packets[0], "another");

		expect(half[1], "last words");
		expect_end(half[1]);
		put(half[1], "an answer");
		expect(half[0], "an answer");
		CHECK(send(half[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "it sends again");

		expect(gone[0], "a legacy");
		expect_end(gone[0]);
		CHECK(send(gone[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "somebody is there");

		test_finish(pid);
		expect(shared[0], "from the child");
		expect_end(shared[0]);

		length = sizeof(value);
		TRY(getsockopt(large[0], SOL_SOCKET, SO_SNDBUF, &value, &length));
		SAME(value, 2 * size);
		SAME(recv(large[1], got, sizeof(got), MSG_WAITALL), sizeof(got));
		pattern_check(got, sizeof(got), 5, "what was unread");
		expect_empty(large[1]);

		put(blocked[1], "wake");
		TRY0(pthread_join(thread, NULL));
		for (int fd = stream[0]; fd <= blocked[1]; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll(7): targets of several kinds, level and edge triggered, spent and unspent one-shots, one inside another, numbers that have gone or belong
 * to something else by now.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "test.h"

static void watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

/* Those that are told now, one bit for each data. */
static uint64_t told(int epoll)
{
	struct epoll_event events[16];
	uint64_t bits = 0;
	int n = TRY(epoll_wait(epoll, events, COUNT(events), 0));

	for (int i = 0; i < n; i++)
		bits |= 1ull << events[i].data.u64;
	return bits;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int outer = TRY(epoll_create1(EPOLL_CLOEXEC)), inner = TRY(epoll_create1(0)), edges = TRY(epoll_create1(0));
		int shots = TRY(epoll_create1(0)), idle = TRY(epoll_create1(0));
		int ready = TRY(eventfd(1, EFD_NONBLOCK)), quiet = TRY(eventfd(0, EFD_NONBLOCK));
		int pipe_ends[2], moved, copy, number;

		TRY(pipe2(pipe_ends, O_NONBLOCK));
		/* level triggered, and one that watches another */
		watch(inner, ready, EPOLLIN, 1);
		watch(inner, pipe_ends[0], EPOLLIN | EPOLLRDHUP | EPOLLPRI, 2);
		watch(outer, inner, EPOLLIN, 3);
		/* edge triggered: one told, so that nothing is new */
		watch(edges, ready, EPOLLIN | EPOLLET, 4);
		watch(edges, quiet, EPOLLIN | EPOLLET, 5);
		SAME(told(edges), 1 << 4);
		SAME(told(edges), 0);
		/* one-shot: spent, where something would be told, and not */
		watch(shots, ready, EPOLLIN | EPOLLONESHOT, 6);
		SAME(told(shots), 1 << 6);
		watch(shots, pipe_ends[0], EPOLLIN | EPOLLONESHOT, 7);
		/* the number of a target that is another's now, and one that nobody has */
		moved = TRY(eventfd(0, EFD_NONBLOCK));
		number = TRY(eventfd(0, EFD_NONBLOCK));
		watch(idle, number, EPOLLIN, 8);
		copy = TRY(fcntl(number, F_DUPFD, 700));
		TRY(dup2(quiet, number));
		watch(idle, number, EPOLLIN | EPOLLET, 9);
		watch(idle, moved, EPOLLOUT | EPOLLET, 10);
		close(moved);
		moved = TRY(fcntl(ready, F_DUPFD, 800));

		/* `moved` was closed and its description with it: nothing watches it */
		test_ready();
		test_wait();

		SAME(fcntl(outer, F_GETFD), FD_CLOEXEC);
		SAME(told(outer), 1 << 3);
		SAME(told(inner), 1 << 1);
		SAME(told(edges), 0);
		TRY(eventfd_write(quiet, 1));
		SAME(told(edges), 1 << 5);
		SAME(told(edges), 0);
		SAME(told(shots), 0);
		TRY(write(pipe_ends[1], "x", 1));
		SAME(told(shots), 1 << 7);
		SAME(told(shots), 0);
		SAME(told(inner), 1 << 1 | 1 << 2);
		struct epoll_event again = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 6 };
		TRY(epoll_ctl(shots, EPOLL_CTL_MOD, ready, &again));
		SAME(told(shots), 1 << 6);
		SAME(told(idle), 1 << 9);
		TRY(eventfd_write(copy, 1));
		SAME(told(idle), 1 << 8);
		/* under its number it can be taken away, as before */
		TRY(epoll_ctl(idle, EPOLL_CTL_DEL, number, NULL));
		CHECK(epoll_ctl(idle, EPOLL_CTL_DEL, copy, NULL) < 0 && errno == ENOENT, "it was added under another number");
		close(moved);
		close(copy);
		for (int fd = outer; fd <= number; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

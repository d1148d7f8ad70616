// SPDX-License-Identifier: GPL-2.0-only
/* signalfd(2): masks, signals that wait to be read, one of which is of a thread. */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "test.h"

static int make(int first, int second, int flags)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, first);
	if (second)
		sigaddset(&set, second);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));
	return TRY(signalfd(-1, &set, flags));
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int one = make(SIGHUP, 0, SFD_NONBLOCK | SFD_CLOEXEC), two = make(SIGRTMIN + 1, SIGWINCH, SFD_NONBLOCK);
		int epoll = TRY(epoll_create1(0));
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = 11 };
		struct signalfd_siginfo info;

		TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, one, &event));
		TRY(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 4711 }));
		TRY(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 4712 }));

		test_ready();
		test_wait();

		CHECK(read(one, &info, sizeof(info)) < 0 && errno == EAGAIN, "a signal that was not sent");
		SAME(fcntl(one, F_GETFD), FD_CLOEXEC);
		SAME(read(two, &info, sizeof(info)), sizeof(info));
		SAME(info.ssi_signo, SIGRTMIN + 1);
		SAME(info.ssi_int, 4711);
		SAME(read(two, &info, sizeof(info)), sizeof(info));
		SAME(info.ssi_int, 4712);
		CHECK(read(two, &info, sizeof(info)) < 0 && errno == EAGAIN, "a third signal");
		SAME(epoll_wait(epoll, &event, 1, 0), 0);
		TRY(kill(getpid(), SIGHUP));
		TRY(kill(getpid(), SIGWINCH));
		/* a signal wakes those who watch the tasks it is for */
		SAME(epoll_wait(epoll, &event, 1, 60000), 1);
		SAME(event.data.u64, 11);
		SAME(read(one, &info, sizeof(info)), sizeof(info));
		SAME(info.ssi_signo, SIGHUP);
		SAME(read(two, &info, sizeof(info)), sizeof(info));
		SAME(info.ssi_signo, SIGWINCH);
		close(one);
		close(two);
		close(epoll);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * O_ASYNC: who is told, by which signal, and of which descriptor; and that what is unread already is not told of again. With a descriptor whose
 * number lies far from the others.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "test.h"

#define SIGNAL (SIGRTMIN + 3)
#define FAR 333

static void watch(int fd)
{
	TRY(fcntl(fd, F_SETOWN, getpid()));
	TRY(fcntl(fd, F_SETSIG, SIGNAL));
	TRY(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
}

static void expect_told(const sigset_t *set, int fd)
{
	const struct timespec minute = { .tv_sec = 60 };
	siginfo_t info;

	SAME(TRY(sigtimedwait(set, &info, &minute)), SIGNAL);
	SAME(info.si_fd, fd);
	SAME(info.si_code, POLL_IN);
}

static void expect_silence(const sigset_t *set)
{
	const struct timespec now = { 0 };
	siginfo_t info;

	CHECK(sigtimedwait(set, &info, &now) < 0 && errno == EAGAIN, "descriptor %d was told of once more", info.si_fd);
}

int main(int argc, char **argv)
{
	sigset_t set;

	test_init(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));
	do {
		int ends[2], pair[2], far, pipe_end;
		char text[16];

		TRY(pipe(ends));
		far = TRY(fcntl(ends[0], F_DUPFD, FAR));
		close(ends[0]);
		pipe_end = far;
		watch(pipe_end);
		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		watch(pair[0]);
		SAME(write(pair[1], "told already", 12), 12);
		expect_told(&set, pair[0]);

		test_ready();
		test_wait();

		expect_silence(&set);
		SAME(fcntl(pipe_end, F_GETOWN), getpid());
		SAME(fcntl(pipe_end, F_GETSIG), SIGNAL);
		CHECK(fcntl(pipe_end, F_GETFL) & O_ASYNC, "O_ASYNC is gone");
		SAME(write(ends[1], "x", 1), 1);
		expect_told(&set, pipe_end);
		SAME(recv(pair[0], text, sizeof(text), 0), 12);
		SAME(write(pair[1], "y", 1), 1);
		expect_told(&set, pair[0]);
		expect_silence(&set);
		close(far);
		close(ends[1]);
		close(pair[0]);
		close(pair[1]);
		/* what closing the ends told */
		while (sigtimedwait(&set, NULL, &(struct timespec){ 0 }) > 0)
			;
	} while (test_pass());
	return 0;
}

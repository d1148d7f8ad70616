// SPDX-License-Identifier: GPL-2.0-only
/*
 * pidfd_open(2): of the process itself, of its child, of a zombie, of one that is gone; one that two others share, and one that epoll
 * watches.
 */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test.h"

#define NONBLOCK O_NONBLOCK

static int pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)TRY(syscall(SYS_pidfd_open, pid, flags));
}

static int signal_by(int fd, int signo)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
}

static bool has_ended(int fd)
{
	struct pollfd file = { .fd = fd, .events = POLLIN };

	return TRY(poll(&file, 1, 0)) == 1;
}

static long pid_of(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return strtol(proc_field(path, "Pid"), NULL, 10);
}

static int own = -1, first = -1;
static pid_t first_pid;

static void child(void *arg)
{
	(void)arg;
	test_child_ready();
	test_wait();
	SAME(pid_of(own), getppid());
	SAME(signal_by(own, 0), 0);
}

/* It has the first child's descriptor from its parent. */
static void sibling(void *arg)
{
	child(arg);
	SAME(pid_of(first), first_pid);
	SAME(signal_by(first, 0), 0);
	CHECK(!has_ended(first), "the other child has ended");
}

static pid_t end_at_once(int status)
{
	pid_t pid = TRY(fork());

	if (pid == 0)
		_exit(status);
	return pid;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = 1 };
		pid_t second_pid, zombie_pid, gone_pid;
		int epoll, second, zombie, gone;
		siginfo_t info;

		own = pidfd_open(getpid(), 0);
		first_pid = test_fork(child, NULL);
		first = pidfd_open(first_pid, NONBLOCK);
		TRY(fcntl(first, F_SETFD, 0));
		second_pid = test_fork(sibling, NULL);
		second = pidfd_open(second_pid, 0);
		zombie_pid = end_at_once(3);
		zombie = pidfd_open(zombie_pid, 0);
		proc_wait_state(zombie_pid, 'Z');
		gone_pid = end_at_once(0);
		gone = pidfd_open(gone_pid, 0);
		test_reap(gone_pid);
		epoll = TRY(epoll_create1(0));
		TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, first, &event));
		event.data.u64 = 2;
		TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, zombie, &event));

		test_ready();
		test_wait();

		SAME(pid_of(own), getpid());
		SAME(pid_of(first), first_pid);
		SAME(pid_of(second), second_pid);
		SAME(pid_of(zombie), zombie_pid);
		SAME(pid_of(gone), -1);
		SAME(syscall(SYS_kcmp, getpid(), second_pid, KCMP_FILE, first, first), 0);
		SAME(fcntl(first, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(fcntl(second, F_GETFL) & O_NONBLOCK, 0);
		SAME(fcntl(first, F_GETFD), 0);
		SAME(fcntl(second, F_GETFD), FD_CLOEXEC);
		SAME(has_ended(own), false);
		SAME(has_ended(first), false);
		SAME(has_ended(zombie), true);
		SAME(has_ended(gone), true);
		CHECK(signal_by(gone, 0) < 0 && errno == ESRCH, "a process that was gone can be signalled");
		CHECK(waitid(3 /* P_PIDFD */, (id_t)first, &info, WEXITED) < 0 && errno == EAGAIN, "it is not non-blocking to wait(2)");
		SAME(epoll_wait(epoll, &event, 1, 0), 1);
		SAME(event.data.u64, 2);
		TRY(waitid(3, (id_t)zombie, &info, WEXITED));
		SAME(info.si_pid, zombie_pid);
		SAME(info.si_status, 3);
		TRY(epoll_ctl(epoll, EPOLL_CTL_DEL, zombie, NULL));
		SAME(epoll_wait(epoll, &event, 1, 0), 0);
		test_finish(second_pid);
		SAME(has_ended(second), true);
		test_finish(first_pid);
		SAME(epoll_wait(epoll, &event, 1, 60000), 1);
		SAME(event.data.u64, 1);
		for (int fd = own; fd <= epoll; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks blocked waiting for a signal: sigsuspend, pause, ppoll and pselect
 * with a temporary mask, sigwaitinfo. They wait on, with the temporary mask,
 * and have the old mask back after the signal came.
 */
#include "test.h"

#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/syscall.h>

static volatile sig_atomic_t seen;

static void on_signal(int signo)
{
	seen = signo;
}

static int by_sigsuspend(sigset_t *temporary) { return sigsuspend(temporary); }
static int by_ppoll(sigset_t *temporary) { return ppoll(NULL, 0, NULL, temporary); }
static int by_pselect(sigset_t *temporary) { return pselect(0, NULL, NULL, NULL, NULL, temporary); }
static int by_pause(sigset_t *temporary) { sigprocmask(SIG_SETMASK, temporary, NULL); return pause(); }

static struct way {
	int (*wait)(sigset_t *temporary);
	long syscall;
	bool mask_stays;	/* pause() has no mask of its own */
} ways[] = {
	{ by_sigsuspend, SYS_rt_sigsuspend, false },
	{ by_ppoll, SYS_ppoll, false },
	{ by_pselect, SYS_pselect6, false },
	{ by_pause, SYS_pause, true },
};

static void waiter(void *arg)
{
	struct way *way = arg;
	sigset_t outside, temporary, now;

	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	sigemptyset(&outside);
	sigaddset(&outside, SIGTERM);
	sigaddset(&outside, SIGHUP);
	TRY(sigprocmask(SIG_SETMASK, &outside, NULL));
	sigemptyset(&temporary);
	sigaddset(&temporary, SIGHUP);
	test_child_ready();

	int result = way->wait(&temporary);

	CHECK(result == -1 && errno == EINTR, "returned %d: %s", result, strerror(errno));
	SAME(seen, SIGTERM);
	TRY(sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(memcmp(&now, way->mask_stays ? &temporary : &outside, 8) == 0, "the mask was not put back");
}

static void sigwaiter(void *arg)
{
	sigset_t set;
	siginfo_t info;
	int signo;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));
	test_child_ready();
	/* Every stop ends this call with EINTR, see signal(7). */
	do
		signo = sigwaitinfo(&set, &info);
	while (signo == -1 && errno == EINTR);
	SAME(signo, SIGTERM);
	SAME(info.si_pid, getppid());
}

int main(int argc, char **argv)
{
	pid_t pid[COUNT(ways) + 1];

	test_init(argc, argv);
	do {
		for (size_t i = 0; i < COUNT(ways); i++) {
			pid[i] = test_fork(waiter, &ways[i]);
			proc_wait_syscall(pid[i], ways[i].syscall);
		}
		pid[COUNT(ways)] = test_fork(sigwaiter, NULL);
		proc_wait_syscall(pid[COUNT(ways)], SYS_rt_sigtimedwait);
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(ways); i++) {
			proc_wait_syscall(pid[i], ways[i].syscall);
			/* Blocked by the temporary mask, so it must not end the wait. */
			TRY(kill(pid[i], SIGHUP));
		}
		for (size_t i = 0; i <= COUNT(ways); i++) {
			TRY(kill(pid[i], SIGTERM));
			test_reap(pid[i]);
		}
	} while (test_pass());
	return 0;
}

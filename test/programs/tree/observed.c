// SPDX-License-Identifier: GPL-2.0-only
/*
 * A parent and a child that must not notice a dump of the child which leaves
 * it running: no signal and no wait status for the parent; no signal and no
 * interrupted call for the child.
 */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>

static volatile sig_atomic_t signals;

static void on_any(int signo)
{
	(void)signo;
	signals++;
}

static int wake[2];

static void child(void *arg)
{
	char byte;

	(void)arg;
	close(wake[1]);
	for (int signo = 1; signo < 32; signo++)
		if (signo != SIGKILL && signo != SIGSTOP && signo != SIGCHLD)
			signal(signo, on_any);
	test_child_ready();
	/* read() is restarted; a signal's handler would show all the same. */
	SAME(read(wake[0], &byte, 1), 1);
	SAME(signals, 0);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		struct sigaction action = { .sa_handler = on_any };
		siginfo_t info = { 0 };

		TRY(pipe(wake));
		pid_t pid = test_fork(child, NULL);
		close(wake[0]);
		TRY(sigaction(SIGCHLD, &action, NULL));	/* without SA_NOCLDSTOP: any stop is told */
		signals = 0;
		test_ready();
		test_wait();

		SAME(signals, 0);
		info.si_pid = 0;
		TRY(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG));
		SAME(info.si_pid, 0);
		signal(SIGCHLD, SIG_DFL);
		SAME(write(wake[1], "x", 1), 1);
		close(wake[1]);
		test_reap(pid);
	} while (test_pass());
	return 0;
}

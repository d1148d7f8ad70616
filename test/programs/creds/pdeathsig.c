// SPDX-License-Identifier: GPL-2.0-only
/* The parent-death signal and the subreaper: not only kept, they also take effect after the restore. */
#include "test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void grandchild(void *arg)
{
	sigset_t death;
	siginfo_t info;
	int signo;

	(void)arg;
	sigemptyset(&death);
	sigaddset(&death, SIGTERM);
	TRY(sigprocmask(SIG_BLOCK, &death, NULL));
	TRY(prctl(PR_SET_PDEATHSIG, SIGTERM));
	pid_t parent = getppid();
	test_child_ready();
	do
		signo = sigwaitinfo(&death, &info);
	while (signo == -1 && errno == EINTR);
	SAME(signo, SIGTERM);
	CHECK(info.si_pid == parent, "the signal came from %d, not from the parent", info.si_pid);
	_exit(23);
}

static void child(void *arg)
{
	(void)arg;
	test_fork(grandchild, NULL);
	test_child_ready();
	test_wait();
}

int main(int argc, char **argv)
{
	int status, pid;

	test_init(argc, argv);
	TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));
	do {
		pid_t middle = test_fork(child, NULL);
		test_ready();
		test_wait();

		test_finish(middle);
		/* The orphan has become ours, being under a subreaper, and its end too. */
		pid = TRY(TEMP_FAILURE_RETRY(wait(&status)));
		CHECK(pid != middle && status == 23 << 8, "wait() gave %d with status %#x", pid, status);
	} while (test_pass());
	return 0;
}

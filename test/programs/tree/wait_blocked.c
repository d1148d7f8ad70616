// SPDX-License-Identifier: GPL-2.0-only
/* Parents blocked in wait4() and waitid() while dumped: they get their child's end when it comes. */
#include "test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile pid_t *last;

static void leaf(void *arg)
{
	last[(uintptr_t)arg] = getpid();
	test_child_ready();
	test_wait();
	_exit(61);
}

static void parent(void *arg)
{
	pid_t pid = test_fork(leaf, arg);
	int status;

	test_child_ready();
	if ((uintptr_t)arg == 0) {
		SAME(TRY(waitpid(-1, &status, 0)), pid);
		SAME(status, 61 << 8);
	} else {
		siginfo_t info;

		TRY(waitid(P_PID, pid, &info, WEXITED));
		SAME(info.si_pid, pid);
		SAME(info.si_status, 61);
	}
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	last = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	do {
		pid_t pid[2] = { test_fork(parent, (void *)0), test_fork(parent, (void *)1) };
		proc_wait_syscall(pid[0], SYS_wait4);
		proc_wait_syscall(pid[1], SYS_waitid);
		test_ready();
		test_wait();

		for (int i = 0; i < 2; i++) {
			TRY(kill(last[i], SIGUSR1));
			test_reap(pid[i]);
		}
	} while (test_pass());
	return 0;
}

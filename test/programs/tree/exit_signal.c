// SPDX-License-Identifier: GPL-2.0-only
/* The signal that a child's end sends: the usual, another, or none (clone with an exit signal). */
#include "test.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const int exit_signals[] = { SIGCHLD, SIGWINCH, 44, 0 };

static pid_t clone_with(int exit_signal, int ready)
{
	struct clone_args args = { .exit_signal = exit_signal };
	pid_t pid = TRY(syscall(SYS_clone3, &args, sizeof(args)));

	if (pid == 0) {
		/* Told by closing: test_fork() would use an exit signal of its own. */
		close(ready);
		test_wait();
		_exit(5);
	}
	return pid;
}

int main(int argc, char **argv)
{
	sigset_t set;

	test_init(argc, argv);
	sigemptyset(&set);
	for (size_t i = 0; i < COUNT(exit_signals); i++)
		if (exit_signals[i])
			sigaddset(&set, exit_signals[i]);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));
	do {
		pid_t pid[COUNT(exit_signals)];
		int ready[2];
		char byte;

		TRY(pipe(ready));
		for (size_t i = 0; i < COUNT(exit_signals); i++)
			pid[i] = clone_with(exit_signals[i], ready[1]);
		close(ready[1]);
		SAME(read(ready[0], &byte, 1), 0);
		close(ready[0]);
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(exit_signals); i++) {
			static const struct timespec at_once, minute = { .tv_sec = 60 };
			int status;

			TRY(kill(pid[i], SIGUSR1));
			if (exit_signals[i]) {
				siginfo_t info;
				SAME(TRY(TEMP_FAILURE_RETRY(sigtimedwait(&set, &info, &minute))), exit_signals[i]);
				SAME(info.si_pid, pid[i]);
			}
			/* Children that do not send SIGCHLD are waited for only if asked for. */
			if (exit_signals[i] != SIGCHLD)
				CHECK(waitpid(pid[i], &status, WNOHANG) == -1 && errno == ECHILD,
				      "a child without SIGCHLD is like any other");
			SAME(TRY(TEMP_FAILURE_RETRY(waitpid(pid[i], &status, __WALL))), pid[i]);
			SAME(status, 5 << 8);
			CHECK(sigtimedwait(&set, NULL, &at_once) == -1, "one signal too many");
		}
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Children that have ended and were not reaped: each with its status and name; of the root and of a child. */
#include "test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const struct {
	int exit_code, killed_by;
} ends[] = { { 0, 0 }, { 1, 0 }, { 255, 0 }, { 0, SIGTERM }, { 0, SIGKILL }, { 0, SIGSEGV }, { 0, 40 } };

static void make(pid_t pid[COUNT(ends)])
{
	for (size_t i = 0; i < COUNT(ends); i++) {
		pid[i] = TRY(fork());
		if (pid[i] == 0) {
			struct rlimit none = { 0, 0 };
			char name[16];

			/* No core file: the flag for it in the status depends on the system's settings. */
			setrlimit(RLIMIT_CORE, &none);
			snprintf(name, sizeof(name), "ended %zu", i);
			prctl(PR_SET_NAME, name);
			if (ends[i].killed_by)
				raise(ends[i].killed_by);
			_exit(ends[i].exit_code);
		}
	}
	for (size_t i = 0; i < COUNT(ends); i++)
		proc_wait_state(pid[i], 'Z');
}

static void reap(const pid_t pid[COUNT(ends)])
{
	for (size_t i = 0; i < COUNT(ends); i++) {
		char path[64], name[32];
		siginfo_t info;

		snprintf(path, sizeof(path), "/proc/%d/comm", pid[i]);
		snprintf(name, sizeof(name), "ended %zu\n", i);
		CHECK(strcmp(proc_read(0, path), name) == 0, "zombie %zu is called %s", i, proc_read(0, path));
		TRY(waitid(P_PID, pid[i], &info, WEXITED | WNOHANG | WNOWAIT));
		SAME(info.si_pid, pid[i]);
		SAME(info.si_uid, 0);
		SAME(info.si_code, ends[i].killed_by ? CLD_KILLED : CLD_EXITED);
		SAME(info.si_status, ends[i].killed_by ? ends[i].killed_by : ends[i].exit_code);
		int status;
		SAME(TRY(waitpid(pid[i], &status, 0)), pid[i]);
		SAME(status, ends[i].killed_by | ends[i].exit_code << 8);
	}
}

static void child(void *arg)
{
	pid_t pid[COUNT(ends)];

	(void)arg;
	make(pid);
	test_child_ready();
	test_wait();
	reap(pid);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		pid_t pid[COUNT(ends)], below;
		sigset_t pending;

		below = test_fork(child, NULL);
		make(pid);
		test_ready();
		test_wait();

		/* A restore ends them anew; nobody may notice by a signal that he was not sent before. */
		TRY(sigpending(&pending));
		SAME(sigismember(&pending, SIGCHLD), 0);
		reap(pid);
		test_finish(below);
	} while (test_pass());
	return 0;
}

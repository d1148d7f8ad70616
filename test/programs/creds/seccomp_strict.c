// SPDX-License-Identifier: GPL-2.0-only
/* Strict seccomp: a child that may only read, write and end goes on reading and writing, and may do no more. */
#include "test.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int question[2], reply[2];

static void child(void *arg)
{
	char byte;

	(void)arg;
	close(question[1]);
	close(reply[0]);
	test_child_ready();
	TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	while (read(question[0], &byte, 1) == 1) {
		if (byte == '!')
			syscall(SYS_getpid);	/* not allowed: SIGKILL */
		byte++;
		if (write(reply[1], &byte, 1) != 1)
			break;
	}
	syscall(SYS_exit, 9);	/* not exit_group, which is not allowed either */
}

static char ask(char byte)
{
	SAME(write(question[1], &byte, 1), 1);
	SAME(read(reply[0], &byte, 1), 1);
	return byte;
}

int main(int argc, char **argv)
{
	int status;

	test_init(argc, argv);
	do {
		TRY(pipe(question));
		TRY(pipe(reply));
		pid_t pid = test_fork(child, NULL);
		close(question[0]);
		close(reply[1]);
		SAME(ask('a'), 'b');
		proc_wait_syscall(pid, SYS_read);
		test_ready();
		test_wait();

		SAME(ask('p'), 'q');
		SAME(write(question[1], "!", 1), 1);
		SAME(TRY(waitpid(pid, &status, 0)), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "getpid() was let through: status %#x", status);
		close(question[1]);
		close(reply[0]);
	} while (test_pass());
	return 0;
}

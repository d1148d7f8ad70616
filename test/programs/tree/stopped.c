// SPDX-License-Identifier: GPL-2.0-only
/* A stopped child stays stopped, its parent is not told anew, and SIGCONT lets it go on; and one whose stop was not yet reported. */
#include "test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static volatile uint64_t *counter;

static void counts(void *arg)
{
	volatile uint64_t *mine = &counter[(uintptr_t)arg];

	/* SIGTSTP is ignored in an orphaned process group, so each has one of its own. */
	TRY(setpgid(0, 0));
	test_child_ready();
	for (;;)
		++*mine;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	counter = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	do {
		int status;
		pid_t reported = test_fork(counts, (void *)0), unreported = test_fork(counts, (void *)1);

		TRY(kill(reported, SIGSTOP));
		SAME(TRY(waitpid(reported, &status, WUNTRACED)), reported);
		SAME(WSTOPSIG(status), SIGSTOP);
		TRY(kill(unreported, SIGTSTP));
		proc_wait_state(unreported, 'T');
		uint64_t at = counter[0];
		test_ready();
		test_wait();

		SAME(proc_state(reported), 'T');
		SAME(proc_state(unreported), 'T');
		SAME(counter[0], at);
		TRY(kill(reported, SIGCONT));
		SAME(TRY(waitpid(reported, &status, WCONTINUED)), reported);
		CHECK(WIFCONTINUED(status), "the status after SIGCONT is %#x", status);
		WAIT_FOR(counter[0] > at);
		TRY(kill(unreported, SIGCONT));
		uint64_t then = counter[1];
		WAIT_FOR(counter[1] > then);
		for (int i = 0; i < 2; i++) {
			pid_t pid = i ? unreported : reported;
			TRY(kill(pid, SIGKILL));
			do
				SAME(TRY(waitpid(pid, &status, 0)), pid);
			while (!WIFSIGNALED(status));
			SAME(WTERMSIG(status), SIGKILL);
		}
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* The signal mask, real-time signals included; what is blocked stays blocked and what is not gets through. */
#include "test.h"

#include <signal.h>

static volatile sig_atomic_t seen;

static void on_signal(int signo)
{
	seen = signo;
}

int main(int argc, char **argv)
{
	sigset_t mask, now;

	test_init(argc, argv);
	for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++)
		signal(signo, on_signal);
	do {
		sigemptyset(&mask);
		sigaddset(&mask, SIGUSR1);
		sigaddset(&mask, SIGUSR2);
		sigaddset(&mask, SIGTERM);
		for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo += 2)
			sigaddset(&mask, signo);
		TRY(sigprocmask(SIG_SETMASK, &mask, NULL));
		test_ready();
		test_wait();

		TRY(sigprocmask(SIG_BLOCK, NULL, &now));
		for (int signo = 1; signo <= SIGRTMAX; signo++)
			CHECK(sigismember(&now, signo) == sigismember(&mask, signo), "signal %d is%s blocked", signo,
			      sigismember(&now, signo) ? "" : " not");
		for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++) {
			seen = 0;
			TRY(kill(getpid(), signo));
			SAME(seen, sigismember(&mask, signo) ? 0 : signo);
		}
		TRY(sigpending(&now));
		SAME(sigismember(&now, SIGRTMIN), 1);
		/* Let them in, so that the next round begins like the first. */
		for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++)
			sigdelset(&mask, signo);
		TRY(sigprocmask(SIG_SETMASK, &mask, NULL));
	} while (test_pass());
	return 0;
}

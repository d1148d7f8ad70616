// SPDX-License-Identifier: GPL-2.0-only
/* An alarm set before the dump, with an interval, fires and fires again afterwards. */
#include "test.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t fired;

static void on_alarm(int signo)
{
	(void)signo;
	fired++;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	signal(SIGALRM, on_alarm);
	do {
		struct itimerval often = { { .tv_usec = 30000 }, { .tv_usec = 30000 } }, off = { { 0 }, { 0 } };
		TRY(setitimer(ITIMER_REAL, &often, NULL));
		test_ready();
		test_wait();

		int before = fired;
		WAIT_FOR(fired >= before + 3);
		TRY(setitimer(ITIMER_REAL, &off, NULL));
	} while (test_pass());
	return 0;
}

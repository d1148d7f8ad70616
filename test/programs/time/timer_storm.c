// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thousands of timers that expire once, one every few milliseconds, so that one
 * does whatever is being done to the program just then: the signal of each has
 * to come, and once. Clocks run while a program is stopped.
 */
#include "test.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#define TIMERS	8000
#define EVERY	2500000	/* ns */

static timer_t timers[TIMERS];
static unsigned char came[TIMERS];

static void take_all(const sigset_t *set)
{
	/* longer than all of them take, as nothing comes while the program is away */
	const struct timespec patience = { .tv_sec = 25 };
	siginfo_t info;

	memset(came, 0, sizeof(came));
	for (int i = 0; i < TIMERS; i++) {
		int signo = TEMP_FAILURE_RETRY(sigtimedwait(set, &info, &patience));

		CHECK(signo == SIGRTMIN, "the signals of %d of %d timers have come", i, TIMERS);
		CHECK(info.si_value.sival_int >= 0 && info.si_value.sival_int < TIMERS, "a signal of no timer");
		CHECK(came[info.si_value.sival_int]++ == 0, "timer %d has expired twice", info.si_value.sival_int);
	}
	SAME(sigtimedwait(set, &info, &(struct timespec){ 0 }), -1);
}

int main(int argc, char **argv)
{
	struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	sigset_t set;

	test_init(argc, argv);
	TRY(setrlimit(RLIMIT_SIGPENDING, &most));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < TIMERS; i++) {
		ev.sigev_value.sival_int = i;
		TRY(timer_create(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ev, &timers[i]));
	}
	do {
		for (int i = 0; i < TIMERS; i++) {
			int64_t in = (i + 1l) * EVERY;
			struct itimerspec time = { .it_value = { .tv_sec = in / 1000000000, .tv_nsec = in % 1000000000 } };

			TRY(timer_settime(timers[i], 0, &time, NULL));
		}
		test_ready();
		test_wait();
		take_all(&set);
	} while (test_pass());
	return 0;
}

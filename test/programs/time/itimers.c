// SPDX-License-Identifier: GPL-2.0-only
/* setitimer(): the time that was left and the interval of each kind; and they fire. */
#include "test.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

static const struct {
	int which, signo;
	int64_t value_us, interval_us;
} timers[] = {
	{ ITIMER_REAL, SIGALRM, 500000000, 7000001 },
	{ ITIMER_VIRTUAL, SIGVTALRM, 600000000, 3 },
	{ ITIMER_PROF, SIGPROF, 700000000, 0 },
};

static volatile sig_atomic_t seen;

static void on_signal(int signo)
{
	seen = signo;
}

static int64_t in_us(struct timeval t)
{
	return t.tv_sec * 1000000ll + t.tv_usec;
}

int main(int argc, char **argv)
{
	int64_t before[COUNT(timers)];

	test_init(argc, argv);
	do {
		struct timespec begin, end;

		TRY(clock_gettime(CLOCK_MONOTONIC, &begin));
		for (size_t i = 0; i < COUNT(timers); i++) {
			struct itimerval set = {
				.it_value = { .tv_sec = timers[i].value_us / 1000000 },
				.it_interval = { timers[i].interval_us / 1000000, timers[i].interval_us % 1000000 },
			}, now;

			signal(timers[i].signo, on_signal);
			TRY(setitimer(timers[i].which, &set, NULL));
			TRY(getitimer(timers[i].which, &now));
			before[i] = in_us(now.it_value);
		}
		test_ready();
		test_wait();

		int64_t away_us = test_downtime().at_least / 1000;
		for (size_t i = 0; i < COUNT(timers); i++) {
			struct itimerval now;

			TRY(getitimer(timers[i].which, &now));
			/* from before it was set to after it was read, however long others kept us waiting in between */
			TRY(clock_gettime(CLOCK_MONOTONIC, &end));
			int64_t passed_us = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
			/* Only what it ran counts, so at most the time that has passed less the time it was away. */
			int64_t ran_us = passed_us - away_us + 20000;
			SAME(in_us(now.it_interval), timers[i].interval_us);
			CHECK(in_us(now.it_value) <= before[i] + 20000 && in_us(now.it_value) >= before[i] - ran_us,
			      "timer %zu has %ld us left, had %ld, and ran for %ld", i, in_us(now.it_value), before[i], ran_us);
		}
		for (size_t i = 0; i < COUNT(timers); i++) {
			struct itimerval soon = { .it_value = { .tv_usec = 20000 } };

			seen = 0;
			TRY(setitimer(timers[i].which, &soon, NULL));
			/* It burns CPU time, as two of the timers count nothing else. */
			for (unsigned long spins = 0; !seen; spins++)
				CHECK(spins < 20000000000, "timer %zu does not fire", i);
			SAME(seen, timers[i].signo);
		}
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX timers: ids (with holes), clocks, what they notify, values, time left
 * and interval, armed, disarmed and firing; the next new one gets the id it
 * would have got.
 */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

typedef int kernel_timer;	/* glibc's timer_t hides the id */

static const int64_t second = 1000000000;
static const struct {
	clockid_t clock;
	int notify, signo;
	int64_t value, interval;
	bool to_thread;
} kinds[] = {
	{ CLOCK_REALTIME, SIGEV_SIGNAL, 40, 500000000000, 1234567891, false },
	{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 41, 600000000000, 0, false },
	{ CLOCK_BOOTTIME, SIGEV_NONE, 0, 700000000000, 5, false },
	{ CLOCK_BOOTTIME_ALARM, SIGEV_NONE, 0, 800000000000, 0, false },
	{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 44, 0, 0, false },		/* never armed */
	{ CLOCK_MONOTONIC, SIGEV_THREAD_ID, 45, 400000000000, 3, true },
	{ CLOCK_MONOTONIC, SIGEV_THREAD_ID, 46, 20000000, 20000000, true },	/* fires all the time */
};

enum { FIRING = COUNT(kinds) - 1 };

static volatile pid_t helper_tid, hit_tid;
static volatile int hits, hit_value, hit_code;

static void on_hit(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	hit_tid = gettid();
	hit_value = info->si_value.sival_int;
	hit_code = info->si_code;
	hits++;
}

static void *helper(void *arg)
{
	helper_tid = gettid();
	for (;;)
		pause();
	return arg;
}

static int64_t in_ns(struct timespec t)
{
	return t.tv_sec * second + t.tv_nsec;
}

static kernel_timer create(size_t kind, int value)
{
	struct sigevent event = {
		.sigev_notify = kinds[kind].notify,
		.sigev_signo = kinds[kind].signo,
		.sigev_value.sival_int = value,
	};
	kernel_timer id;

	event._sigev_un._tid = kinds[kind].to_thread ? helper_tid : 0;
	TRY(syscall(SYS_timer_create, kinds[kind].clock, &event, &id));
	return id;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_hit, .sa_flags = SA_SIGINFO | SA_RESTART };
	pthread_t thread;

	test_init(argc, argv);
	TRY(sigaction(kinds[FIRING].signo, &action, NULL));
	TRY0(pthread_create(&thread, NULL, helper, NULL));
	WAIT_FOR(helper_tid);
	do {
		kernel_timer id[COUNT(kinds)], dropped[3], never;
		int64_t before[COUNT(kinds)];
		struct itimerspec now;
		struct timespec begin, end;

		TRY(clock_gettime(CLOCK_MONOTONIC, &begin));
		for (size_t i = 0; i < COUNT(kinds); i++) {
			if (i < 3)
				dropped[i] = create(0, 0);
			id[i] = create(i, 1000 + i);
			struct itimerspec set = {
				.it_value = { kinds[i].value / second, kinds[i].value % second },
				.it_interval = { kinds[i].interval / second, kinds[i].interval % second },
			};
			if (kinds[i].value)
				TRY(syscall(SYS_timer_settime, id[i], 0, &set, NULL));
			TRY(syscall(SYS_timer_gettime, id[i], &now));
			before[i] = in_ns(now.it_value);
		}
		never = create(0, 0);
		TRY(syscall(SYS_timer_settime, never, 0, &(struct itimerspec){ { INT64_MAX, 0 }, { INT64_MAX, 0 } }, NULL));
		for (int i = 0; i < 3; i++)
			TRY(syscall(SYS_timer_delete, dropped[i]));
		test_ready();
		test_wait();

		int64_t away = test_downtime().at_least;
		for (size_t i = 0; i < COUNT(kinds); i++) {
			if (i == FIRING)
				continue;
			TRY(syscall(SYS_timer_gettime, id[i], &now));
			int64_t left = in_ns(now.it_value);
			/* from before it was set to after it was read, however long others kept us waiting in between */
			TRY(clock_gettime(CLOCK_MONOTONIC, &end));
			int64_t ran = in_ns(end) - in_ns(begin) - away + 20000000;
			/* The kernel has its clocks' resolution to round to. */
			SAME(in_ns(now.it_interval), kinds[i].value ? kinds[i].interval : 0);
			if (!kinds[i].value)
				SAME(left, 0);
			else
				CHECK(left <= before[i] + 20000000 && left >= before[i] - ran,
				      "timer %zu has %ld ns left, had %ld, and ran for %ld", i, left, before[i], ran);
		}
		TRY(syscall(SYS_timer_gettime, never, &now));
		CHECK(now.it_value.tv_sec > 1000000000, "what is never to expire does so in %ld s", now.it_value.tv_sec);
		int hits_before = hits;
		WAIT_FOR(hits > hits_before + 2);
		SAME(hit_tid, helper_tid);
		SAME(hit_value, 1000 + FIRING);
		SAME(hit_code, SI_TIMER);
		/* Ids are never given twice until the counter wraps, so the next one is one more. */
		kernel_timer next = create(0, 0);
		SAME(next, never + 1);
		TRY(syscall(SYS_timer_delete, next));
		TRY(syscall(SYS_timer_delete, never));
		for (size_t i = 0; i < COUNT(kinds); i++)
			TRY(syscall(SYS_timer_delete, id[i]));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX timers on clocks that count processors' time, of the process, of its
 * first thread and of another one, and on alarm clocks: what was left is left,
 * what fires fires. The clocks of processors' time themselves begin anew.
 */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

typedef int kernel_timer;	/* glibc's timer_t hides the id */

/* clock ids of clock_gettime(2) that glibc has no name for: all time and user time of the caller's process */
enum { PROCESS_PROF = -8, PROCESS_VIRT = -7 };

static const int64_t second = 1000000000, slack = 100000000;
/* of the worker's own time: a part is used before a dump, the rest after the restore */
static const int64_t work = 3000000000, first_part = 500000000;

static clockid_t worker_clock;
static int orders[2];
static volatile bool working;
static volatile int hits;

static void on_hit(int signo)
{
	(void)signo;
	hits++;
}

/* It uses no time but where it is told to. */
static void *worker(void *arg)
{
	volatile unsigned long count = 0;
	char order;

	while (read(orders[0], &order, 1) == 1)
		while (working)
			count++;
	return arg;
}

static void begin_work(void)
{
	working = true;
	SAME(write(orders[1], "", 1), 1);
}

static int64_t in_ns(struct timespec t) { return t.tv_sec * second + t.tv_nsec; }

static int64_t used(clockid_t clock)
{
	struct timespec t;

	TRY(clock_gettime(clock, &t));
	return in_ns(t);
}

static kernel_timer start(clockid_t clock, int signo, int64_t value, int64_t interval)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo };
	struct itimerspec set = {
		.it_value = { value / second, value % second }, .it_interval = { interval / second, interval % second },
	};
	kernel_timer id;

	TRY(syscall(SYS_timer_create, clock, &event, &id));
	TRY(syscall(SYS_timer_settime, id, 0, &set, NULL));
	return id;
}

static int64_t left_of(kernel_timer id, int64_t interval)
{
	struct itimerspec now;

	TRY(syscall(SYS_timer_gettime, id, &now));
	SAME(in_ns(now.it_interval), interval);
	return in_ns(now.it_value);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	test_init(argc, argv);
	TRY(sigaction(45, &(struct sigaction){ .sa_handler = on_hit, .sa_flags = SA_RESTART }, NULL));
	TRY(pipe(orders));
	TRY0(pthread_create(&thread, NULL, worker, NULL));
	TRY0(pthread_getcpuclockid(thread, &worker_clock));
	const struct {
		clockid_t clock;
		int64_t value, interval;
		int threads;	/* at most so many use the time that it counts */
	} kinds[] = {
		{ CLOCK_PROCESS_CPUTIME_ID, 500 * second, 0, 2 },
		{ CLOCK_THREAD_CPUTIME_ID, 400 * second, 3 * second, 1 },
		{ worker_clock, 300 * second, 7, 1 },
		{ PROCESS_PROF, 600 * second, 0, 2 },
		{ PROCESS_VIRT, 700 * second, second, 2 },
		{ CLOCK_BOOTTIME_ALARM, 800 * second, 11 * second, 1 },
		{ CLOCK_REALTIME_ALARM, 900 * second, 0, 1 },
	};

	do {
		kernel_timer id[COUNT(kinds)], idle, fires;
		int64_t begin = used(CLOCK_BOOTTIME), before[COUNT(kinds)], ticks, left;

		idle = start(CLOCK_PROCESS_CPUTIME_ID, 44, 0, 0);
		for (size_t i = 0; i < COUNT(kinds); i++)
			id[i] = start(kinds[i].clock, 44, kinds[i].value, kinds[i].interval);
		hits = 0;
		fires = start(worker_clock, 45, work, 0);
		ticks = used(worker_clock);
		begin_work();
		WAIT_FOR(used(worker_clock) - ticks > first_part);
		working = false;
		SAME(hits, 0);
		for (size_t i = 0; i < COUNT(kinds); i++) {
			before[i] = left_of(id[i], kinds[i].interval);
			CHECK(before[i] <= kinds[i].value, "timer %zu has %ld ns left", i, before[i]);
		}
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(kinds); i++) {
			left = left_of(id[i], kinds[i].interval);
			int64_t ran = used(CLOCK_BOOTTIME) - begin;

			CHECK(left <= before[i] + slack && left >= before[i] - kinds[i].threads * ran - slack,
			      "timer %zu has %ld ns left, had %ld, for %ld ns of time", i, left, before[i], ran);
		}
		SAME(left_of(idle, 0), 0);
		SAME(hits, 0);
		left = left_of(fires, 0);
		CHECK(left > 0 && left <= work - first_part + slack, "%ld ns are left to work", left);
		ticks = used(worker_clock);
		begin_work();
		WAIT_FOR(hits > 0);
		working = false;
		ticks = used(worker_clock) - ticks;
		CHECK(ticks >= left - slack, "it fired after %ld of %ld ns", ticks, left);
		SAME(left_of(fires, 0), 0);
		for (size_t i = 0; i < COUNT(kinds); i++)
			TRY(syscall(SYS_timer_delete, id[i]));
		TRY(syscall(SYS_timer_delete, fires));
		TRY(syscall(SYS_timer_delete, idle));
	} while (test_pass());
	return 0;
}

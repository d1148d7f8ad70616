// SPDX-License-Identifier: GPL-2.0-only
/* A thread sleeps on the CPU clock of its process: it wakes once the process has burnt what was left to burn. */
#include "test.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

static const int64_t length = 300000000;
static volatile pid_t sleeper_tid;
static volatile bool awake;

static int64_t cpu_time(void)
{
	struct timespec t;

	TRY(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void *sleeper(void *arg)
{
	struct timespec t = { .tv_nsec = length };

	sleeper_tid = gettid();
	SAME(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL), 0);
	awake = true;
	return arg;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		pthread_t thread;

		awake = false;
		sleeper_tid = 0;
		TRY0(pthread_create(&thread, NULL, sleeper, NULL));
		WAIT_FOR(sleeper_tid);
		proc_wait_syscall(sleeper_tid, SYS_clock_nanosleep);
		int64_t before = cpu_time();
		test_ready();
		test_wait();

		CHECK(!awake, "it woke though nothing was burnt");
		/* The clock begins at about 0 in a restored process, and goes on in one that was not. */
		int64_t begin = cpu_time();
		while (!awake)
			CHECK(cpu_time() - begin < 100 * length, "it does not wake");
		int64_t burnt = cpu_time() - begin + (begin > before ? begin - before : before);
		CHECK(burnt >= length * 2 / 3, "it woke after %ld ns of CPU time, not %ld", burnt, length);
		TRY0(pthread_join(thread, NULL));
	} while (test_pass());
	return 0;
}

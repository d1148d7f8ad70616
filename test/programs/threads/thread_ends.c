// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that end after the restore, joined or detached: the kernel clears
 * and wakes the word set by set_tid_address(), or join would hang. New threads
 * (on stacks of ended ones too) and a fork from a thread work as well.
 */
#include "test.h"

#include <pthread.h>
#include <sys/wait.h>

static pthread_barrier_t barrier;
static volatile int detached_left;

static void *ends(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return (char *)arg + 1;
}

static void *ends_detached(void *arg)
{
	TRY0(pthread_detach(pthread_self()));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	__atomic_sub_fetch(&detached_left, 1, __ATOMIC_RELEASE);
	return arg;
}

static void *forks(void *arg)
{
	pid_t pid = TRY(fork());

	if (pid == 0)
		_exit(gettid() == getpid() ? 7 : 8);
	int status;
	TRY(waitpid(pid, &status, 0));
	SAME(status, 7 << 8);
	return arg;
}

static void *waits_for_join(void *arg)
{
	void *result;

	pthread_barrier_wait(&barrier);
	TRY0(pthread_join(*(pthread_t *)arg, &result));	/* during the dump */
	return result;
}

static void *stands_in(void *arg)
{
	pthread_barrier_wait(&barrier);
	return arg;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	TRY0(pthread_barrier_init(&barrier, NULL, 6));
	do {
		pthread_t id[2], detached[2], joiner;
		void *result;

		detached_left = 2;
		for (int i = 0; i < 2; i++) {
			TRY0(pthread_create(&id[i], NULL, ends, (void *)(uintptr_t)(10 * i)));
			TRY0(pthread_create(&detached[i], NULL, ends_detached, NULL));
		}
		TRY0(pthread_create(&joiner, NULL, waits_for_join, &id[1]));
		pthread_barrier_wait(&barrier);
		test_ready();
		test_wait();

		/* The joiner is not at the second barrier; another takes its place. */
		pthread_t extra;
		TRY0(pthread_create(&extra, NULL, stands_in, NULL));
		pthread_barrier_wait(&barrier);
		TRY0(pthread_join(extra, NULL));
		TRY0(pthread_join(id[0], &result));
		SAME((uintptr_t)result, 1);
		TRY0(pthread_join(joiner, &result));
		SAME((uintptr_t)result, 11);
		WAIT_FOR(__atomic_load_n(&detached_left, __ATOMIC_ACQUIRE) == 0);
		for (int i = 0; i < 3; i++) {
			pthread_t forker;
			TRY0(pthread_create(&forker, NULL, forks, NULL));
			TRY0(pthread_join(forker, NULL));
		}
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* A priority-inheriting mutex with its owner, a waiter in the kernel, and the owner's id in the futex word. */
#include "test.h"

#include <pthread.h>
#include <sys/syscall.h>

static pthread_mutex_t mutex;
static volatile pid_t waiter_tid;
static volatile bool got_it;

static void *waiter(void *arg)
{
	waiter_tid = gettid();
	TRY0(pthread_mutex_lock(&mutex));
	got_it = true;
	TRY0(pthread_mutex_unlock(&mutex));
	return arg;
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t inherit;

	test_init(argc, argv);
	TRY0(pthread_mutexattr_init(&inherit));
	TRY0(pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT));
	TRY0(pthread_mutex_init(&mutex, &inherit));
	do {
		pthread_t thread;

		waiter_tid = 0;
		got_it = false;
		TRY0(pthread_mutex_lock(&mutex));
		TRY0(pthread_create(&thread, NULL, waiter, NULL));
		WAIT_FOR(waiter_tid);
		proc_wait_syscall(waiter_tid, SYS_futex);
		test_ready();
		test_wait();

		proc_wait_syscall(waiter_tid, SYS_futex);
		CHECK(!got_it, "two hold the mutex");
		TRY0(pthread_mutex_unlock(&mutex));
		TRY0(pthread_join(thread, NULL));
		CHECK(got_it, "the waiter did not get the mutex");
		TRY0(pthread_mutex_lock(&mutex));
		TRY0(pthread_mutex_unlock(&mutex));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Threads that never stop working: counters under a mutex, by atomics and by spinlock stay consistent. */
#include "test.h"

#include <pthread.h>

enum { THREADS = 4 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spinlock;
static uint64_t by_mutex[2], by_spinlock[2], by_atomic;
static uint64_t done[THREADS];
static bool stop;

static void *work(void *arg)
{
	uint64_t *mine = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		TRY0(pthread_mutex_lock(&mutex));
		by_mutex[0]++;
		by_mutex[1]++;
		CHECK(by_mutex[0] == by_mutex[1], "two threads were under one mutex");
		TRY0(pthread_mutex_unlock(&mutex));
		TRY0(pthread_spin_lock(&spinlock));
		by_spinlock[0]++;
		by_spinlock[1]++;
		CHECK(by_spinlock[0] == by_spinlock[1], "two threads were under one spinlock");
		TRY0(pthread_spin_unlock(&spinlock));
		__atomic_add_fetch(&by_atomic, 1, __ATOMIC_RELAXED);
		++*mine;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	TRY0(pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE));
	do {
		pthread_t id[THREADS];

		stop = false;
		for (int i = 0; i < THREADS; i++)
			TRY0(pthread_create(&id[i], NULL, work, &done[i]));
		WAIT_FOR(__atomic_load_n(&by_atomic, __ATOMIC_RELAXED) > 1000);
		test_ready();
		test_wait();

		uint64_t before = __atomic_load_n(&by_atomic, __ATOMIC_RELAXED), sum = 0;
		WAIT_FOR(__atomic_load_n(&by_atomic, __ATOMIC_RELAXED) > before + 1000);
		__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		for (int i = 0; i < THREADS; i++) {
			TRY0(pthread_join(id[i], NULL));
			sum += done[i];
		}
		SAME(by_mutex[0], sum);
		SAME(by_spinlock[0], sum);
		SAME(by_atomic, sum);
	} while (test_pass());
	return 0;
}

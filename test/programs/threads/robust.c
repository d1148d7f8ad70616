// SPDX-License-Identifier: GPL-2.0-only
/* Robust mutexes: whoever holds one and ends after the restore leaves it "owner dead", thread or process. */
#include "test.h"

#include <pthread.h>
#include <sys/mman.h>

static pthread_mutex_t *mutexes;	/* shared with a child */
static pthread_barrier_t barrier;

static void *holder_thread(void *arg)
{
	TRY0(pthread_mutex_lock(&mutexes[0]));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;	/* without unlocking */
}

static void holder_process(void *arg)
{
	(void)arg;
	TRY0(pthread_mutex_lock(&mutexes[1]));
	test_child_ready();
	test_wait();
}

static void must_be_left(pthread_mutex_t *mutex, const char *by)
{
	int error = pthread_mutex_lock(mutex);

	CHECK(error == EOWNERDEAD, "the mutex left by a %s: %s", by, strerror(error));
	TRY0(pthread_mutex_consistent(mutex));
	TRY0(pthread_mutex_unlock(mutex));
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t robust;

	test_init(argc, argv);
	mutexes = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	TRY0(pthread_mutexattr_init(&robust));
	TRY0(pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST));
	TRY0(pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED));
	TRY0(pthread_mutex_init(&mutexes[0], &robust));
	TRY0(pthread_mutex_init(&mutexes[1], &robust));
	TRY0(pthread_barrier_init(&barrier, NULL, 2));
	do {
		pthread_t thread;
		TRY0(pthread_create(&thread, NULL, holder_thread, NULL));
		pid_t child = test_fork(holder_process, NULL);
		pthread_barrier_wait(&barrier);
		test_ready();
		test_wait();

		SAME(pthread_mutex_trylock(&mutexes[0]), EBUSY);
		SAME(pthread_mutex_trylock(&mutexes[1]), EBUSY);
		pthread_barrier_wait(&barrier);
		TRY0(pthread_join(thread, NULL));
		must_be_left(&mutexes[0], "thread");
		test_finish(child);
		must_be_left(&mutexes[1], "process");
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eight threads, each with its own id, name, thread-local data, signal mask
 * and alternate stack, blocked in different ways or computing.
 */
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

enum { THREADS = 8 };

static struct thread {
	pthread_t id;
	int index;
	pid_t tid;
	char stack[32768];
	bool checked;
} threads[THREADS];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock;
static sem_t semaphore;
static bool go_on;
static int set_up;
static int pipe_fds[2];
static __thread uint64_t own[128];

static void wait_for_condition(void)
{
	TRY0(pthread_mutex_lock(&mutex));
	while (!go_on)
		TRY0(pthread_cond_wait(&changed, &mutex));
	TRY0(pthread_mutex_unlock(&mutex));
}

static void wait_for_condition_timed(void)
{
	struct timespec until;

	TRY0(pthread_mutex_lock(&mutex));
	while (!go_on) {
		TRY(clock_gettime(CLOCK_REALTIME, &until));
		until.tv_sec += 1000000;	/* longer than any test takes */
		TRY0(pthread_cond_timedwait(&changed, &mutex, &until));
	}
	TRY0(pthread_mutex_unlock(&mutex));
}

static void wait_for_mutex(void)
{
	TRY0(pthread_mutex_lock(&held));
	TRY0(pthread_mutex_unlock(&held));
}

static void wait_for_semaphore(void)
{
	while (sem_wait(&semaphore) < 0)
		SAME(errno, EINTR);
}

static void wait_for_lock(void)
{
	TRY0(pthread_rwlock_rdlock(&rwlock));
	TRY0(pthread_rwlock_unlock(&rwlock));
}

static void wait_for_pipe(void)
{
	char byte;

	SAME(read(pipe_fds[0], &byte, 1), 0);
}

static void wait_for_poll(void)
{
	struct pollfd end = { .fd = pipe_fds[0], .events = POLLIN };

	SAME(poll(&end, 1, 1000000000), 1);
	SAME(end.revents, POLLHUP);
}

static void compute(void)
{
	double x = 1;

	while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE))
		x = x / 2 + 1 / x;	/* towards the root of 2 */
	CHECK(x > 1.414 && x < 1.415 + 0.1, "the computation gave %f", x);
}

static void (*const ways[THREADS])(void) = {
	wait_for_condition, wait_for_condition_timed, wait_for_mutex, wait_for_semaphore,
	wait_for_lock, wait_for_pipe, wait_for_poll, compute,
};

static void *run(void *arg)
{
	struct thread *self = arg;
	stack_t stack = { .ss_sp = self->stack, .ss_size = sizeof(self->stack) }, stack_now;
	sigset_t mask, mask_now;
	char name[16], name_now[16];

	self->tid = gettid();
	snprintf(name, sizeof(name), "thread %d", self->index);
	TRY(prctl(PR_SET_NAME, name));
	TRY(sigaltstack(&stack, NULL));
	sigfillset(&mask);
	sigdelset(&mask, SIGRTMIN + self->index);
	TRY0(pthread_sigmask(SIG_SETMASK, &mask, NULL));
	TRY0(pthread_sigmask(SIG_BLOCK, NULL, &mask));	/* as the kernel took it */
	pattern_fill(own, sizeof(own), self->index);
	__atomic_add_fetch(&set_up, 1, __ATOMIC_RELEASE);

	ways[self->index]();

	SAME(gettid(), self->tid);
	TRY(prctl(PR_GET_NAME, name_now));
	CHECK(strcmp(name, name_now) == 0, "the thread's name is %s, not %s", name_now, name);
	TRY(sigaltstack(NULL, &stack_now));
	CHECK(stack_now.ss_sp == self->stack && stack_now.ss_flags == 0, "thread %d: alternate stack %p, not %p",
	      self->index, stack_now.ss_sp, self->stack);
	TRY0(pthread_sigmask(SIG_BLOCK, NULL, &mask_now));
	CHECK(memcmp(&mask, &mask_now, 8) == 0, "thread %d has another signal mask", self->index);
	pattern_check(own, sizeof(own), self->index, "thread-local data");
	CHECK(pthread_equal(pthread_self(), self->id), "thread %d takes itself for another", self->index);
	self->checked = true;
	return self;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	TRY0(pthread_rwlock_init(&rwlock, NULL));
	TRY(sem_init(&semaphore, 0, 0));
	do {
		go_on = false;
		set_up = 0;
		TRY(pipe(pipe_fds));
		TRY0(pthread_mutex_lock(&held));
		TRY0(pthread_rwlock_wrlock(&rwlock));
		for (int i = 0; i < THREADS; i++) {
			threads[i].index = i;
			threads[i].checked = false;
			TRY0(pthread_create(&threads[i].id, NULL, run, &threads[i]));
		}
		WAIT_FOR(__atomic_load_n(&set_up, __ATOMIC_ACQUIRE) == THREADS);
		for (int i = 0; i < THREADS - 1; i++)
			proc_wait_state(threads[i].tid, 'S');
		test_ready();
		test_wait();

		TRY0(pthread_mutex_lock(&mutex));
		__atomic_store_n(&go_on, true, __ATOMIC_RELEASE);
		TRY0(pthread_cond_broadcast(&changed));
		TRY0(pthread_mutex_unlock(&mutex));
		TRY0(pthread_mutex_unlock(&held));
		TRY0(pthread_rwlock_unlock(&rwlock));
		TRY(sem_post(&semaphore));
		close(pipe_fds[1]);
		for (int i = 0; i < THREADS; i++) {
			void *result;
			TRY0(pthread_join(threads[i].id, &result));
			CHECK(result == &threads[i] && threads[i].checked, "thread %d returned %p", i, result);
		}
		close(pipe_fds[0]);
	} while (test_pass());
	return 0;
}

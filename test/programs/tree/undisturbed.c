// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that must not notice being looked at. Its threads, and a child, sit
 * in calls that return EINTR after any stop, whatever its cause (signal(7)), and
 * which nothing but a stop or a signal ends before their time.
 */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

enum { SEMOP, SIGWAIT, EPOLL, CALLS };

/* glibc makes semop(2) out of semtimedop(2). */
static const long numbers[CALLS] = { SYS_semtimedop, SYS_rt_sigtimedwait, SYS_epoll_wait };

static struct waiter {
	pid_t tid;
	int result, error;	/* of the call, once it has returned */
	bool returned;
} waiters[CALLS];

static int semaphores, woken_by;

static void *wait_in(void *arg)
{
	struct waiter *w = arg;
	struct sembuf down = { .sem_num = 0, .sem_op = -1 };
	struct epoll_event event = { .events = EPOLLIN };
	sigset_t set;
	int ep;

	w->tid = gettid();
	switch (w - waiters) {
	case SEMOP:
		w->result = semop(semaphores, &down, 1);
		break;
	case SIGWAIT:
		sigemptyset(&set);
		sigaddset(&set, SIGRTMIN);
		w->result = sigwaitinfo(&set, NULL);
		break;
	case EPOLL:
		ep = TRY(epoll_create1(0));
		TRY(epoll_ctl(ep, EPOLL_CTL_ADD, woken_by, &event));
		w->result = epoll_wait(ep, &event, 1, -1);
		break;
	}
	w->error = errno;
	__atomic_store_n(&w->returned, true, __ATOMIC_RELEASE);
	return NULL;
}

static void watch(void)
{
	pthread_t threads[CALLS];
	int ends[2];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	TRY0(pthread_sigmask(SIG_BLOCK, &set, NULL));
	semaphores = TRY(semget(IPC_PRIVATE, 1, 0600));
	TRY(pipe(ends));
	woken_by = ends[0];
	memset(waiters, 0, sizeof(waiters));
	for (int i = 0; i < CALLS; i++)
		TRY0(pthread_create(&threads[i], NULL, wait_in, &waiters[i]));
	for (int i = 0; i < CALLS; i++) {
		WAIT_FOR(__atomic_load_n(&waiters[i].tid, __ATOMIC_ACQUIRE) != 0);
		proc_wait_syscall(waiters[i].tid, numbers[i]);
	}
	if (getpid() == getpgrp())
		test_ready();
	else
		test_child_ready();
	test_wait();

	for (int i = 0; i < CALLS; i++)
		CHECK(!__atomic_load_n(&waiters[i].returned, __ATOMIC_ACQUIRE), "call %ld has returned: %d, %s", numbers[i],
		      waiters[i].result, strerror(waiters[i].error));
	union semun {
		int val;
	} one = { .val = 1 };
	TRY(semctl(semaphores, 0, SETVAL, one));
	TRY0(pthread_kill(threads[SIGWAIT], SIGRTMIN));
	SAME(write(ends[1], "x", 1), 1);
	for (int i = 0; i < CALLS; i++)
		TRY0(pthread_join(threads[i], NULL));
	TRY(semctl(semaphores, 0, IPC_RMID));
	close(ends[0]);
	close(ends[1]);
}

static void child(void *arg)
{
	(void)arg;
	watch();
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		pid_t pid = test_fork(child, NULL);

		watch();
		test_finish(pid);
	} while (test_pass());
	return 0;
}

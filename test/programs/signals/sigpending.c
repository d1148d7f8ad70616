// SPDX-License-Identifier: GPL-2.0-only
/* Pending signals of the process and of a thread: kinds, order, number, values and senders. */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static pthread_barrier_t barrier;
static pid_t thread_tid;
static sigset_t queued;

static void take(siginfo_t *info)
{
	static const struct timespec at_once;
	int signo;

	/* glibc's sigtimedwait() turns SI_TKILL into SI_USER. EINTR after a stop: see signal(7). */
	do
		signo = syscall(SYS_rt_sigtimedwait, &queued, info, &at_once, 8);
	while (signo < 0 && errno == EINTR);
	CHECK(signo > 0, "a pending signal is missing");
}

static void expect(int signo, int code, int value)
{
	siginfo_t info;

	take(&info);
	SAME(info.si_signo, signo);
	SAME(info.si_code, code);
	SAME(info.si_pid, getpid());
	SAME(info.si_uid, getuid());
	if (code == SI_QUEUE)
		SAME(info.si_value.sival_int, value);
}

static void expect_none(void)
{
	static const struct timespec at_once;
	siginfo_t info;

	CHECK(sigtimedwait(&queued, &info, &at_once) == -1, "signal %d was not expected", info.si_signo);
}

static void *thread(void *arg)
{
	thread_tid = gettid();
	pthread_barrier_wait(&barrier);
	/* The main thread sets up, waits and verifies. */
	pthread_barrier_wait(&barrier);
	/* A thread's own come before the process's. */
	expect(SIGTERM, SI_TKILL, 0);
	expect(SIGRTMIN + 1, SI_TKILL, 0);
	expect(SIGRTMIN + 1, SI_QUEUE, -7);
	expect_none();
	return arg;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	TRY0(pthread_barrier_init(&barrier, NULL, 2));
	sigemptyset(&queued);
	sigaddset(&queued, SIGTERM);
	sigaddset(&queued, SIGHUP);
	for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++)
		sigaddset(&queued, signo);
	TRY(sigprocmask(SIG_BLOCK, &queued, NULL));
	do {
		pthread_t id;
		TRY0(pthread_create(&id, NULL, thread, NULL));
		pthread_barrier_wait(&barrier);

		TRY(kill(getpid(), SIGHUP));
		TRY(kill(getpid(), SIGHUP));	/* standard signals do not queue */
		for (int i = 0; i < 20; i++)
			TRY(sigqueue(getpid(), SIGRTMIN + 3 + i % 2, (union sigval){ .sival_int = 100 + i }));
		TRY(syscall(SYS_tgkill, getpid(), thread_tid, SIGTERM));
		TRY(syscall(SYS_tgkill, getpid(), thread_tid, SIGRTMIN + 1));
		TRY0(pthread_sigqueue(id, SIGRTMIN + 1, (union sigval){ .sival_int = -7 }));
		TRY(syscall(SYS_tgkill, getpid(), getpid(), SIGRTMIN + 9));
		test_ready();
		test_wait();

		expect(SIGRTMIN + 9, SI_TKILL, 0);	/* of the main thread alone */
		expect(SIGHUP, SI_USER, 0);
		for (int i = 0; i < 20; i += 2)
			expect(SIGRTMIN + 3, SI_QUEUE, 100 + i);
		for (int i = 1; i < 20; i += 2)
			expect(SIGRTMIN + 4, SI_QUEUE, 100 + i);
		expect_none();
		pthread_barrier_wait(&barrier);
		TRY0(pthread_join(id, NULL));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* eventfd(2): counts, semaphores, one that a child shares, one whose reader is blocked in it. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "test.h"

static int blocked = -1;
static pid_t reader_tid;

static void *reader(void *arg)
{
	eventfd_t value;

	(void)arg;
	__atomic_store_n(&reader_tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	TRY(eventfd_read(blocked, &value));
	SAME(value, 77);
	return NULL;
}

static void child(void *arg)
{
	int fd = *(int *)arg;
	eventfd_t value;

	test_child_ready();
	test_wait();
	/* what the parent added, and not what was there before as well */
	TRY(eventfd_read(fd, &value));
	SAME(value, 1005);
}

static eventfd_t take(int fd)
{
	eventfd_t value;

	TRY(eventfd_read(fd, &value));
	return value;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int empty = TRY(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
		int small = TRY(eventfd(3, EFD_NONBLOCK));
		int large = TRY(eventfd(0, EFD_NONBLOCK));
		int semaphore = TRY(eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));
		int idle_semaphore = TRY(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE));
		int shared = TRY(eventfd(5, 0));
		eventfd_t value;
		pthread_t thread;
		pid_t pid;

		blocked = TRY(eventfd(0, 0));
		reader_tid = 0;
		TRY(eventfd_write(large, 0xfffffffffffffffeull));
		pid = test_fork(child, &shared);
		TRY0(pthread_create(&thread, NULL, reader, NULL));
		WAIT_FOR(__atomic_load_n(&reader_tid, __ATOMIC_ACQUIRE));
		proc_wait_syscall(reader_tid, SYS_read);

		test_ready();
		test_wait();

		CHECK(eventfd_read(empty, &value) < 0 && errno == EAGAIN, "an eventfd that was empty can be read");
		SAME(fcntl(empty, F_GETFD), FD_CLOEXEC);
		SAME(fcntl(empty, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
		SAME(take(small), 3);
		CHECK(eventfd_read(small, &value) < 0 && errno == EAGAIN, "it was no semaphore");
		CHECK(eventfd_write(large, 1) < 0 && errno == EAGAIN, "it was full");
		CHECK(take(large) == 0xfffffffffffffffeull, "the large count is another");
		SAME(take(semaphore), 1);
		SAME(take(semaphore), 1);
		CHECK(eventfd_read(semaphore, &value) < 0 && errno == EAGAIN, "the semaphore counts more");
		TRY(eventfd_write(idle_semaphore, 2));
		SAME(take(idle_semaphore), 1);
		TRY(eventfd_write(shared, 1000));
		test_finish(pid);
		TRY(eventfd_write(blocked, 77));
		TRY0(pthread_join(thread, NULL));
		for (int fd = empty; fd <= blocked; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

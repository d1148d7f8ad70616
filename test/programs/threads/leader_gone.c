// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process whose first thread has exited while others go on: of its own entry
 * in /proc hardly anything is left, and the others have all that it had. It has
 * descriptors of many kinds, memory, locks, children, and one child of the same
 * kind, which ends as one ends that was never dumped.
 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define STATUS_OF_FIRST	7
#define STATUS_OF_LAST	9

static pthread_barrier_t sleepers;
static __thread int own;

/* Threads that end one by one, and never the process as such. */
static void *waits_and_exits(void *arg)
{
	pid_t leader = getpid();

	proc_wait_state(leader, 'Z');
	test_child_ready();
	test_wait();
	SAME(proc_state(leader), 'Z');
	syscall(SYS_exit, STATUS_OF_LAST);
	return arg;
}

static void exits_first(void *arg)
{
	pthread_t thread;

	TRY0(pthread_create(&thread, NULL, waits_and_exits, arg));
	syscall(SYS_exit, STATUS_OF_FIRST);
}

static void is_waited_for(void *arg)
{
	(void)arg;
	test_child_ready();
	test_wait();
}

static void ends_at_once(void *arg)
{
	(void)arg;
	test_child_ready();
}

static void *sleeps(void *arg)
{
	own = *(int *)arg;
	pthread_barrier_wait(&sleepers);
	pthread_barrier_wait(&sleepers);
	SAME(own, *(int *)arg);
	return arg;
}

/* The status of the first thread's exit or, on newer kernels, of the last one's. */
static int end_of(pid_t gone)
{
	int status;

	TRY(kill(gone, SIGUSR1));
	SAME(TRY(TEMP_FAILURE_RETRY(waitpid(gone, &status, 0))), gone);
	return status;
}

static void check_first(void)
{
	char path[64];

	SAME(proc_state(getpid()), 'Z');
	CHECK(gettid() != getpid(), "this is the first thread");
	snprintf(path, sizeof(path), "/proc/%d/comm", getpid());
	CHECK(strcmp(proc_read(0, path), "gone\n") == 0, "the first thread's name is %s", proc_read(0, path));
	SAME(TRY(sched_getscheduler(getpid())), SCHED_BATCH);
}

static void check_data(int fd, const char *data)
{
	char found[16] = "";

	SAME(TRY(read(fd, found, sizeof(found))), strlen(data));
	CHECK(strcmp(found, data) == 0, "what was unread is %s, not %s", found, data);
}

/* A lock of fcntl(2) is the process', and conflicts with a child's. */
static void check_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t child = TRY(fork());

	if (child == 0) {
		TRY(fcntl(fd, F_GETLK, &lock));
		SAME(lock.l_type, F_WRLCK);
		SAME(lock.l_pid, getppid());
		_exit(0);
	}
	test_reap(child);
}

static void one_round(int file)
{
	static int numbers[2] = { 17, 18 };
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	struct itimerspec hour = { .it_value.tv_sec = 3600 }, left;
	pthread_t threads[2];
	int pipes[2], pair[2], status = end_of(test_fork(exits_first, NULL));
	timer_t timer;

	TRY0(pthread_barrier_init(&sleepers, NULL, 3));
	for (int i = 0; i < 2; i++)
		TRY0(pthread_create(&threads[i], NULL, sleeps, &numbers[i]));
	pthread_barrier_wait(&sleepers);
	TRY(pipe(pipes));
	TRY(write(pipes[1], "piped", 5));
	TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	TRY(write(pair[0], "sent", 4));
	int event = TRY(eventfd(5, 0)), memory = TRY(memfd_create("leader", 0));
	TRY(ftruncate(memory, PAGE));
	char *shared = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
	char *anon = TRY(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	strcpy(shared, "shared");
	pattern_fill(anon, 8 * PAGE, 3);
	TRY(fcntl(file, F_SETLK, &lock));
	TRY(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	TRY(timer_settime(timer, 0, &hour, NULL));
	pid_t child = test_fork(is_waited_for, NULL), gone = test_fork(exits_first, NULL), zombie = test_fork(ends_at_once, NULL);
	proc_wait_state(zombie, 'Z');
	check_first();
	test_ready();
	test_wait();

	check_first();
	check_data(pipes[0], "piped");
	check_data(pair[1], "sent");
	uint64_t count;
	SAME(TRY(read(event, &count, sizeof(count))), sizeof(count));
	SAME(count, 5);
	CHECK(strcmp(shared, "shared") == 0, "shared memory has %s", shared);
	pattern_check(anon, 8 * PAGE, 3, "private memory");
	check_lock(file);
	TRY(timer_gettime(timer, &left));
	CHECK(left.it_value.tv_sec > 1800 && left.it_value.tv_sec < 3600, "the timer has %ld s", left.it_value.tv_sec);
	TRY(timer_delete(timer));
	test_finish(child);
	test_reap(zombie);
	SAME(end_of(gone), status);
	pthread_barrier_wait(&sleepers);
	for (int i = 0; i < 2; i++)
		TRY0(pthread_join(threads[i], NULL));
	const int all[] = { pipes[0], pipes[1], pair[0], pair[1], event, memory };
	for (size_t i = 0; i < COUNT(all); i++)
		TRY(close(all[i]));
	TRY(munmap(shared, PAGE));
	TRY(munmap(anon, 8 * PAGE));
}

static void *goes_on(void *arg)
{
	const char *path = test_path(".locked");
	int file = TRY(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));

	TRY(ftruncate(file, 100));
	proc_wait_state(getpid(), 'Z');
	do {
		one_round(file);
	} while (test_pass());
	unlink(path);
	exit(0);
	return arg;
}

int main(int argc, char **argv)
{
	struct sched_param none = { .sched_priority = 0 };
	pthread_t thread;

	test_init(argc, argv);
	TRY0(pthread_create(&thread, NULL, goes_on, NULL));
	TRY(prctl(PR_SET_NAME, "gone"));
	TRY(sched_setscheduler(0, SCHED_BATCH, &none));
	syscall(SYS_exit, 0);
	return 1;
}

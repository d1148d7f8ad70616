// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V semaphores: values, owners, who operated last; what ends of processes undo, of a thread's operations too;
 * a process that sleeps.
 */
#include "test.h"

#include <pthread.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>

enum { COUNT_OF_SETS = 4, NOBODY = 65534, LARGEST = 32767, SMALLEST = -32768 };

union argument {
	int value;
	struct semid_ds *set;
	unsigned short *values;
};

/* In `keyed`. */
enum { PLAIN, FULL, DOWN, UP, MOST, THREADS, BYSTANDER, NR };

static int keyed, slept, ended, foreign;
static struct semid_ds was[COUNT_OF_SETS];
static int pids[NR];

static int value_of(int id, int number)
{
	return TRY(semctl(id, number, GETVAL));
}

static void operate(int id, int number, int by, int flags)
{
	struct sembuf op = { (unsigned short)number, (short)by, (short)(flags | IPC_NOWAIT) };

	TRY(semop(id, &op, 1));
}

static void set_value(int id, int number, int value)
{
	TRY(semctl(id, number, SETVAL, (union argument){ .value = value }));
}

static struct semid_ds stat_of(int id)
{
	struct semid_ds is;

	TRY(semctl(id, 0, IPC_STAT, (union argument){ .set = &is }));
	return is;
}

static void compare(int id, const struct semid_ds *was_so)
{
	struct semid_ds is = stat_of(id);

	SAME(is.sem_perm.__key, was_so->sem_perm.__key);
	SAME(is.sem_perm.uid, was_so->sem_perm.uid);
	SAME(is.sem_perm.gid, was_so->sem_perm.gid);
	SAME(is.sem_perm.cuid, was_so->sem_perm.cuid);
	SAME(is.sem_perm.cgid, was_so->sem_perm.cgid);
	SAME(is.sem_perm.mode, was_so->sem_perm.mode);
	SAME(is.sem_nsems, was_so->sem_nsems);
}

static void *in_thread(void *arg)
{
	pthread_barrier_t *barrier = arg;

	operate(keyed, THREADS, -3, SEM_UNDO);
	pthread_barrier_wait(barrier);
	/* after the restore */
	pthread_barrier_wait(barrier);
	operate(keyed, THREADS, -2, SEM_UNDO);
	return NULL;
}

static void undoer(void *arg)
{
	pthread_barrier_t barrier;
	pthread_t thread;

	(void)arg;
	operate(keyed, DOWN, -4, SEM_UNDO);
	operate(keyed, UP, 6, SEM_UNDO);
	operate(keyed, MOST, -LARGEST, SEM_UNDO);
	operate(foreign, 0, LARGEST, SEM_UNDO);
	operate(foreign, 0, -LARGEST, 0);
	operate(foreign, 0, 1, SEM_UNDO);
	TRY0(pthread_barrier_init(&barrier, NULL, 2));
	TRY0(pthread_create(&thread, NULL, in_thread, &barrier));
	pthread_barrier_wait(&barrier);
	test_child_ready();
	test_wait();

	pthread_barrier_wait(&barrier);
	TRY0(pthread_join(thread, NULL));
	/* nothing is undone at the end of a thread that shares it */
	SAME(value_of(keyed, THREADS), 5);
}

static void sleeper(void *arg)
{
	struct sembuf op = { 0, -1, 0 };

	(void)arg;
	test_child_ready();
	/* EINTR after any stop */
	while (syscall(SYS_semop, slept, &op, 1) < 0)
		CHECK(errno == EINTR, "semop: %s", strerror(errno));
}

static void make(void)
{
	struct semid_ds set;

	keyed = TRY(semget(0x43530000 + getpid(), NR, IPC_CREAT | IPC_EXCL | 0600));
	slept = TRY(semget(IPC_PRIVATE, 1, 0600));
	ended = TRY(semget(IPC_PRIVATE, 2, 0600));
	TRY(seteuid(NOBODY));
	foreign = TRY(semget(IPC_PRIVATE, 1, 0400));
	TRY(seteuid(0));
	set = stat_of(keyed);
	set.sem_perm.uid = 1234;
	set.sem_perm.gid = 4321;
	set.sem_perm.mode = 0642;
	TRY(semctl(keyed, 0, IPC_SET, (union argument){ .set = &set }));
	set_value(keyed, PLAIN, 5);
	set_value(keyed, FULL, LARGEST);
	set_value(keyed, DOWN, 10);
	set_value(keyed, MOST, LARGEST);
	set_value(keyed, THREADS, 10);
	set_value(keyed, BYSTANDER, 1);
	operate(keyed, PLAIN, 2, SEM_UNDO);
	operate(keyed, PLAIN, -3, SEM_UNDO);
}

static void check_values(void)
{
	SAME(value_of(keyed, PLAIN), 4);
	SAME(value_of(keyed, FULL), LARGEST);
	SAME(value_of(keyed, DOWN), 6);
	SAME(value_of(keyed, UP), 6);
	SAME(value_of(keyed, MOST), 0);
	SAME(value_of(keyed, THREADS), 7);
	SAME(value_of(keyed, BYSTANDER), 1);
	SAME(value_of(foreign, 0), 1);
	SAME(value_of(ended, 0), 3);
	SAME(value_of(slept, 0), 0);
}

static void remove_all(void)
{
	TRY(semctl(keyed, 0, IPC_RMID));
	TRY(semctl(slept, 0, IPC_RMID));
	TRY(semctl(ended, 0, IPC_RMID));
	TRY(semctl(foreign, 0, IPC_RMID));
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		make();
		pid_t zombie = TRY(fork());

		if (zombie == 0) {
			operate(ended, 0, 3, 0);
			_exit(0);
		}
		proc_wait_state(zombie, 'Z');
		pid_t child = test_fork(undoer, NULL), waits = test_fork(sleeper, NULL);

		proc_wait_syscall(waits, SYS_semop);
		check_values();
		for (int i = 0; i < NR; i++)
			pids[i] = TRY(semctl(keyed, i, GETPID));
		SAME(pids[UP], child);
		was[0] = stat_of(keyed);
		was[1] = stat_of(slept);
		was[2] = stat_of(ended);
		was[3] = stat_of(foreign);
		test_ready();
		test_wait();

		compare(keyed, &was[0]);
		compare(slept, &was[1]);
		compare(ended, &was[2]);
		compare(foreign, &was[3]);
		SAME(TRY(semget(0x43530000 + getpid(), 0, 0)), keyed);
		check_values();
		/* where ends of processes have undone something, who put that right was the last */
		SAME(TRY(semctl(keyed, FULL, GETPID)), pids[FULL]);
		SAME(TRY(semctl(keyed, BYSTANDER, GETPID)), pids[BYSTANDER]);
		SAME(TRY(semctl(ended, 0, GETPID)), zombie);
		test_finish(child);
		SAME(value_of(keyed, DOWN), 10);
		SAME(value_of(keyed, UP), 0);
		SAME(value_of(keyed, MOST), LARGEST);
		SAME(value_of(keyed, THREADS), 10);
		/* more than it had: no less than nothing is left */
		SAME(value_of(foreign, 0), 0);
		operate(slept, 0, 1, 0);
		test_reap(waits);
		test_reap(zombie);
		remove_all();
	} while (test_pass());
	return 0;
}

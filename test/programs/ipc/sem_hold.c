// SPDX-License-Identifier: GPL-2.0-only
/* A set of three semaphores with the key of its argument (hexadecimal): values, and something to undo. */
#include "test.h"

#include <sys/ipc.h>
#include <sys/sem.h>

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);

	CHECK(own < argc, "which key?");
	do {
		int id = TRY(semget((key_t)strtoul(argv[own], NULL, 16), 3, IPC_CREAT | IPC_EXCL | 0600));
		struct sembuf up[] = { { 0, 7, 0 }, { 1, 2, 0 } }, undone[] = { { 0, -3, SEM_UNDO }, { 2, 5, SEM_UNDO } };

		TRY(semop(id, up, 2));
		TRY(semop(id, undone, 2));
		test_ready();
		test_wait();

		SAME(TRY(semctl(id, 0, GETVAL)), 4);
		SAME(TRY(semctl(id, 1, GETVAL)), 2);
		SAME(TRY(semctl(id, 2, GETVAL)), 5);
		TRY(semctl(id, 0, IPC_RMID));
	} while (test_pass());
	return 0;
}

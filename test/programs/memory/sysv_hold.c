// SPDX-License-Identifier: GPL-2.0-only
/* Attaches a segment with the key of its argument (hexadecimal), one page of which is a hole. */
#include "test.h"

#include <sys/ipc.h>
#include <sys/shm.h>

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);

	CHECK(own < argc, "which key?");
	do {
		int id = TRY(shmget((key_t)strtoul(argv[own], NULL, 16), 3 * PAGE, IPC_CREAT | IPC_EXCL | 0600));
		char *memory = TRY(shmat(id, NULL, 0));
		struct shmid_ds is;

		pattern_fill(memory, PAGE, 1);
		pattern_fill(memory + 2 * PAGE, PAGE, 3);
		test_ready();
		test_wait();

		pattern_check(memory, PAGE, 1, "the first page");
		pattern_check(memory + 2 * PAGE, PAGE, 3, "the last page");
		for (size_t i = PAGE; i < 2 * PAGE; i++)
			SAME(memory[i], 0);
		TRY(shmctl(id, IPC_STAT, &is));
		SAME(is.shm_nattch, 1);
		TRY(shmdt(memory));
		TRY(shmctl(id, IPC_RMID, NULL));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V shared memory for tests. Arguments:
 *	make KEY SIZE [ID]	a segment with that key (hexadecimal) and that id; prints its id
 *	write ID OFFSET TEXT
 *	read ID OFFSET LENGTH	prints it
 *	attach ID		attaches it, prints "done", waits for the end of the input
 *	remove ID
 */
#include "test.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static void make(int argc, char **argv)
{
	if (argc > 4) {
		int fd = TRY(open("/proc/sys/kernel/shm_next_id", O_WRONLY));

		TRY(write(fd, argv[4], strlen(argv[4])));
		close(fd);
	}
	printf("%d\n", TRY(shmget((key_t)strtoul(argv[2], NULL, 16), strtoul(argv[3], NULL, 10), IPC_CREAT | IPC_EXCL | 0600)));
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	char *memory;
	int id;

	if (strcmp(what, "make") == 0 && argc > 3) {
		make(argc, argv);
		return 0;
	}
	id = atoi(argc > 2 ? argv[2] : "-1");
	if (strcmp(what, "remove") == 0) {
		TRY(shmctl(id, IPC_RMID, NULL));
		return 0;
	}
	memory = TRY(shmat(id, NULL, 0));
	if (strcmp(what, "write") == 0 && argc > 4) {
		memcpy(memory + atoi(argv[3]), argv[4], strlen(argv[4]));
	} else if (strcmp(what, "read") == 0 && argc > 4) {
		fwrite(memory + atoi(argv[3]), atoi(argv[4]), 1, stdout);
	} else if (strcmp(what, "attach") == 0) {
		test_hold();
	} else {
		return 2;
	}
	return 0;
}

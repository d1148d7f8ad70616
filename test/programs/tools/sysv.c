// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V semaphores and message queues for tests. Arguments:
 *	sem|msg make KEY SIZE [ID]	with that key (hexadecimal), so many semaphores, and that id; prints its id
 *	sem|msg remove ID
 *	sem get ID			prints the values
 *	sem op ID NUMBER BY		semop(2)
 *	sem undo ID NUMBER BY		the same with SEM_UNDO, prints "done", waits for the end of the input
 *	sem wait ID NUMBER		prints "done", waits for it to be more than 0
 *	msg send ID TYPE TEXT [hold]	hold: prints "done", waits for the end of the input
 *	msg get ID			prints the messages, each as TYPE:TEXT, and leaves them there
 */
#include "test.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

union argument {
	struct semid_ds *set;
};

static int make(bool sem, int argc, char **argv)
{
	key_t key = (key_t)strtoul(argv[3], NULL, 16);
	const int flags = IPC_CREAT | IPC_EXCL | 0600;

	if (argc > 5) {
		int fd = TRY(open(sem ? "/proc/sys/kernel/sem_next_id" : "/proc/sys/kernel/msg_next_id", O_WRONLY));

		TRY(write(fd, argv[5], strlen(argv[5])));
		close(fd);
	}
	printf("%d\n", sem ? TRY(semget(key, atoi(argv[4]), flags)) : TRY(msgget(key, flags)));
	return 0;
}

static int semaphores(const char *what, int id, int argc, char **argv)
{
	struct sembuf op = { (unsigned short)(argc > 4 ? atoi(argv[4]) : 0), (short)(argc > 5 ? atoi(argv[5]) : -1), 0 };
	struct semid_ds is;

	if (strcmp(what, "remove") == 0) {
		TRY(semctl(id, 0, IPC_RMID));
	} else if (strcmp(what, "get") == 0) {
		TRY(semctl(id, 0, IPC_STAT, (union argument){ .set = &is }));
		for (int i = 0; i < (int)is.sem_nsems; i++)
			printf("%s%d", i ? " " : "", TRY(semctl(id, i, GETVAL)));
		puts("");
	} else if (strcmp(what, "op") == 0) {
		TRY(semop(id, &op, 1));
	} else if (strcmp(what, "undo") == 0) {
		op.sem_flg = SEM_UNDO;
		TRY(semop(id, &op, 1));
		test_hold();
	} else if (strcmp(what, "wait") == 0) {
		puts("done");
		fflush(stdout);
		TRY(semop(id, &op, 1));
	} else {
		return 2;
	}
	return 0;
}

static int messages(const char *what, int id, int argc, char **argv)
{
	struct { long type; char text[8192]; } message;
	ssize_t size;

	if (strcmp(what, "remove") == 0) {
		TRY(msgctl(id, IPC_RMID, NULL));
	} else if (strcmp(what, "get") == 0) {
		for (int i = 0; (size = msgrcv(id, &message, sizeof(message.text), i, MSG_COPY | IPC_NOWAIT)) >= 0; i++)
			printf("%s%ld:%.*s", i ? " " : "", message.type, (int)size, message.text);
		puts("");
	} else if (strcmp(what, "send") == 0 && argc > 5) {
		message.type = atol(argv[4]);
		size = (ssize_t)strlen(argv[5]);
		memcpy(message.text, argv[5], (size_t)size);
		TRY(msgsnd(id, &message, (size_t)size, IPC_NOWAIT));
		if (argc > 6)
			test_hold();
	} else {
		return 2;
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool sem = argc > 1 && strcmp(argv[1], "sem") == 0;

	if (argc < 4)
		return 2;
	if (strcmp(argv[2], "make") == 0 && argc > 4)
		return make(sem, argc, argv);
	return (sem ? semaphores : messages)(argv[2], atoi(argv[3]), argc, argv);
}

// SPDX-License-Identifier: GPL-2.0-only
/* A message queue with the key of its argument (hexadecimal), and two messages in it. */
#include "test.h"

#include <sys/ipc.h>
#include <sys/msg.h>

struct message {
	long type;
	char text[8];
};

static void send(int id, const struct message *message)
{
	TRY(msgsnd(id, message, strlen(message->text), IPC_NOWAIT));
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);

	CHECK(own < argc, "which key?");
	do {
		int id = TRY(msgget((key_t)strtoul(argv[own], NULL, 16), IPC_CREAT | IPC_EXCL | 0600));
		struct message one = { 3, "first" }, two = { 1, "second" }, got = { 0 };

		/* so that it has received, too */
		send(id, &one);
		TRY(msgrcv(id, &got, sizeof(got.text), 0, IPC_NOWAIT));
		send(id, &one);
		send(id, &two);
		test_ready();
		test_wait();

		SAME(TRY(msgrcv(id, &got, sizeof(got.text), 0, IPC_NOWAIT)), 5);
		SAME(got.type, 3);
		CHECK(memcmp(got.text, "first", 5) == 0, "another message");
		SAME(TRY(msgrcv(id, &got, sizeof(got.text), 0, IPC_NOWAIT)), 6);
		SAME(got.type, 1);
		CHECK(memcmp(got.text, "second", 6) == 0, "another message");
		CHECK(msgrcv(id, &got, sizeof(got.text), 0, IPC_NOWAIT) == -1 && errno == ENOMSG, "one message too many");
		TRY(msgctl(id, IPC_RMID, NULL));
	} while (test_pass());
	return 0;
}

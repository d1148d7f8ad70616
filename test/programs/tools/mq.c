// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX message queues for tests. Arguments:
 *	NAME make		with room for 5 messages of 8 bytes
 *	NAME remove
 *	NAME send PRIORITY TEXT
 *	NAME stat		prints how many messages and bytes it holds, and its inode number
 *	NAME take		prints the messages, each as PRIORITY:TEXT, and takes them
 *	NAME hold		prints "done", waits for the end of the input
 */
#include "test.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>

static void describe(mqd_t queue)
{
	struct mq_attr attr;
	struct stat st;
	char text[128];
	unsigned long bytes;
	ssize_t size = TRY(pread(queue, text, sizeof(text) - 1, 0));

	text[size] = '\0';
	CHECK(sscanf(text, "QSIZE:%lu", &bytes) == 1, "its file has \"%s\"", text);
	TRY(mq_getattr(queue, &attr));
	TRY(fstat(queue, &st));
	printf("%ld %lu %llu\n", attr.mq_curmsgs, bytes, (unsigned long long)st.st_ino);
}

static void take(mqd_t queue)
{
	unsigned int priority;
	char text[8];
	ssize_t size;

	for (int i = 0; (size = mq_receive(queue, text, sizeof(text), &priority)) >= 0; i++)
		printf("%s%u:%.*s", i ? " " : "", priority, (int)size, text);
	SAME(errno, EAGAIN);
	puts("");
}

int main(int argc, char **argv)
{
	const struct mq_attr attr = { .mq_maxmsg = 5, .mq_msgsize = 8 };
	const char *what = argc > 2 ? argv[2] : "";
	mqd_t queue;

	if (strcmp(what, "remove") == 0) {
		TRY(mq_unlink(argv[1]));
		return 0;
	}
	if (strcmp(what, "make") == 0) {
		TRY(mq_open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
		return 0;
	}
	if (argc < 3)
		return 2;
	queue = TRY(mq_open(argv[1], O_RDWR | O_NONBLOCK));
	if (strcmp(what, "send") == 0 && argc == 5)
		TRY(mq_send(queue, argv[4], strlen(argv[4]), (unsigned int)atoi(argv[3])));
	else if (strcmp(what, "stat") == 0)
		describe(queue);
	else if (strcmp(what, "take") == 0)
		take(queue);
	else if (strcmp(what, "hold") == 0)
		test_hold();
	else
		return 2;
	return 0;
}

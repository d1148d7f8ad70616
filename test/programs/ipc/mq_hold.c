// SPDX-License-Identifier: GPL-2.0-only
/* A POSIX message queue with the name of its argument, and two messages in it. */
#include "test.h"

#include <fcntl.h>
#include <mqueue.h>

static void expect(mqd_t queue, unsigned int priority, const char *text)
{
	char got[8];
	unsigned int found;

	SAME(TRY(mq_receive(queue, got, sizeof(got), &found)), (ssize_t)strlen(text));
	SAME(found, priority);
	CHECK(memcmp(got, text, strlen(text)) == 0, "another message");
}

int main(int argc, char **argv)
{
	const struct mq_attr attr = { .mq_maxmsg = 5, .mq_msgsize = 8 };
	int own = test_init(argc, argv);

	CHECK(own < argc, "which name?");
	do {
		mqd_t queue = TRY(mq_open(argv[own], O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr));

		TRY(mq_send(queue, "second", 6, 1));
		TRY(mq_send(queue, "first", 5, 3));
		test_ready();
		test_wait();

		expect(queue, 3, "first");
		expect(queue, 1, "second");
		CHECK(mq_receive(queue, (char[8]){ 0 }, 8, NULL) == -1 && errno == EAGAIN, "one message too many");
		TRY(mq_unlink(argv[own]));
		TRY(mq_close(queue));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* FIFOs: unread data, an end in a child, one descriptor for both ends, no writer any more. */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

static int child_end;

static void writer(void *arg)
{
	child_end = TRY(open(arg, O_WRONLY));
	test_child_ready();
	test_wait();
	SAME(write(child_end, " and more", 9), 9);
}

int main(int argc, char **argv)
{
	char buffer[64], shared_path[4200];

	test_init(argc, argv);
	snprintf(shared_path, sizeof(shared_path), "%s", test_path("shared"));
	do {
		const char *both_path = test_path("both"), *left_path = test_path("left");

		TRY(mkfifo(shared_path, 0600));
		TRY(mkfifo(both_path, 0600));
		TRY(mkfifo(left_path, 0600));
		int reader = TRY(open(shared_path, O_RDONLY | O_NONBLOCK));
		pid_t pid = test_fork(writer, shared_path);
		int second = TRY(open(shared_path, O_WRONLY));
		SAME(write(second, "some", 4), 4);
		int both = TRY(open(both_path, O_RDWR));
		TRY(fcntl(both, F_SETPIPE_SZ, 8192));
		SAME(write(both, "kept", 4), 4);
		int left = TRY(open(left_path, O_RDONLY | O_NONBLOCK));
		int leaves = TRY(open(left_path, O_WRONLY));
		SAME(write(leaves, "farewell", 8), 8);
		close(leaves);
		test_ready();
		test_wait();

		test_finish(pid);
		close(second);
		SAME(read(reader, buffer, sizeof(buffer)), 13);
		CHECK(memcmp(buffer, "some and more", 13) == 0, "the FIFO held %.13s", buffer);
		SAME(read(reader, buffer, sizeof(buffer)), 0);
		SAME(fcntl(reader, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(fcntl(both, F_GETPIPE_SZ), 8192);
		SAME(read(both, buffer, sizeof(buffer)), 4);
		SAME(read(left, buffer, sizeof(buffer)), 8);
		SAME(read(left, buffer, sizeof(buffer)), 0);
		/* The name and the descriptor are one FIFO still. */
		int anew = TRY(open(shared_path, O_WRONLY | O_NONBLOCK));
		SAME(write(anew, "x", 1), 1);
		SAME(read(reader, buffer, sizeof(buffer)), 1);
		close(anew);
		close(reader);
		close(both);
		close(left);
		TRY(unlink(shared_path));
		TRY(unlink(test_path("both")));
		TRY(unlink(test_path("left")));
	} while (test_pass());
	return 0;
}

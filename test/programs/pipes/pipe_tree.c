// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pipes between tasks: ends in several, readers and writers blocked in the
 * call, ends that nobody holds any more, one end under two descriptors.
 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int to_child[2], from_child[2], full[2];

static void echo(void *arg)
{
	char buffer[512];
	ssize_t size;

	(void)arg;
	close(to_child[1]);
	close(from_child[0]);
	close(full[0]);
	close(full[1]);
	test_child_ready();
	/* Blocked here during the dump; the end of the input is the end. */
	while ((size = TRY(read(to_child[0], buffer, sizeof(buffer)))) > 0)
		SAME(write(from_child[1], buffer, size), size);
}

static void blocked_writer(void *arg)
{
	static char block[4096];

	(void)arg;
	close(to_child[0]);
	close(to_child[1]);
	close(from_child[0]);
	close(from_child[1]);
	close(full[0]);
	test_child_ready();
	/* Each write of PIPE_BUF bytes at most is made as a whole, so it is none the less when begun again. */
	for (int i = 0; i < 40; i++) {
		memset(block, 'A' + i % 26, sizeof(block));
		SAME(write(full[1], block, sizeof(block)), sizeof(block));
	}
}

int main(int argc, char **argv)
{
	static char block[4096];
	char buffer[64];

	test_init(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	do {
		int no_writer[2], no_reader[2];

		TRY(pipe(to_child));
		TRY(pipe(from_child));
		TRY(pipe(full));
		pid_t pid[2];
		pid[0] = test_fork(echo, NULL);
		proc_wait_syscall(pid[0], SYS_read);
		pid[1] = test_fork(blocked_writer, NULL);
		proc_wait_syscall(pid[1], SYS_write);
		close(to_child[0]);
		close(from_child[1]);
		close(full[1]);

		TRY(pipe(no_writer));
		SAME(write(no_writer[1], "last words", 10), 10);
		close(no_writer[1]);
		TRY(pipe(no_reader));
		close(no_reader[0]);
		int second = TRY(dup(to_child[1]));
		test_ready();
		test_wait();

		SAME(write(second, "hello", 5), 5);
		SAME(read(from_child[0], buffer, sizeof(buffer)), 5);
		CHECK(memcmp(buffer, "hello", 5) == 0, "the child sent %.5s back", buffer);
		close(second);
		SAME(write(to_child[1], "again", 5), 5);
		SAME(read(from_child[0], buffer, sizeof(buffer)), 5);
		close(to_child[1]);
		/* The last writing ends are closed: the child ends, and with it the other pipe. */
		test_reap(pid[0]);
		SAME(read(from_child[0], buffer, sizeof(buffer)), 0);

		for (int i = 0; i < 40; i++) {
			for (size_t got = 0; got < sizeof(block);)
				got += TRY(read(full[0], block + got, sizeof(block) - got));
			for (size_t at = 0; at < sizeof(block); at++)
				CHECK(block[at] == 'A' + i % 26, "block %d has '%c' at %zu", i, block[at], at);
		}
		test_reap(pid[1]);
		SAME(read(full[0], buffer, 1), 0);

		SAME(read(no_writer[0], buffer, sizeof(buffer)), 10);
		SAME(read(no_writer[0], buffer, sizeof(buffer)), 0);
		CHECK(write(no_reader[1], "x", 1) == -1 && errno == EPIPE, "somebody reads what nobody could");
		close(from_child[0]);
		close(full[0]);
		close(no_writer[0]);
		close(no_reader[1]);
	} while (test_pass());
	return 0;
}

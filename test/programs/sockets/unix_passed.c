// SPDX-License-Identifier: GPL-2.0-only
/*
 * unix(7), what messages carry: descriptors that are open here as well, that are open nowhere else, a socket with a message of its own, and
 * credentials.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "sockets.h"
#include "test.h"

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int pair[2], carried[2], credentials[2], counter = TRY(eventfd(7, EFD_NONBLOCK)), one = 1, fd, inner;
		int file = TRY(open(test_path(".passed"), O_RDWR | O_CREAT | O_TRUNC, 0600));
		struct ucred sender = { 0 };
		eventfd_t value;
		char text[16];

		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		TRY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, carried));
		TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, credentials));
		TRY(setsockopt(credentials[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
		SAME(send(credentials[0], "who", 3, 0), 3);

		SAME(write(file, "in the file", 11), 11);
		pass(pair[0], "known", counter);
		pass(pair[0], "file", file);
		close(file);
		/* a socket in a message, with a message in it */
		pass(carried[0], "inner", counter);
		pass(pair[0], "socket", carried[1]);
		close(carried[1]);
		SAME(send(pair[0], "tail", 4, 0), 4);

		test_ready();
		test_wait();

		fd = take(pair[1], "known", NULL);
		CHECK(fd >= 0, "no descriptor came with the first message");
		TRY(eventfd_write(fd, 3));
		TRY(eventfd_read(counter, &value));
		SAME(value, 10);
		close(fd);
		fd = take(pair[1], "file", NULL);
		CHECK(fd >= 0, "no descriptor came with the second message");
		SAME(lseek(fd, 0, SEEK_CUR), 11);
		SAME(pread(fd, text, sizeof(text), 0), 11);
		CHECK(!memcmp(text, "in the file", 11), "the file has something else");
		close(fd);
		fd = take(pair[1], "socket", NULL);
		CHECK(fd >= 0, "no descriptor came with the third message");
		SAME(send(carried[0], "more", 4, 0), 4);
		inner = take(fd, "inner", NULL);
		CHECK(inner >= 0, "no descriptor came with the inner message");
		TRY(eventfd_write(inner, 5));
		TRY(eventfd_read(counter, &value));
		SAME(value, 5);
		SAME(take(fd, "more", NULL), -1);
		close(inner);
		close(fd);
		SAME(take(pair[1], "tail", NULL), -1);
		SAME(take(credentials[1], "who", &sender), -1);
		SAME(sender.pid, getpid());
		SAME(sender.uid, geteuid());
		SAME(sender.gid, getegid());
		close(counter);
		close(carried[0]);
		for (int i = 0; i < 2; i++) {
			close(pair[i]);
			close(credentials[i]);
		}
	} while (test_pass());
	return 0;
}

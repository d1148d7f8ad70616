// SPDX-License-Identifier: GPL-2.0-only
/*
 * unix(7), what lies unread between two ends, in its parts: packets of no length, where in a stream a descriptor was passed, who is not known to have
 * sent, messages that came before their reader turned to another.
 */
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <fcntl.h>

#include "sockets.h"
#include "test.h"

static int box(const char *name, int number, struct sockaddr_un *address, socklen_t *length)
{
	int fd = TRY(socket(AF_UNIX, SOCK_DGRAM, 0));

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			      snprintf(address->sun_path + 1, 64, "crctl-%s-%d", name, number));
	TRY(bind(fd, (struct sockaddr *)address, *length));
	return fd;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int packets[2], stream[2], unknown[2], one = 1, counter = TRY(eventfd(0, EFD_NONBLOCK)), fd, pidfd, file, again;
		int reader, writer, other;
		struct sockaddr_un to_reader, to_writer, to_other;
		socklen_t reader_length, writer_length, other_length;
		struct ucred sender = { .pid = -1 };
		eventfd_t value;
		char text[16] = "";

		TRY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
		SAME(send(packets[0], "", 0, 0), 0);
		SAME(send(packets[0], "a packet", 8, 0), 8);
		SAME(send(packets[0], "", 0, 0), 0);
		SAME(send(packets[0], "another", 7, 0), 7);

		/* a head that is read by itself, and then what a descriptor came with */
		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
		SAME(write(stream[0], "head", 4), 4);
		pass(stream[0], "body", counter);
		SAME(write(stream[0], "head", 4), 4);
		pidfd = TRY((int)syscall(SYS_pidfd_open, getpid(), 0));
		pass(stream[0], "pidfd", pidfd);
		close(pidfd);
		file = TRY(open(test_path(".locked"), O_RDWR | O_CREAT, 0600));
		TRY(flock(file, LOCK_EX));
		pass(stream[0], "locked", file);
		close(file);

		/* they were sent before anybody asked by whom */
		TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, unknown));
		SAME(send(unknown[0], "who", 3, 0), 3);
		TRY(setsockopt(unknown[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));

		/* what a third sent, before the reader wanted to hear nobody but another */
		reader = box("reader", getpid(), &to_reader, &reader_length);
		writer = box("writer", getpid(), &to_writer, &writer_length);
		other = box("other", getpid(), &to_other, &other_length);
		SAME(sendto(writer, "early", 5, 0, (struct sockaddr *)&to_reader, reader_length), 5);
		TRY(connect(reader, (struct sockaddr *)&to_other, other_length));

		test_ready();
		test_wait();

		SAME(recv(packets[1], text, sizeof(text), MSG_DONTWAIT), 0);
		take(packets[1], "a packet", NULL);
		SAME(recv(packets[1], text, sizeof(text), MSG_DONTWAIT), 0);
		take(packets[1], "another", NULL);
		CHECK(recv(packets[1], text, sizeof(text), MSG_DONTWAIT) < 0 && errno == EAGAIN, "one more packet");

		memset(text, 0, sizeof(text));
		SAME(read(stream[1], text, 4), 4);
		CHECK(!memcmp(text, "head", 4), "found \"%s\"", text);
		fd = take(stream[1], "body", NULL);
		CHECK(fd >= 0, "no descriptor came with the body");
		TRY(eventfd_write(fd, 3));
		TRY(eventfd_read(counter, &value));
		SAME(value, 3);
		close(fd);
		SAME(read(stream[1], text, 4), 4);
		fd = take(stream[1], "pidfd", NULL);
		CHECK(fd >= 0, "no pidfd came");
		SAME(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), 0);
		close(fd);
		fd = take(stream[1], "locked", NULL);
		CHECK(fd >= 0, "no file came");
		again = TRY(open(test_path(".locked"), O_RDWR));
		CHECK(flock(again, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK, "it is not locked any more");
		close(again);
		close(fd);

		SAME(take(unknown[1], "who", &sender), -1);
		SAME(sender.pid, 0);
		SAME(sender.uid, 65534);

		take(reader, "early", NULL);
		CHECK(sendto(writer, "late", 4, 0, (struct sockaddr *)&to_reader, reader_length) < 0 && errno == EPERM, "it hears others");
		SAME(sendto(other, "now", 3, 0, (struct sockaddr *)&to_reader, reader_length), 3);
		take(reader, "now", NULL);

		for (int i = 0; i < 2; i++) {
			close(packets[i]);
			close(stream[i]);
			close(unknown[i]);
		}
		close(counter);
		close(reader);
		close(writer);
		close(other);
	} while (test_pass());
	return 0;
}

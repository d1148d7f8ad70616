// SPDX-License-Identifier: GPL-2.0-only
/* What is in a pseudo-terminal: lines, unfinished ones, marks of end of file, quoted characters, raw bytes, output that waits, output that was stopped. */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "test.h"

#define MUCH 6000

struct pair {
	int master, slave;
};

static struct pair make(bool raw)
{
	struct pair pair = { .master = TRY(posix_openpt(O_RDWR | O_NOCTTY)) };
	struct termios termios;

	TRY(unlockpt(pair.master));
	pair.slave = TRY(open(ptsname(pair.master), O_RDWR | O_NOCTTY | O_NONBLOCK));
	TRY(tcgetattr(pair.slave, &termios));
	termios.c_lflag &= (tcflag_t)~ECHO;
	if (raw)
		cfmakeraw(&termios);
	TRY(tcsetattr(pair.slave, TCSANOW, &termios));
	return pair;
}

/* All of it has been processed once the slave's poll(2), which waits for that, was asked; or it has when there is something to read. */
static void type(const struct pair *pair, const char *text, size_t size)
{
	SAME(write(pair->master, text, size), size);
	poll(&(struct pollfd){ .fd = pair->slave, .events = POLLIN }, 1, 0);
}

static void reads(int fd, const char *expected, size_t size)
{
	char buffer[5000];
	ssize_t n = read(fd, buffer, sizeof(buffer));

	CHECK(n == (ssize_t)size && memcmp(buffer, expected, size) == 0, "%zd bytes, \"%.*s\" instead of \"%.*s\"", n,
	      n < 0 ? 0 : (int)n, buffer, (int)size, expected);
}

static void nothing_left(int fd)
{
	char byte;

	CHECK(read(fd, &byte, 1) < 0 && errno == EAGAIN, "there is more");
}

static bool has_room(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 0) == 1;
}

#define READS(fd, text) reads(fd, text, sizeof(text) - 1)
#define TYPE(pair, text) type(pair, text, sizeof(text) - 1)

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		struct pair lines = make(false), marks = make(false), bytes = make(true), output = make(true), stopped = make(true);
		struct pair held = make(false);
		struct termios termios;
		static char much[MUCH], found[MUCH + 1];
		int unread;

		/* the unfinished line comes first: then the slave's poll(2) waits for it */
		TYPE(&lines, "unfini");
		TYPE(&lines, "shed\nsecond\nthi");
		TYPE(&marks, "quoted\026\n\026\004 and no end\004");
		WAIT_FOR(ioctl(marks.slave, FIONREAD, &unread) == 0 && unread == 19);
		TYPE(&marks, "\004");
		TYPE(&marks, "x\n");
		WAIT_FOR(ioctl(marks.slave, FIONREAD, &unread) == 0 && unread == 21);
		WAIT_FOR(ioctl(lines.slave, FIONREAD, &unread) == 0 && unread == 18);
		TRY(tcgetattr(marks.slave, &termios));
		termios.c_cc[VEOL] = ';';
		TRY(tcsetattr(marks.slave, TCSANOW, &termios));
		TYPE(&marks, "two;three");
		WAIT_FOR(ioctl(marks.slave, FIONREAD, &unread) == 0 && unread == 25);
		TYPE(&bytes, "raw \003\004\021\023\026\r\n\377");
		WAIT_FOR(ioctl(bytes.slave, FIONREAD, &unread) == 0 && unread == 12);

		pattern_fill(much, MUCH, 5);
		TRY(fcntl(output.slave, F_SETFL, 0));
		for (int done = 0; done < MUCH;)
			done += (int)TRY(write(output.slave, much + done, (size_t)(MUCH - done)));
		WAIT_FOR(ioctl(output.master, FIONREAD, &unread) == 0 && unread >= 4095);

		TRY(write(stopped.slave, "before", 6));
		TRY(tcflow(stopped.slave, TCOOFF));
		TYPE(&held, "\023");
		WAIT_FOR(!has_room(held.slave));

		test_ready();
		test_wait();

		READS(lines.slave, "unfinished\n");
		READS(lines.slave, "second\n");
		nothing_left(lines.slave);
		TYPE(&lines, "rd\n");
		WAIT_FOR(poll(&(struct pollfd){ .fd = lines.slave, .events = POLLIN }, 1, 0) == 1);
		READS(lines.slave, "third\n");
		nothing_left(lines.slave);

		READS(marks.slave, "quoted\n\004 and no end");
		SAME(read(marks.slave, found, 1), 0);
		READS(marks.slave, "x\n");
		READS(marks.slave, "two;");
		nothing_left(marks.slave);
		TYPE(&marks, "\025four\n");
		WAIT_FOR(poll(&(struct pollfd){ .fd = marks.slave, .events = POLLIN }, 1, 0) == 1);
		READS(marks.slave, "four\n");

		READS(bytes.slave, "raw \003\004\021\023\026\r\n\377");
		nothing_left(bytes.slave);

		for (int done = 0; done < MUCH;)
			done += (int)TRY(read(output.master, found + done, (size_t)(MUCH - done)));
		CHECK(memcmp(found, much, MUCH) == 0, "the output is another");
		TRY(fcntl(output.master, F_SETFL, O_NONBLOCK));
		nothing_left(output.master);

		READS(stopped.master, "before");
		CHECK(write(stopped.slave, "x", 1) < 0 && errno == EAGAIN, "the output is not stopped");
		TRY(tcflow(stopped.slave, TCOON));
		TRY(write(stopped.slave, "after", 5));
		READS(stopped.master, "after");

		CHECK(write(held.slave, "x", 1) < 0 && errno == EAGAIN, "the output is not held");
		TYPE(&held, "\021");
		WAIT_FOR(has_room(held.slave));
		SAME(write(held.slave, "x", 1), 1);
		READS(held.master, "x");

		for (int fd = lines.master; fd <= held.slave; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Pseudo-terminals as such: names, settings, several descriptions, a child that shares them, slaves that are closed, locked or were never open. */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "test.h"

struct pair {
	int master, slave;
	char name[32];
};

static struct pair make(bool open_slave)
{
	struct pair pair = { .master = TRY(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), .slave = -1 };

	TRY0(ptsname_r(pair.master, pair.name, sizeof(pair.name)));
	TRY(unlockpt(pair.master));
	if (open_slave)
		pair.slave = TRY(open(pair.name, O_RDWR | O_NOCTTY));
	return pair;
}

static int get(int fd, unsigned long request)
{
	int value = -1;

	TRY(ioctl(fd, request, &value));
	return value;
}

static void same_name(const struct pair *pair)
{
	char name[32];

	TRY0(ptsname_r(pair->master, name, sizeof(name)));
	CHECK(strcmp(name, pair->name) == 0, "%s is %s now", pair->name, name);
	if (pair->slave < 0)
		return;
	TRY0(ttyname_r(pair->slave, name, sizeof(name)));
	CHECK(strcmp(name, pair->name) == 0, "%s is %s now", pair->name, name);
}

static void carry(int from, int to, const char *text, const char *expected)
{
	size_t length = strlen(expected), done = 0;
	char buffer[100];

	SAME(write(from, text, strlen(text)), strlen(text));
	while (done < length) {
		ssize_t n = TRY(read(to, buffer + done, sizeof(buffer) - done));

		CHECK(n > 0, "end of file");
		done += (size_t)n;
	}
	CHECK(done == length && memcmp(buffer, expected, length) == 0, "\"%.*s\" came instead of \"%s\"", (int)done, buffer, expected);
}

static struct termios strange(int fd)
{
	struct termios termios;

	TRY(tcgetattr(fd, &termios));
	termios.c_iflag = IXON | IXANY | IMAXBEL | IUTF8 | INLCR;
	termios.c_oflag = OPOST | ONLRET | TAB3;
	termios.c_lflag = ICANON | ISIG | IEXTEN | ECHONL | ECHOPRT | NOFLSH | TOSTOP;
	for (size_t i = 0; i < NCCS; i++)
		termios.c_cc[i] = (cc_t)(i == VMIN ? 7 : i == VTIME ? 9 : 0x80 + i);
	cfsetspeed(&termios, B115200);
	TRY(tcsetattr(fd, TCSANOW, &termios));
	TRY(tcgetattr(fd, &termios));
	return termios;
}

static void make_raw(int fd)
{
	struct termios termios;

	TRY(tcgetattr(fd, &termios));
	cfmakeraw(&termios);
	TRY(tcsetattr(fd, TCSANOW, &termios));
}

static void child(void *arg)
{
	const struct pair *pair = arg;

	test_child_ready();
	test_wait();
	carry(pair->slave, pair->master, "from the child", "from the child");
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		struct pair settings = make(true), raw = make(true), closed = make(true), idle = make(false), locked = make(true);
		const struct winsize size = { 61, 133, 1024, 768 };
		struct termios before = strange(settings.slave), after;
		struct winsize found;
		struct stat st;
		char byte;

		TRY(ioctl(settings.master, TIOCSWINSZ, &size));
		TRY(fchmod(settings.slave, 0640));
		TRY(fchown(settings.slave, 1234, 5678));

		make_raw(raw.slave);
		int reader = TRY(open(raw.name, O_RDONLY | O_NOCTTY | O_NONBLOCK)), copy = TRY(dup(raw.slave));
		int writer = TRY(open(raw.name, O_WRONLY | O_NOCTTY | O_CLOEXEC));
		TRY(ioctl(raw.slave, TIOCEXCL));
		pid_t pid = test_fork(child, &raw);

		close(closed.slave);
		closed.slave = -1;
		const int one = 1;
		TRY(ioctl(locked.master, TIOCSPTLCK, &one));
		TRY(ioctl(locked.master, TIOCPKT, &one));
		make_raw(locked.slave);
		/* which told of that change */
		while (poll(&(struct pollfd){ .fd = locked.master, .events = POLLIN | POLLPRI }, 1, 0) == 1)
			TRY(read(locked.master, &byte, 1));

		test_ready();
		test_wait();

		same_name(&settings);
		same_name(&raw);
		same_name(&closed);
		same_name(&idle);
		same_name(&locked);

		TRY(tcgetattr(settings.slave, &after));
		SAME(after.c_iflag, before.c_iflag);
		SAME(after.c_oflag, before.c_oflag);
		SAME(after.c_cflag, before.c_cflag);
		SAME(after.c_lflag, before.c_lflag);
		SAME(after.c_line, before.c_line);
		SAME(cfgetispeed(&after), B115200);
		SAME(cfgetospeed(&after), B115200);
		CHECK(memcmp(after.c_cc, before.c_cc, sizeof(after.c_cc)) == 0, "other control characters");
		TRY(ioctl(settings.slave, TIOCGWINSZ, &found));
		CHECK(memcmp(&found, &size, sizeof(size)) == 0, "the window has %d rows and %d columns", found.ws_row, found.ws_col);
		TRY(fstat(settings.slave, &st));
		SAME(st.st_mode & 07777, 0640);
		SAME(st.st_uid, 1234);
		SAME(st.st_gid, 5678);
		SAME(get(settings.master, TIOCGPKT), 0);
		SAME(get(settings.master, TIOCGPTLCK), 0);
		SAME(get(settings.slave, TIOCGEXCL), 0);
		SAME(fcntl(settings.master, F_GETFD), FD_CLOEXEC);
		SAME(fcntl(settings.slave, F_GETFD), 0);

		SAME(fcntl(reader, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
		SAME(fcntl(writer, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
		SAME(fcntl(writer, F_GETFD), FD_CLOEXEC);
		SAME(get(raw.slave, TIOCGEXCL), 1);
		CHECK(read(reader, &byte, 1) < 0 && errno == EAGAIN, "there is something to read");
		carry(raw.master, copy, "to the slave\n", "to the slave\n");
		carry(writer, raw.master, "to the master\n", "to the master\n");
		TRY(fcntl(copy, F_SETFL, O_NONBLOCK));
		SAME(fcntl(raw.slave, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		test_finish(pid);

		/* whose last slave is closed tells so */
		CHECK(read(closed.master, &byte, 1) < 0 && errno == EIO, "the slave is open");
		SAME(poll(&(struct pollfd){ .fd = idle.master, .events = POLLIN }, 1, 0), 0);
		idle.slave = TRY(open(idle.name, O_RDWR | O_NOCTTY));
		carry(idle.master, idle.slave, "line\n", "line\n");

		SAME(get(locked.master, TIOCGPTLCK), 1);
		SAME(get(locked.master, TIOCGPKT), 1);
		TRY(write(locked.slave, "p", 1));
		char packet[8];
		SAME(read(locked.master, packet, sizeof(packet)), 2);
		SAME(packet[0], TIOCPKT_DATA);
		SAME(packet[1], 'p');

		for (int fd = settings.master; fd <= writer; fd++)
			close(fd);
		close(idle.slave);
	} while (test_pass());
	return 0;
}

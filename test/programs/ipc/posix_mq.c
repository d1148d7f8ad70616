// SPDX-License-Identifier: GPL-2.0-only
/* POSIX message queues: messages by priority, limits, owners, one without a name, notification, and tasks that wait. */
#include "test.h"

#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { LARGE = 8192, ROOM = 20, SIZE = LARGE + 100 };

#define NOTIFIED (SIGRTMIN + 3)

static const struct message {
	unsigned int priority;
	size_t size;
} sent[] = { { 3, SIZE }, { 0, 0 }, { 32767, 100 }, { 3, 7 }, { 0, 4048 }, { 3, 4049 }, { 9, 1 } };

/* in the order in which they come out */
static const size_t received[] = { 2, 6, 0, 3, 5, 1, 4 };

static mqd_t all, writer, reader, silent, nameless, again, waited, full, plain, notifying;
static int watching;
static struct stat was[2];
static char buffer[SIZE];

static const char *name_of(const char *suffix)
{
	static char names[4][64];
	static int next;
	char *name = names[next++ % 4];

	snprintf(name, sizeof(names[0]), "/crctl %d %s", getpid(), suffix);
	return name;
}

static mqd_t make(const char *suffix, int flags, long room, long size)
{
	struct mq_attr attr = { .mq_maxmsg = room, .mq_msgsize = size };

	return TRY(mq_open(name_of(suffix), O_CREAT | O_EXCL | flags, 0600, &attr));
}

static struct mq_attr attributes(mqd_t queue)
{
	struct mq_attr attr;

	TRY(mq_getattr(queue, &attr));
	return attr;
}

static void send_to(mqd_t queue, unsigned int priority, size_t size, unsigned int seed)
{
	pattern_fill(buffer, size, seed);
	TRY(mq_send(queue, buffer, size, priority));
}

static void expect_from(mqd_t queue, unsigned int priority, size_t size, unsigned int seed)
{
	unsigned int found;

	SAME(TRY(mq_receive(queue, buffer, sizeof(buffer), &found)), (ssize_t)size);
	SAME(found, priority);
	pattern_check(buffer, size, seed, "a message");
}

/* A queue that is open in both: its flags are those of the description. */
static void sharer(void *arg)
{
	(void)arg;
	test_child_ready();
	test_wait();
	SAME(attributes(nameless).mq_flags, O_NONBLOCK);
	expect_from(nameless, 1, 10, 51);
}

/* Goes on by itself. */
static void receiver(void *arg)
{
	(void)arg;
	test_child_ready();
	expect_from(waited, 4, 16, 61);
}

static void sender(void *arg)
{
	(void)arg;
	test_child_ready();
	send_to(full, 8, 30, 73);
}

static void ask(mqd_t queue, int how, int signo, int value)
{
	struct sigevent event = { .sigev_notify = how, .sigev_signo = signo, .sigev_value.sival_int = value };

	TRY(mq_notify(queue, &event));
}

/* Of a message that comes to a queue that was empty. */
static void expect_notification(mqd_t queue, int value)
{
	const struct timespec none = { 0 }, minute = { .tv_sec = 60 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, NOTIFIED);
	CHECK(sigtimedwait(&set, &info, &none) == -1 && errno == EAGAIN, "notified of nothing");
	send_to(queue, 1, 5, 81);
	SAME(TRY(sigtimedwait(&set, &info, &minute)), NOTIFIED);
	SAME(info.si_code, SI_MESGQ);
	SAME(info.si_value.sival_int, value);
	SAME(info.si_pid, getpid());
	/* once */
	expect_from(queue, 1, 5, 81);
	send_to(queue, 1, 5, 82);
	CHECK(sigtimedwait(&set, &info, &none) == -1 && errno == EAGAIN, "notified twice");
	expect_from(queue, 1, 5, 82);
}

/* In a task of its own: whose it is is known to the kernel. */
static void notified(void *arg)
{
	(void)arg;
	ask(notifying, SIGEV_SIGNAL, NOTIFIED, 4711);
	test_child_ready();
	test_wait();
	expect_notification(notifying, 4711);
}

static void set_up(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 99 };
	struct mq_attr nonblocking = { .mq_flags = O_NONBLOCK };
	char path[64];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, NOTIFIED);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));

	/* more than fs.mqueue.msg_max, and than fits into pages */
	all = make("all", O_RDWR, ROOM, SIZE);
	for (size_t i = 0; i < COUNT(sent); i++)
		send_to(all, sent[i].priority, sent[i].size, 10 + i);
	writer = TRY(mq_open(name_of("all"), O_WRONLY | O_NONBLOCK));
	reader = TRY(mq_open(name_of("all"), O_RDONLY));
	TRY(fchown(all, 1234, 4321));
	TRY(fchmod(all, 0624));
	/* not by mq_open(3), and read to some place of what it tells */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", all);
	plain = TRY(open(path, O_RDONLY));
	SAME(TRY(read(plain, buffer, 6)), 6);
	watching = TRY(epoll_create1(0));
	TRY(epoll_ctl(watching, EPOLL_CTL_ADD, reader, &event));

	nameless = make("nameless", O_RDWR, 3, 100);
	send_to(nameless, 1, 10, 51);
	send_to(nameless, 0, 11, 52);
	TRY(mq_unlink(name_of("nameless")));
	again = make("nameless", O_RDWR | O_NONBLOCK, 3, 50);
	send_to(again, 1, 12, 53);
	TRY(mq_setattr(nameless, &nonblocking, NULL));

	silent = make("silent", O_RDWR, 3, 10);
	ask(silent, SIGEV_NONE, 0, 0);
	waited = make("waited", O_RDWR, 3, SIZE);
	full = make("full", O_RDWR, 2, SIZE);
	send_to(full, 2, 10, 71);
	send_to(full, 7, 20, 72);
	notifying = make("notifying", O_RDWR, 3, SIZE);
	TRY(fstat(all, &was[0]));
	TRY(fstat(again, &was[1]));
}

static void compare(mqd_t queue, const struct stat *was_so)
{
	struct stat is;

	TRY(fstat(queue, &is));
	SAME(is.st_mode, was_so->st_mode);
	SAME(is.st_uid, was_so->st_uid);
	SAME(is.st_gid, was_so->st_gid);
	SAME(is.st_nlink, was_so->st_nlink);
}

static void expect_link(mqd_t queue, const char *suffix)
{
	char path[64], link[128] = { 0 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", queue);
	TRY(readlink(path, link, sizeof(link) - 1));
	CHECK(strncmp(link, "/crctl", 6) == 0 && strcmp(link + strlen(link) - strlen(suffix), suffix) == 0,
	      "the link is \"%s\", not \"...%s\"", link, suffix);
}

static void verify_all(void)
{
	struct epoll_event event;
	struct mq_attr attr = attributes(all);

	compare(all, &was[0]);
	SAME(attr.mq_maxmsg, ROOM);
	SAME(attr.mq_msgsize, SIZE);
	SAME(attr.mq_curmsgs, COUNT(sent));
	SAME(attr.mq_flags, 0);
	SAME(fcntl(all, F_GETFL), O_RDWR);
	SAME(fcntl(writer, F_GETFL), O_WRONLY | O_NONBLOCK);
	SAME(fcntl(reader, F_GETFL), O_RDONLY);
	SAME(fcntl(all, F_GETFD), FD_CLOEXEC);
	SAME(lseek(plain, 0, SEEK_CUR), 6);
	SAME(TRY(epoll_wait(watching, &event, 1, 0)), 1);
	SAME(event.data.u64, 99);
	expect_link(all, "all");
	for (size_t i = 0; i < COUNT(received); i++)
		expect_from(reader, sent[received[i]].priority, sent[received[i]].size, 10 + received[i]);
	SAME(TRY(epoll_wait(watching, &event, 1, 0)), 0);
	send_to(writer, 5, 9, 40);
	expect_from(all, 5, 9, 40);
}

static void verify_nameless(void)
{
	SAME(attributes(nameless).mq_maxmsg, 3);
	SAME(attributes(nameless).mq_curmsgs, 1);
	/* its old name may be that of another one by now */
	expect_link(nameless, " (deleted)");
	expect_from(nameless, 0, 11, 52);
	compare(again, &was[1]);
	SAME(attributes(again).mq_flags, O_NONBLOCK);
	expect_link(again, "nameless");
	expect_from(again, 1, 12, 53);
	CHECK(mq_receive(again, buffer, sizeof(buffer), NULL) == -1 && errno == EAGAIN, "one message too many");
}

static void verify_silent(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };

	CHECK(mq_notify(silent, &event) == -1 && errno == EBUSY, "it notifies nobody any more");
	TRY(mq_notify(silent, NULL));
	ask(silent, SIGEV_SIGNAL, NOTIFIED, 7);
	expect_notification(silent, 7);
}

static void tear_down(void)
{
	static const char *const names[] = { "all", "nameless", "silent", "waited", "full", "notifying" };
	const int fds[] = { all, writer, reader, silent, nameless, again, waited, full, plain, notifying, watching };

	for (size_t i = 0; i < COUNT(names); i++)
		TRY(mq_unlink(name_of(names[i])));
	for (size_t i = 0; i < COUNT(fds); i++)
		close(fds[i]);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		set_up();
		pid_t shares = test_fork(sharer, NULL), receives = test_fork(receiver, NULL);
		pid_t sends = test_fork(sender, NULL), notifies = test_fork(notified, NULL);

		proc_wait_syscall(receives, SYS_mq_timedreceive);
		proc_wait_syscall(sends, SYS_mq_timedsend);
		test_ready();
		test_wait();

		test_finish(shares);
		test_finish(notifies);
		verify_all();
		verify_nameless();
		verify_silent();
		send_to(waited, 4, 16, 61);
		test_reap(receives);
		expect_from(full, 7, 20, 72);
		test_reap(sends);
		expect_from(full, 8, 30, 73);
		expect_from(full, 2, 10, 71);
		tear_down();
	} while (test_pass());
	return 0;
}

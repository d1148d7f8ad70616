// SPDX-License-Identifier: GPL-2.0-only
/* inotify(7): watches with gaps in their numbers, on directories, files and a link, for once and for ever; nothing of the restore is told. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "test.h"

static char dir[4200];

static const char *in_dir(const char *name)
{
	static char paths[4][4400];
	static unsigned int next;
	char *path = paths[next++ % COUNT(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void make(const char *name)
{
	close(TRY(open(in_dir(name), O_RDWR | O_CREAT, 0644)));
}

static void nothing(int fd)
{
	int unread = -1;

	TRY(ioctl(fd, FIONREAD, &unread));
	SAME(unread, 0);
}

/* The next event must be this one. */
static void told(int fd, int wd, uint32_t mask, const char *name)
{
	/* one at a time: a reader that asks for no more than an event with such a name gets one */
	struct { struct inotify_event event; char name[16]; } buffer = { 0 };

	CHECK(read(fd, &buffer, sizeof(buffer.event) + (name ? sizeof(buffer.name) : 0)) > 0, "no event for watch %d: %s", wd, strerror(errno));
	SAME(buffer.event.wd, wd);
	SAME(buffer.event.mask, mask);
	if (name)
		CHECK(strcmp(buffer.name, name) == 0, "the event is about %s, not %s", buffer.name, name);
}

/* The lines about watches. */
static const char *watches(int slot, int fd)
{
	char path[64];
	const char *lines;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	lines = strstr(proc_read(slot, path), "inotify wd:");
	return lines ? lines : "";
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	snprintf(dir, sizeof(dir), "%s", test_path("watched"));
	TRY(mkdir(dir, 0755));
	TRY(symlink("nowhere", in_dir("link")));
	do {
		int fd = TRY(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), idle = TRY(inotify_init1(0)), epoll = TRY(epoll_create1(0));
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = 5 };
		int whole, gone, once, opened, open_once, link, file;
		char before[4096];

		make("once");
		make("opened");
		make("opened once");
		whole = TRY(inotify_add_watch(fd, dir, IN_CREATE | IN_DELETE | IN_ONLYDIR));
		for (int i = 0; i < 5; i++) {
			gone = TRY(inotify_add_watch(fd, in_dir("once"), IN_ALL_EVENTS));
			TRY(inotify_rm_watch(fd, gone));
			told(fd, gone, IN_IGNORED, NULL);
		}
		once = TRY(inotify_add_watch(fd, in_dir("once"), IN_MODIFY | IN_ONESHOT));
		TRY(ioctl(fd, _IOW('I', 0, int32_t), 1000));
		opened = TRY(inotify_add_watch(fd, in_dir("opened"), IN_OPEN | IN_CLOSE_WRITE | IN_EXCL_UNLINK));
		open_once = TRY(inotify_add_watch(fd, in_dir("opened once"), IN_OPEN | IN_CLOSE | IN_ONESHOT));
		link = TRY(inotify_add_watch(fd, in_dir("link"), IN_ATTRIB | IN_DONT_FOLLOW));
		SAME(whole, 1);
		SAME(once, 7);
		SAME(opened, 1000);
		TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
		snprintf(before, sizeof(before), "%s", watches(0, fd));

		test_ready();
		test_wait();

		nothing(fd);
		nothing(idle);
		SAME(epoll_wait(epoll, &event, 1, 0), 0);
		CHECK(strcmp(watches(0, fd), before) == 0, "the watches were\n%sand are\n%s", before, watches(0, fd));
		CHECK(*watches(1, idle) == '\0', "an instance has got a watch");
		SAME(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(fcntl(fd, F_GETFD), FD_CLOEXEC);
		make("new");
		told(fd, whole, IN_CREATE, "new");
		TRY(unlink(in_dir("new")));
		told(fd, whole, IN_DELETE, "new");
		file = TRY(open(in_dir("once"), O_WRONLY));
		TRY(write(file, "x", 1));
		close(file);
		told(fd, once, IN_MODIFY, NULL);
		told(fd, once, IN_IGNORED, NULL);
		file = TRY(open(in_dir("opened"), O_WRONLY));
		told(fd, opened, IN_OPEN, NULL);
		close(file);
		SAME(epoll_wait(epoll, &event, 1, 0), 1);
		SAME(event.data.u64, 5);
		told(fd, opened, IN_CLOSE_WRITE, NULL);
		make("opened once");
		told(fd, open_once, IN_OPEN, NULL);
		told(fd, open_once, IN_IGNORED, NULL);
		TRY(fchownat(AT_FDCWD, in_dir("link"), getuid(), getgid(), AT_SYMLINK_NOFOLLOW));
		told(fd, link, IN_ATTRIB, NULL);
		nothing(fd);
		/* numbers go on from there */
		SAME(inotify_add_watch(fd, in_dir("once"), IN_OPEN), link + 1);
		close(fd);
		close(idle);
		close(epoll);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Locks of flock(2) and fcntl(2), of descriptions and of processes, one that a child waits for, and leases. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "test.h"

#define FAR (1ll << 62)

static int file(const char *name, int flags)
{
	return TRY(open(test_path(name), flags | O_CREAT, 0644));
}

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

static void lock(int fd, int how, short type, off_t start, off_t len)
{
	struct flock lock = range(type, start, len);

	TRY(fcntl(fd, how, &lock));
}

/* What a request for these bytes meets: the lock must be this one. */
static void meets(int fd, int how, off_t at, struct flock want)
{
	struct flock found = range(F_WRLCK, at, 1);

	TRY(fcntl(fd, how, &found));
	SAME(found.l_type, want.l_type);
	if (want.l_type == F_UNLCK)
		return;
	SAME(found.l_start, want.l_start);
	SAME(found.l_len, want.l_len);
	SAME(found.l_pid, want.l_pid);
}

static void is_locked(const char *name, int operation, bool locked)
{
	int fd = file(name, O_RDONLY), result = flock(fd, operation | LOCK_NB);

	CHECK(locked ? result < 0 && errno == EWOULDBLOCK : result == 0, "flock of %s: %d (%s)", name, result, strerror(errno));
	close(fd);
}

/* The parent's locks, as another process sees them. */
static void observer(void *arg)
{
	struct flock want = range(F_WRLCK, 0, 100);
	int fd = file("posix", O_RDWR);

	(void)arg;
	lock(fd, F_SETLK, F_WRLCK, 100, 50);
	test_child_ready();
	test_wait();
	want.l_pid = getppid();
	meets(fd, F_GETLK, 7, want);
	want = range(F_RDLCK, 200, 0);
	want.l_pid = getppid();
	meets(fd, F_GETLK, 4711, want);
	meets(fd, F_GETLK, 160, range(F_UNLCK, 0, 0));
	fd = file("far", O_RDWR);
	want = range(F_WRLCK, FAR, 1);
	want.l_pid = getppid();
	meets(fd, F_GETLK, FAR, want);
}

static void waiter(void *arg)
{
	int fd = file("posix", O_RDWR);

	(void)arg;
	test_child_ready();
	lock(fd, F_SETLKW, F_WRLCK, 50, 1);
}

/* It shares the description, and so its lock. */
static void sharer(void *arg)
{
	test_child_ready();
	test_wait();
	is_locked("flock", LOCK_SH, true);
	TRY(flock(*(int *)arg, LOCK_UN));
	is_locked("flock", LOCK_EX, false);
}

static void lease_is_broken(const char *name, int fd, int type, int how)
{
	const struct timespec minute = { .tv_sec = 60 };
	siginfo_t info;
	sigset_t set;
	int other;

	SAME(fcntl(fd, F_GETLEASE), type);
	CHECK(open(test_path(name), how | O_NONBLOCK) < 0 && errno == EWOULDBLOCK, "the lease of %s does not hold", name);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	SAME(TRY(sigtimedwait(&set, &info, &minute)), SIGRTMIN + 2);
	SAME(info.si_fd, fd);
	TRY(fcntl(fd, F_SETLEASE, F_UNLCK));
	other = TRY(open(test_path(name), how));
	close(other);
}

static int lease(const char *name, int flags, int type)
{
	int fd;

	close(file(name, O_RDWR));
	fd = file(name, flags);
	TRY(fcntl(fd, F_SETSIG, SIGRTMIN + 2));
	TRY(fcntl(fd, F_SETLEASE, type));
	return fd;
}

int main(int argc, char **argv)
{
	sigset_t set;

	test_init(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));
	do {
		int whole = file("flock", O_RDWR), shared = file("shared", O_RDONLY);
		int ranges = file("ofd", O_RDWR), posix = file("posix", O_RDWR | O_CLOEXEC), again = file("posix", O_RDONLY);
		int far = file("far", O_RDWR), gone = file("gone", O_RDWR), reading, writing, fd;
		pid_t children[3];

		TRY(unlink(test_path("gone")));
		TRY(flock(whole, LOCK_EX));
		TRY(flock(shared, LOCK_SH));
		TRY(flock(gone, LOCK_EX));
		lock(gone, F_SETLK, F_WRLCK, 0, 0);
		lock(ranges, F_OFD_SETLK, F_WRLCK, 10, 10);
		lock(ranges, F_OFD_SETLK, F_RDLCK, 30, 0);
		lock(posix, F_SETLK, F_WRLCK, 0, 100);
		lock(again, F_SETLK, F_RDLCK, 200, 0);
		lock(far, F_SETLK, F_WRLCK, FAR, 1);
		children[0] = test_fork(observer, NULL);
		children[1] = test_fork(waiter, NULL);
		children[2] = test_fork(sharer, &whole);
		proc_wait_syscall(children[1], SYS_fcntl);
		/* after the forks: an end of a description that a child has too would not break it */
		reading = lease("read-lease", O_RDONLY, F_RDLCK);
		writing = lease("write-lease", O_RDWR, F_WRLCK);

		test_ready();
		test_wait();

		is_locked("flock", LOCK_SH, true);
		is_locked("shared", LOCK_EX, true);
		is_locked("shared", LOCK_SH, false);
		fd = file("ofd", O_RDWR);
		meets(fd, F_OFD_GETLK, 0, range(F_UNLCK, 0, 0));
		struct flock want = range(F_WRLCK, 10, 10);
		want.l_pid = -1;
		meets(fd, F_OFD_GETLK, 19, want);
		meets(fd, F_OFD_GETLK, 20, range(F_UNLCK, 0, 0));
		want = range(F_RDLCK, 30, 0);
		want.l_pid = -1;
		meets(fd, F_OFD_GETLK, FAR, want);
		close(fd);
		want = range(F_WRLCK, 100, 50);
		want.l_pid = children[0];
		meets(posix, F_GETLK, 149, want);
		/* and with the same two descriptors as before the deleted file's */
		CHECK(strstr(proc_read(0, "/proc/locks"), "POSIX"), "no lock in /proc/locks");
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", gone);
		CHECK(strstr(proc_read(0, path), "FLOCK") && strstr(proc_read(1, path), "POSIX"), "the deleted file is not locked");
		test_finish(children[0]);
		test_finish(children[2]);
		/* whoever waits gets it once it is free */
		proc_wait_syscall(children[1], SYS_fcntl);
		lock(posix, F_SETLK, F_UNLCK, 0, 100);
		test_reap(children[1]);
		SAME(fcntl(posix, F_GETFD), FD_CLOEXEC);
		lease_is_broken("read-lease", reading, F_RDLCK, O_WRONLY);
		lease_is_broken("write-lease", writing, F_WRLCK, O_RDONLY);
		for (fd = whole; fd <= writing; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

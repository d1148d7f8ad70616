// SPDX-License-Identifier: GPL-2.0-only
/* The descriptor table: which numbers are open, close-on-exec marks, gaps, high numbers; device files; an empty table. */
#include "test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static const struct {
	const char *path;
	int flags, at, cloexec;
} files[] = {
	{ "/dev/null", O_RDWR, 3, 0 }, { "/dev/zero", O_RDONLY, 5, 1 }, { "/dev/full", O_WRONLY, 64, 0 },
	{ "/dev/urandom", O_RDONLY, 65, 1 }, { "/dev/random", O_RDONLY | O_NONBLOCK, 255, 0 },
	{ "/dev/null", O_WRONLY, 1000, 1 }, { "/dev/null", O_RDONLY, 9999, 0 },
};

static void no_descriptor_at_all(void *arg)
{
	(void)arg;
	test_child_ready();
	TRY(syscall(SYS_close_range, 0, ~0u, 0));
	test_wait();
	/* The lowest free one is the first. */
	SAME(open("/dev/null", O_RDWR), 0);
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 10000, 10000 };
	char buffer[64];

	test_init(argc, argv);
	TRY(setrlimit(RLIMIT_NOFILE, &limit));
	/* What it was started with is not what this is about. */
	TRY(syscall(SYS_close_range, 3, ~0u, 0));
	do {
		for (size_t i = 0; i < COUNT(files); i++) {
			int fd = TRY(open(files[i].path, files[i].flags | O_CLOEXEC));
			if (fd == files[i].at)
				fd = TRY(fcntl(fd, F_DUPFD_CLOEXEC, 5000));	/* dup3() refuses equal numbers */
			TRY(dup3(fd, files[i].at, files[i].cloexec ? O_CLOEXEC : 0));
			close(fd);
		}
		pid_t pid = test_fork(no_descriptor_at_all, NULL);
		test_ready();
		test_wait();

		for (int fd = 3; fd < 10000; fd++) {
			size_t i = 0;
			while (i < COUNT(files) && files[i].at != fd)
				i++;
			int flags = fcntl(fd, F_GETFD);
			if (i == COUNT(files))
				CHECK(flags == -1, "descriptor %d is open", fd);
			else
				CHECK(flags == (files[i].cloexec ? FD_CLOEXEC : 0), "descriptor %d: flags %d", fd, flags);
		}
		SAME(read(3, buffer, sizeof(buffer)), 0);
		memset(buffer, 1, sizeof(buffer));
		SAME(read(5, buffer, sizeof(buffer)), sizeof(buffer));
		SAME(buffer[63], 0);
		CHECK(write(64, "x", 1) == -1 && errno == ENOSPC, "/dev/full is another");
		SAME(read(65, buffer, sizeof(buffer)), sizeof(buffer));
		SAME(read(255, buffer, 4), 4);
		SAME(fcntl(255, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(write(1000, "x", 1), 1);
		for (size_t i = 0; i < COUNT(files); i++)
			close(files[i].at);
		test_finish(pid);
	} while (test_pass());
	return 0;
}

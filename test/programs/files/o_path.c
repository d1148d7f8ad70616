// SPDX-License-Identifier: GPL-2.0-only
/* O_PATH descriptors of a file, a directory, a symbolic link and a FIFO: they lead to what they led to, and no further. */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		const char *const names[] = { test_path("file"), test_path("dir"), test_path("link"), test_path("fifo") };
		int fd[COUNT(names)];
		struct stat before[COUNT(names)], now;
		char target[256];

		close(TRY(open(names[0], O_CREAT | O_WRONLY, 0644)));
		TRY(mkdir(names[1], 0755));
		TRY(symlink("nowhere at all", names[2]));
		TRY(mkfifo(names[3], 0600));
		for (size_t i = 0; i < COUNT(names); i++) {
			fd[i] = TRY(open(names[i], O_PATH | O_NOFOLLOW));
			TRY(fstat(fd[i], &before[i]));
		}
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(names); i++) {
			TRY(fstat(fd[i], &now));
			CHECK(now.st_ino == before[i].st_ino && now.st_mode == before[i].st_mode, "descriptor %zu leads elsewhere", i);
			CHECK(fcntl(fd[i], F_GETFL) & O_PATH, "descriptor %zu is no longer O_PATH", i);
			CHECK(read(fd[i], target, 1) == -1 && errno == EBADF, "descriptor %zu can be read", i);
		}
		ssize_t size = TRY(readlinkat(fd[2], "", target, sizeof(target)));
		CHECK(size == 14 && memcmp(target, "nowhere at all", 14) == 0, "the link leads to %.*s", (int)size, target);
		close(TRY(openat(fd[1], "new", O_CREAT | O_WRONLY, 0644)));
		TRY(unlinkat(fd[1], "new", 0));
		for (size_t i = 0; i < COUNT(names); i++) {
			close(fd[i]);
			TRY(i == 1 ? rmdir(names[i]) : unlink(names[i]));
		}
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Regular files: position, access mode and status flags, appending, beyond the end, write-only without permission to read. */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

static const struct {
	int flags;
	off_t position;
} kinds[] = {
	{ O_RDONLY, 17 }, { O_WRONLY, 1000 }, { O_RDWR, 0 }, { O_RDWR | O_APPEND, 5 }, { O_WRONLY | O_APPEND | O_SYNC, 0 },
	{ O_RDWR | O_NONBLOCK, 1 << 20 }, { O_RDONLY | O_NOATIME, 3 }, { O_RDWR | O_DSYNC, 4096 }, { O_RDWR, 1ll << 40 },
};

int main(int argc, char **argv)
{
	static char content[2048], now[2048];

	test_init(argc, argv);
	do {
		int fd[COUNT(kinds)], flags[COUNT(kinds)];
		const char *path = test_path("file");

		int writer = TRY(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
		pattern_fill(content, sizeof(content), 1);
		SAME(write(writer, content, sizeof(content)), sizeof(content));
		close(writer);
		for (size_t i = 0; i < COUNT(kinds); i++) {
			fd[i] = TRY(open(path, kinds[i].flags));
			TRY(lseek(fd[i], kinds[i].position, SEEK_SET));
			flags[i] = TRY(fcntl(fd[i], F_GETFL));
		}
		int changed = TRY(open(path, O_RDWR));
		TRY(fcntl(changed, F_SETFL, O_APPEND | O_NONBLOCK));
		/* Its mode allows nothing to anybody; root may all the same. */
		TRY(chmod(path, 0));
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(kinds); i++) {
			CHECK(fcntl(fd[i], F_GETFL) == flags[i], "file %zu: flags %#o, were %#o", i, fcntl(fd[i], F_GETFL), flags[i]);
			CHECK(lseek(fd[i], 0, SEEK_CUR) == kinds[i].position, "file %zu is at %ld, was at %ld", i,
			      (long)lseek(fd[i], 0, SEEK_CUR), (long)kinds[i].position);
		}
		SAME(fcntl(changed, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
		SAME(read(fd[0], now, 100), 100);
		CHECK(memcmp(now, content + 17, 100) == 0, "reading goes on elsewhere");
		SAME(write(fd[3], "end", 3), 3);	/* appends */
		SAME(lseek(fd[3], 0, SEEK_CUR), sizeof(content) + 3);
		SAME(write(fd[1], "middle", 6), 6);
		SAME(pread(fd[2], now, 6, 1000), 6);
		CHECK(memcmp(now, "middle", 6) == 0, "another file is written");
		CHECK(read(fd[1], now, 1) == -1 && errno == EBADF, "the write-only file can be read");
		CHECK(write(fd[0], now, 1) == -1 && errno == EBADF, "the read-only file can be written");
		for (size_t i = 0; i < COUNT(kinds); i++)
			close(fd[i]);
		close(changed);
		TRY(unlink(path));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* An open directory: reading it goes on where it was, and names are looked up relative to it. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { FILES = 300 };

/* By the system call, so that what was read ahead is known: every entry of a buffer is counted. */
static void read_some(int fd, bool seen[FILES])
{
	char buffer[1024];
	long size = TRY(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));

	for (long at = 0; at < size;) {
		struct dirent64 *entry = (void *)(buffer + at);
		int number;

		if (sscanf(entry->d_name, "file %d", &number) == 1) {
			CHECK(number >= 0 && number < FILES && !seen[number], "'%s' was read twice", entry->d_name);
			seen[number] = true;
		}
		at += entry->d_reclen;
	}
}

int main(int argc, char **argv)
{
	char name[32];

	test_init(argc, argv);
	do {
		bool seen[FILES] = { false };
		const char *path = test_path("directory");

		TRY(mkdir(path, 0755));
		int fd = TRY(open(path, O_RDONLY | O_DIRECTORY));
		for (int i = 0; i < FILES; i++) {
			snprintf(name, sizeof(name), "file %d", i);
			close(TRY(openat(fd, name, O_CREAT | O_WRONLY, 0644)));
		}
		for (int i = 0; i < 3; i++)
			read_some(fd, seen);
		off_t position = TRY(lseek(fd, 0, SEEK_CUR));
		CHECK(position > 0, "the position of a directory is %ld", (long)position);
		test_ready();
		test_wait();

		SAME(lseek(fd, 0, SEEK_CUR), position);
		for (int i = 0; i < FILES; i++)
			read_some(fd, seen);
		for (int i = 0; i < FILES; i++)
			CHECK(seen[i], "file %d was never read", i);
		for (int i = 0; i < FILES; i++) {
			snprintf(name, sizeof(name), "file %d", i);
			TRY(unlinkat(fd, name, 0));
		}
		close(fd);
		TRY(rmdir(path));
	} while (test_pass());
	return 0;
}

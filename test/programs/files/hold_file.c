// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a file open, at position 100, for tests that change it from outside.
 * Arguments: PATH, and what will be so: its size (-1: not looked at), and how
 * it is opened: "r", "rw", "a".
 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	CHECK(own + 2 < argc, "PATH SIZE MODE expected");
	const char *mode = argv[own + 2];
	int flags = *mode == 'a' ? O_WRONLY | O_APPEND : mode[1] ? O_RDWR : O_RDONLY;
	off_t size = atoll(argv[own + 1]);
	int fd = TRY(open(argv[own], flags));

	TRY(lseek(fd, 100, SEEK_SET));
	do {
		struct stat st;

		test_ready();
		test_wait();
		TRY(fstat(fd, &st));
		SAME(lseek(fd, 0, SEEK_CUR), 100);
		if (size >= 0)
			SAME(st.st_size, size);
	} while (test_pass());
	return 0;
}

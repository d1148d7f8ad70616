// SPDX-License-Identifier: GPL-2.0-only
/* Shared file mappings, whole, at an offset and read-only: one memory with the file, before and after. */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	static char now[8 * PAGE];

	test_init(argc, argv);
	do {
		const char *path = test_path("mapped");
		int fd = TRY(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
		TRY(ftruncate(fd, 8 * PAGE));
		char *whole = TRY(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
		char *tail = TRY(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * PAGE));
		int readonly_fd = TRY(open(path, O_RDONLY));
		char *readonly = TRY(mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, readonly_fd, 0));
		close(readonly_fd);
		close(fd);
		pattern_fill(whole, 6 * PAGE, 11);
		test_ready();
		test_wait();

		pattern_check(readonly, 6 * PAGE, 11, "read-only mapping");
		CHECK(memcmp(tail, readonly + 4 * PAGE, 4 * PAGE) == 0, "the mapping at an offset differs");
		/* A mapping of a file opened for reading can never be made writable. */
		CHECK(mprotect(readonly, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES,
		      "the read-only mapping became writable");
		pattern_fill(tail + PAGE, PAGE, 12);
		pattern_check(whole + 5 * PAGE, PAGE, 12, "the whole, written through its tail");
		fd = TRY(open(path, O_RDONLY));
		SAME(read(fd, now, sizeof(now)), sizeof(now));
		pattern_check(now, 5 * PAGE, 11, "file");
		pattern_check(now + 5 * PAGE, PAGE, 12, "file, written through a mapping");
		close(fd);
		TRY(munmap(whole, 8 * PAGE));
		TRY(munmap(tail, 4 * PAGE));
		TRY(munmap(readonly, 8 * PAGE));
		TRY(unlink(path));
	} while (test_pass());
	return 0;
}

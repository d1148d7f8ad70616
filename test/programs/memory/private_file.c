// SPDX-License-Identifier: GPL-2.0-only
/*
 * A private file mapping: pages of the file's, pages written, pages written
 * with zeroes (content too), and the file behind all of them.
 */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { PAGES = 16 };

int main(int argc, char **argv)
{
	static char content[PAGES * PAGE], zeroes[PAGE];

	test_init(argc, argv);
	do {
		const char *path = test_path("mapped");
		int fd = TRY(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
		pattern_fill(content, sizeof(content), 3);
		SAME(write(fd, content, sizeof(content)), sizeof(content));

		/* From the third page on, and beyond the file's end by two pages. */
		char *map = TRY(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 2 * PAGE));
		char *plain = TRY(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
		close(fd);
		pattern_fill(map + 3 * PAGE, PAGE, 33);
		memset(map + 5 * PAGE, 0, PAGE);
		map[7 * PAGE + 100] ^= 0x55;
		test_ready();
		test_wait();

		pattern_check(plain, PAGE, 3, "read-only mapping");
		CHECK(memcmp(map, content + 2 * PAGE, 3 * PAGE) == 0, "pages of the file differ");
		pattern_check(map + 3 * PAGE, PAGE, 33, "written page");
		CHECK(memcmp(map + 5 * PAGE, zeroes, PAGE) == 0, "the zeroed page is not zero");
		map[7 * PAGE + 100] ^= 0x55;
		CHECK(memcmp(map + 7 * PAGE, content + 9 * PAGE, 7 * PAGE) == 0, "pages behind differ");

		/* A written page given up shows the file again, so it is a mapping of the file still. */
		TRY(madvise(map + 3 * PAGE, PAGE, MADV_DONTNEED));
		CHECK(memcmp(map + 3 * PAGE, content + 5 * PAGE, PAGE) == 0, "the file is not behind the mapping");
		map[0] ^= 1;
		fd = TRY(open(path, O_RDONLY));
		static char now[PAGES * PAGE];
		SAME(read(fd, now, sizeof(now)), sizeof(now));
		CHECK(memcmp(now, content, sizeof(now)) == 0, "the file has changed");
		close(fd);
		TRY(munmap(map, PAGES * PAGE));
		TRY(munmap(plain, PAGE));
		TRY(unlink(path));
	} while (test_pass());
	return 0;
}

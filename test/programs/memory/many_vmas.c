// SPDX-License-Identifier: GPL-2.0-only
/* Thousands of mappings: every second page of an area has another protection, each has content. */
#include "test.h"

#include <sys/mman.h>

int main(int argc, char **argv)
{
	enum { PAGES = 4000 };

	test_init(argc, argv);
	do {
		char *area = TRY(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		for (int i = 0; i < PAGES; i++) {
			pattern_fill(area + i * PAGE, 64, i);
			if (i % 2)
				TRY(mprotect(area + i * PAGE, PAGE, i % 4 == 1 ? PROT_NONE : PROT_READ));
		}
		test_ready();
		test_wait();

		/* Each still has its own protection, or making all alike would not change their number. */
		int lines = 0;
		for (const char *c = proc_read(0, "/proc/self/maps"); (c = strchr(c, '\n')); c++)
			lines++;
		CHECK(lines >= PAGES, "%d mappings are left", lines);
		TRY(mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE));
		for (int i = 0; i < PAGES; i++)
			pattern_check(area + i * PAGE, 64, i, "page");
		TRY(munmap(area, PAGES * PAGE));
	} while (test_pass());
	return 0;
}

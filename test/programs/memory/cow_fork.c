// SPDX-License-Identifier: GPL-2.0-only
/* Private memory inherited by a child, written by one, by both or by none: each has its own afterwards. */
#include "test.h"

#include <sys/mman.h>

static char *area;

static void child(void *arg)
{
	(void)arg;
	pattern_fill(area + PAGE, PAGE, 101);
	pattern_fill(area + 2 * PAGE, PAGE, 102);
	test_child_ready();
	test_wait();
	pattern_check(area, PAGE, 1, "page that neither wrote");
	pattern_check(area + PAGE, PAGE, 101, "page that the child wrote");
	pattern_check(area + 2 * PAGE, PAGE, 102, "page that both wrote, in the child");
	pattern_check(area + 3 * PAGE, PAGE, 4, "page that the parent wrote, in the child");
	memset(area, 0, 4 * PAGE);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		area = TRY(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		for (int i = 0; i < 4; i++)
			pattern_fill(area + i * PAGE, PAGE, i + 1);
		pid_t pid = test_fork(child, NULL);
		pattern_fill(area + 2 * PAGE, PAGE, 202);
		pattern_fill(area + 3 * PAGE, PAGE, 203);
		test_ready();
		test_wait();

		test_finish(pid);
		pattern_check(area, PAGE, 1, "page that neither wrote");
		pattern_check(area + PAGE, PAGE, 2, "page that the child wrote, in the parent");
		pattern_check(area + 2 * PAGE, PAGE, 202, "page that both wrote, in the parent");
		pattern_check(area + 3 * PAGE, PAGE, 203, "page that the parent wrote");
		TRY(munmap(area, 4 * PAGE));
	} while (test_pass());
	return 0;
}

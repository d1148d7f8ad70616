// SPDX-License-Identifier: GPL-2.0-only
/*
 * Much memory. Arguments: MEGABYTES, and "alternate" to fill every second page
 * only, which makes as many runs of pages as there can be.
 */
#include "test.h"

#include <sys/mman.h>

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	CHECK(own < argc, "how many megabytes?");
	size_t size = strtoul(argv[own], NULL, 10) << 20;
	size_t step = own + 1 < argc && strcmp(argv[own + 1], "alternate") == 0 ? 2 * PAGE : PAGE;
	uint64_t seed = 0;

	char *area = TRY(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	TRY(madvise(area, size, MADV_NOHUGEPAGE));
	do {
		seed++;
		for (size_t at = 0; at < size; at += step)
			pattern_fill(area + at, PAGE, seed + at / PAGE);
		test_ready();
		test_wait();

		for (size_t at = 0; at < size; at += step)
			pattern_check(area + at, PAGE, seed + at / PAGE, "large area");
		SAME(proc_pages_there(area, size), size / step);
	} while (test_pass());
	return 0;
}

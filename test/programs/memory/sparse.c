// SPDX-License-Identifier: GPL-2.0-only
/* A page here and there in a gigabyte: holes stay holes, and read as zeroes. */
#include "test.h"

#include <sys/mman.h>

enum { SPOTS = 64 };
static const size_t size = 1ul << 30, step = (1ul << 30) / SPOTS;

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		char *area = TRY(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
		/* A huge page would fill the holes before anybody else can. */
		TRY(madvise(area, size, MADV_NOHUGEPAGE));
		for (int i = 0; i < SPOTS; i++)
			pattern_fill(area + i * step, PAGE, i);
		/* Read but never written: the kernel's zero page. And written, then given up. */
		(void)*(volatile char *)(area + PAGE);
		area[2 * PAGE] = 1;
		TRY(madvise(area + 2 * PAGE, PAGE, MADV_DONTNEED));
		SAME(proc_pages_there(area, size), SPOTS + 1);
		test_ready();
		test_wait();

		size_t there = proc_pages_there(area, size);
		CHECK(there == SPOTS || there == SPOTS + 1, "%zu pages are there, not %d", there, SPOTS);
		for (int i = 0; i < SPOTS; i++)
			pattern_check(area + i * step, PAGE, i, "spot");
		SAME(area[PAGE], 0);
		SAME(area[2 * PAGE], 0);
		SAME(area[step - 1], 0);
		TRY(munmap(area, size));
	} while (test_pass());
	return 0;
}

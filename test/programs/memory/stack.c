// SPDX-License-Identifier: GPL-2.0-only
/* The stack grows below what it was, as a MAP_GROWSDOWN mapping does; what is on it stays. */
#include "test.h"

#include <sys/mman.h>

static void descend(int levels)
{
	uint64_t frame[2048];	/* 16 KiB */

	pattern_fill(frame, sizeof(frame), levels);
	if (levels > 0)
		descend(levels - 1);
	pattern_check(frame, sizeof(frame), levels, "stack frame");
}

static void wait_deep(int levels)
{
	uint64_t frame[512];

	pattern_fill(frame, sizeof(frame), 1000 + levels);
	if (levels > 0) {
		wait_deep(levels - 1);
	} else {
		test_ready();
		test_wait();
		/* 4 MiB more than there ever was. */
		descend(256);
	}
	pattern_check(frame, sizeof(frame), 1000 + levels, "stack frame above");
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		/* Room below for the mapping to grow into: the area is reserved, its lower part given up. */
		char *area = TRY(mmap(NULL, 2 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		TRY(munmap(area, 2 << 20));
		char *low = TRY(mmap(area + (2 << 20) - PAGE, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
		pattern_fill(low, PAGE, 7);

		wait_deep(40);

		pattern_check(low, PAGE, 7, "growsdown mapping");
		CHECK(strstr(proc_vm_flags(low), " gd"), "the mapping is no longer growsdown:%s", proc_vm_flags(low));
		for (int i = 1; i <= 16; i++)
			low[-i * (long)PAGE] = i;	/* SIGSEGV if it does not grow */
		for (int i = 1; i <= 16; i++)
			SAME(low[-i * (long)PAGE], i);
		TRY(munmap(low - 16 * PAGE, 17 * PAGE));
	} while (test_pass());
	return 0;
}

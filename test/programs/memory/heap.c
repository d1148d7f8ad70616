// SPDX-License-Identifier: GPL-2.0-only
/* The heap: content, the break where it was, and both go on growing and shrinking. */
#include "test.h"

int main(int argc, char **argv)
{
	enum { BLOCKS = 200 };
	static void *block[BLOCKS];
	static size_t size[BLOCKS];

	test_init(argc, argv);
	do {
		for (int i = 0; i < BLOCKS; i++) {
			/* Sizes on both sides of malloc's threshold for mmap. */
			size[i] = 8u << (i % 17);
			block[i] = malloc(size[i]);
			CHECK(block[i], "malloc(%zu)", size[i]);
			pattern_fill(block[i], size[i], i);
		}
		for (int i = 1; i < BLOCKS; i += 3) {
			free(block[i]);
			block[i] = NULL;
		}
		void *break_before = TRY(sbrk(0));
		test_ready();
		test_wait();

		CHECK(sbrk(0) == break_before, "the break is %p, not %p", sbrk(0), break_before);
		CHECK(TRY(sbrk(1 << 20)) == break_before, "growing began elsewhere");
		uint64_t *grown = break_before;
		for (size_t i = 0; i < (1 << 20) / 8; i += 64)
			CHECK(grown[i] == 0, "memory below the new break is not zero");
		pattern_fill(grown, 1 << 20, 99);
		pattern_check(grown, 1 << 20, 99, "grown heap");
		TRY(sbrk(-(1 << 20)));
		CHECK(sbrk(0) == break_before, "shrinking ended elsewhere");
		for (int i = 0; i < BLOCKS; i++) {
			if (block[i])
				pattern_check(block[i], size[i], i, "block");
			free(block[i]);
		}
	} while (test_pass());
	return 0;
}

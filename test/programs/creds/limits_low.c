// SPDX-License-Identifier: GPL-2.0-only
/* Limits below what is in use already: they forbid more, and not what is there. */
#include "test.h"

#include <sys/mman.h>
#include <sys/resource.h>

static const int which[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_MEMLOCK };

static rlim_t limit_of(int resource)
{
	switch (resource) {
	case RLIMIT_FSIZE:
		return 1 << 20;
	case RLIMIT_NOFILE:
		return 8;
	default:
		return 4;
	}
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	for (size_t i = 0; i < COUNT(which); i++) {
		struct rlimit limit;

		TRY(getrlimit(which[i], &limit));
		limit.rlim_cur = limit_of(which[i]);
		TRY(setrlimit(which[i], &limit));
	}
	do {
		test_ready();
		test_wait();
		for (size_t i = 0; i < COUNT(which); i++) {
			struct rlimit limit;

			TRY(getrlimit(which[i], &limit));
			SAME(limit.rlim_cur, limit_of(which[i]));
		}
		CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM,
		      "RLIMIT_AS does not hold");
	} while (test_pass());
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Huge pages. Whoever starts a program that uses them has to see to it that there are some. */
#ifndef TEST_HUGE_H
#define TEST_HUGE_H

#include "test.h"

#include <sys/mman.h>

#define HUGE		(2ul << 20)
#define HUGE_2MB	(21 << 26)	/* of mmap(2), memfd_create(2) and shmget(2) */
#define HUGE_1GB	(30 << 26)

/* Not every processor has pages of 1 GiB. */
static inline bool has_giant_pages(void)
{
	return access("/sys/kernel/mm/hugepages/hugepages-1048576kB", F_OK) == 0;
}

/* A page of it at the beginning and one at the end, which tell it from others as well as all of it would. */
static inline void huge_fill(char *page, uint64_t seed)
{
	pattern_fill(page, PAGE, seed);
	pattern_fill(page + HUGE - PAGE, PAGE, ~seed);
}

static inline void huge_check(const char *page, uint64_t seed, const char *what)
{
	pattern_check(page, PAGE, seed, what);
	pattern_check(page + HUGE - PAGE, PAGE, ~seed, what);
}

/* How many huge pages a file has, by one of its descriptors, or by a mapping. */
long huge_pages_of(int fd);
long huge_pages_behind(const char *map, size_t size);
/* The size of the pages of the mapping that starts there, in KiB. */
long huge_page_size(const char *map);

#endif

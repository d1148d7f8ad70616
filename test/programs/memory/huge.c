// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge pages (MAP_HUGETLB), touched and untouched, protected, with advice, in part unmapped, with and without a
 * reservation, and shared with a child.
 */
#include "huge.h"

#define LAST(page)	((page) + HUGE - PAGE)

enum { FULL, UNTOUCHED, READONLY, HIDDEN, ZEROES, GONE, BEHIND, NR_PAGES };

static char *area, *unreserved, *code, *giant;

static char *map(size_t size, int flags)
{
	return TRY(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0));
}

static char *page(int nr)
{
	return area + nr * HUGE;
}

static void check_shared(const char *who)
{
	pattern_check(page(READONLY), HUGE, 3, who);
	pattern_check(LAST(page(BEHIND)), PAGE, 7, who);
	SAME(((int (*)(void))code)(), 42);
	SAME(huge_page_size(area), 2048);
}

static void child(void *arg)
{
	(void)arg;
	pattern_fill(page(FULL), HUGE, 101);
	test_child_ready();
	test_wait();
	pattern_check(page(FULL), HUGE, 101, "page that the child wrote");
	check_shared("page of parent and child, in the child");
	CHECK(strcmp(proc_vm_flags(unreserved), "") == 0, "the child has what was not to be inherited");
	memset(page(FULL), 0, HUGE);
	TRY(mprotect(page(READONLY), HUGE, PROT_READ | PROT_WRITE));
	memset(page(READONLY), 0, HUGE);
}

static void set_up(void)
{
	static const unsigned char return_42[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

	area = map(NR_PAGES * HUGE, HUGE_2MB);
	pattern_fill(page(FULL), HUGE, 1);
	pattern_fill(page(READONLY), HUGE, 3);
	TRY(mprotect(page(READONLY), HUGE, PROT_READ));
	pattern_fill(LAST(page(HIDDEN)), PAGE, 4);
	TRY(mprotect(page(HIDDEN), HUGE, PROT_NONE));
	page(ZEROES)[0] = 0;
	TRY(munmap(page(GONE), HUGE));
	pattern_fill(LAST(page(BEHIND)), PAGE, 7);

	unreserved = map(2 * HUGE, MAP_NORESERVE);
	TRY(madvise(unreserved, 2 * HUGE, MADV_DONTFORK));
	TRY(madvise(unreserved, 2 * HUGE, MADV_DONTDUMP));
	pattern_fill(unreserved, PAGE, 8);

	code = map(HUGE, 0);
	memcpy(code, return_42, sizeof(return_42));
	TRY(mprotect(code, HUGE, PROT_READ | PROT_EXEC));

	/* not every processor has these; no page of it is needed */
	giant = has_giant_pages() ? map(1ul << 30, HUGE_1GB | MAP_NORESERVE) : NULL;
}

static void check(void)
{
	pattern_check(page(FULL), HUGE, 1, "page that the child wrote, in the parent");
	SAME(proc_pages_there(page(UNTOUCHED), HUGE), 0);
	check_shared("page of parent and child");
	TRY(mprotect(page(HIDDEN), HUGE, PROT_READ));
	pattern_check(LAST(page(HIDDEN)), PAGE, 4, "hidden page");
	SAME(page(HIDDEN)[0], 0);
	SAME(proc_pages_there(page(ZEROES), HUGE), HUGE / PAGE);
	CHECK(msync(page(GONE), HUGE, MS_ASYNC) && errno == ENOMEM, "what was unmapped is there");
	pattern_check(unreserved, PAGE, 8, "page without a reservation");
	SAME(proc_pages_there(unreserved + HUGE, HUGE), 0);
	if (giant) {
		SAME(huge_page_size(giant), 1 << 20);
		SAME(proc_pages_there(giant, PAGE), 0);
	}
	page(UNTOUCHED)[HUGE / 2] = 5;
	SAME(page(UNTOUCHED)[0], 0);
}

static void clean_up(void)
{
	TRY(munmap(area, GONE * HUGE));
	TRY(munmap(page(BEHIND), HUGE));
	TRY(munmap(unreserved, 2 * HUGE));
	TRY(munmap(code, HUGE));
	if (giant)
		TRY(munmap(giant, 1ul << 30));
}

int main(int argc, char **argv)
{
	char flags[256], seen[256];

	test_init(argc, argv);
	do {
		set_up();
		snprintf(flags, sizeof(flags), "%s", proc_vm_flags(area));
		snprintf(seen, sizeof(seen), "%s", proc_vm_flags(unreserved));
		pid_t pid = test_fork(child, NULL);
		test_ready();
		test_wait();

		test_finish(pid);
		CHECK(strcmp(flags, proc_vm_flags(area)) == 0, "flags were%s, are%s", flags, proc_vm_flags(area));
		CHECK(strcmp(seen, proc_vm_flags(unreserved)) == 0, "flags were%s, are%s", seen, proc_vm_flags(unreserved));
		check();
		clean_up();
	} while (test_pass());
	return 0;
}

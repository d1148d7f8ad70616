// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge pages that parent and child share (MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB): filled, holes, protected, mapped by one of
 * them alone, by nobody, with and without a reservation.
 */
#include "huge.h"

enum { FULL, HOLE, READONLY, HIDDEN, CHILDS, NOBODYS, NR_PAGES };

/* More than there are. */
#define MANY	(1ul << 30)

static char *area, *unreserved, *giant;

static char *map(size_t size, int flags)
{
	return TRY(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0));
}

static char *page(int nr)
{
	return area + nr * HUGE;
}

static void child(void *arg)
{
	(void)arg;
	TRY(munmap(page(FULL), HUGE));
	TRY(mprotect(page(READONLY), HUGE, PROT_READ | PROT_WRITE));
	test_child_ready();
	test_wait();
	huge_check(page(READONLY), 3, "page that is read-only in the parent");
	huge_check(page(CHILDS), 5, "page that only the child maps");
	huge_check(unreserved + 7 * HUGE, 8, "page without a reservation, in the child");
	page(READONLY)[100] = 'c';
	page(HOLE)[100] = 'c';
}

static void set_up(void)
{
	area = map(NR_PAGES * HUGE, 0);
	huge_fill(page(FULL), 1);
	huge_fill(page(READONLY), 3);
	huge_fill(page(HIDDEN), 4);
	huge_fill(page(CHILDS), 5);
	huge_fill(page(NOBODYS), 6);
	TRY(mprotect(page(READONLY), HUGE, PROT_READ));
	TRY(mprotect(page(HIDDEN), HUGE, PROT_NONE));
	TRY(munmap(page(NOBODYS), HUGE));
	unreserved = map(MANY, MAP_NORESERVE | HUGE_2MB);
	huge_fill(unreserved + 7 * HUGE, 8);
	giant = has_giant_pages() ? map(2ul << 30, MAP_NORESERVE | HUGE_1GB) : NULL;
}

static void check(void)
{
	huge_check(page(FULL), 1, "page that the child does not map");
	TRY(mprotect(page(HIDDEN), HUGE, PROT_READ));
	huge_check(page(HIDDEN), 4, "hidden page");
	huge_check(unreserved + 7 * HUGE, 8, "page without a reservation");
	SAME(huge_page_size(area), 2048);
	SAME(huge_page_size(unreserved), 2048);
	if (giant)
		SAME(huge_page_size(giant), 1 << 20);
}

static void clean_up(void)
{
	TRY(munmap(area, CHILDS * HUGE));
	TRY(munmap(unreserved, MANY));
	if (giant)
		TRY(munmap(giant, 2ul << 30));
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
		TRY(munmap(page(CHILDS), HUGE));
		SAME(huge_pages_behind(area, 2 * HUGE), 5);
		test_ready();
		test_wait();

		CHECK(strcmp(flags, proc_vm_flags(area)) == 0, "flags were%s, are%s", flags, proc_vm_flags(area));
		CHECK(strcmp(seen, proc_vm_flags(unreserved)) == 0, "flags were%s, are%s", seen, proc_vm_flags(unreserved));
		SAME(huge_pages_behind(area, 2 * HUGE), 5);
		SAME(huge_pages_behind(unreserved, MANY), 1);
		test_finish(pid);
		SAME(page(READONLY)[100], 'c');
		SAME(page(HOLE)[100], 'c');
		SAME(page(HOLE)[101], 0);
		check();
		clean_up();
	} while (test_pass());
	return 0;
}

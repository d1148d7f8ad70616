// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared anonymous memory between a parent, two children and a grandchild, at
 * other addresses, offsets and sizes in each, part of it mapped by nobody.
 */
#include "test.h"

#include <sys/mman.h>

enum { PAGES = 32 };

/* What the members see of the memory: page numbers, and where to. */
struct view {
	int first, pages;
	struct view *below;
};

static char *memory;
static char *second;	/* another memory, read-only in children */

static void member(void *arg)
{
	struct view *view = arg;
	size_t size = view->pages * PAGE;
	pid_t child = 0;

	if (view->below)
		child = test_fork(member, view->below);
	/* Only a part of it remains, moved to another address. */
	char *place = TRY(mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	place = TRY(mremap(memory + view->first * PAGE, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place));
	TRY(munmap(memory, view->first * PAGE));
	TRY(munmap(memory + view->first * PAGE + size, (PAGES - view->first - view->pages) * PAGE));
	TRY(mprotect(second, 2 * PAGE, PROT_READ));
	test_child_ready();
	test_wait();

	for (int i = 0; i < view->pages; i++)
		pattern_check(place + i * PAGE, PAGE - 8, view->first + i, "shared page in a child");
	pattern_check(second, 2 * PAGE, 77, "second memory in a child");
	if (child)
		test_finish(child);
	/* The parent finds this. */
	*(int64_t *)(place + size - 8) = getpid();
}

int main(int argc, char **argv)
{
	struct view grandchild = { 10, 3, NULL };
	struct view views[2] = { { 4, 20, &grandchild }, { 16, 9, NULL } };
	pid_t child[2];

	test_init(argc, argv);
	do {
		memory = TRY(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		second = TRY(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		for (int i = 0; i < PAGES - 2; i++)
			pattern_fill(memory + i * PAGE, PAGE - 8, i);
		pattern_fill(second, 2 * PAGE, 77);
		for (int i = 0; i < 2; i++)
			child[i] = test_fork(member, &views[i]);
		/* Page 1 stays part of the memory, though nobody can see it for now. */
		TRY(munmap(memory + PAGE, PAGE));
		test_ready();
		test_wait();

		pattern_check(memory, PAGE - 8, 0, "first page");
		for (int i = 2; i < PAGES - 2; i++)
			pattern_check(memory + i * PAGE, PAGE - 8, i, "shared page");
		SAME(*(int64_t *)(memory + (PAGES - 1) * PAGE), 0);
		for (int i = 0; i < 2; i++) {
			test_finish(child[i]);
			SAME(*(int64_t *)(memory + (views[i].first + views[i].pages) * PAGE - 8), child[i]);
		}
		TRY(munmap(memory, PAGES * PAGE));
		TRY(munmap(second, 2 * PAGE));
	} while (test_pass());
	return 0;
}

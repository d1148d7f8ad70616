// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the kernel may empty at any time (MAP_DROPPABLE, Linux 6.11): its mapping is what it was, each page
 * has its content or is empty, and it can be used. "emptied": restored in the first round, so every page is empty. Where the
 * kernel has no such memory the program sees to it that the kernel says so, and does with what is wiped on fork.
 */
#include "test.h"

#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

enum { PAGES = 16, SEED = 7 };

static bool have_droppable(void)
{
	struct utsname u;
	int major, minor;

	TRY(uname(&u));
	CHECK(sscanf(u.release, "%d.%d", &major, &minor) == 2, "a release \"%s\"", u.release);
	return major > 6 || (major == 6 && minor >= 11);
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	bool droppable = have_droppable(), emptied = argc > own && strcmp(argv[own], "emptied") == 0;

	for (int round = 1;; round++) {
		/* Neighbours of another kind keep the area from being merged. */
		char *space = TRY(mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		char *area = mmap(space + PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE,
				  MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		CHECK((area != MAP_FAILED) == droppable, "mmap() with MAP_DROPPABLE: %s", strerror(errno));
		if (!droppable) {
			area = space + PAGE;
			TRY(mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE));
			TRY(madvise(area, PAGES * PAGE, MADV_WIPEONFORK));
		}
		pattern_fill(area, PAGES * PAGE, SEED);
		char *pattern = TRY(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		pattern_fill(pattern, PAGES * PAGE, SEED);
		char before[256];
		snprintf(before, sizeof(before), "%s", proc_vm_flags(area));
		test_ready();
		test_wait();

		const char *now = proc_vm_flags(area);
		CHECK(strcmp(now, before) == 0, "VmFlags are%s, were%s", now, before);
		static const char empty[PAGE];
		for (size_t i = 0; i < PAGES; i++) {
			bool is_empty = memcmp(area + i * PAGE, empty, PAGE) == 0;
			CHECK(is_empty || memcmp(area + i * PAGE, pattern + i * PAGE, PAGE) == 0,
			      "page %zu is neither empty nor what was written", i);
			CHECK(is_empty || !emptied || round > 1 || !droppable, "page %zu was saved", i);
		}
		pattern_fill(area, PAGES * PAGE, SEED + 1);
		pattern_check(area, PAGES * PAGE, SEED + 1, "droppable memory");
		pid_t pid = TRY(fork());
		if (pid == 0)
			_exit(memcmp(area, empty, PAGE) ? 1 : 0);
		int status;
		TRY(waitpid(pid, &status, 0));
		CHECK(status == 0, "a fork sees the content: wait status %#x", status);
		TRY(munmap(space, (PAGES + 2) * PAGE));
		TRY(munmap(pattern, PAGES * PAGE));
		if (!test_pass())
			return 0;
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* Pages with content behind PROT_NONE, guard pages between mappings, and gaps that stay gaps. */
#include "test.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf escape;

static void on_fault(int signo)
{
	siglongjmp(escape, signo);
}

static void must_fault(volatile char *p, const char *what)
{
	if (sigsetjmp(escape, 1) == 0) {
		(void)*p;
		FAIL("%s can be read", what);
	}
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	signal(SIGSEGV, on_fault);
	do {
		/* data, guard, data hidden, guard, data, gap, data */
		char *area = TRY(mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		pattern_fill(area, 16 * PAGE, 1);
		TRY(mprotect(area + 2 * PAGE, PAGE, PROT_NONE));
		TRY(mprotect(area + 4 * PAGE, 4 * PAGE, PROT_NONE));
		TRY(munmap(area + 10 * PAGE, PAGE));
		char *reserved = TRY(mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
		test_ready();
		test_wait();

		must_fault(area + 2 * PAGE, "a guard page");
		must_fault(area + 5 * PAGE, "a hidden page");
		must_fault(area + 10 * PAGE, "a gap");
		must_fault(reserved, "reserved address space");
		pattern_check(area, 2 * PAGE, 1, "before the guard");
		TRY(mprotect(area, 10 * PAGE, PROT_READ));
		pattern_check(area, 10 * PAGE, 1, "hidden pages");
		SAME(proc_pages_there(reserved, 64 << 20), 0);
		TRY(mprotect(reserved, PAGE, PROT_READ | PROT_WRITE));
		SAME(reserved[0], 0);
		reserved[0] = 1;
		TRY(munmap(area, 16 * PAGE));
		TRY(munmap(reserved, 64 << 20));
	} while (test_pass());
	return 0;
}

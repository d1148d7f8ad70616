// SPDX-License-Identifier: GPL-2.0-only
/* Content of memory that cannot be written: relro, read-only data, code made at run time. */
#include "test.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

/* In .data.rel.ro: filled in by the dynamic linker, then made read-only (-z relro). */
static const char *const relocated[] = { "one", "two", "three" };

static sigjmp_buf escape;

static void on_fault(int signo)
{
	siglongjmp(escape, signo);
}

static void must_not_be_writable(volatile char *p, const char *what)
{
	if (sigsetjmp(escape, 1) == 0) {
		*p = 1;
		FAIL("%s can be written", what);
	}
}

int main(int argc, char **argv)
{
	/* mov $0x2a, %eax; ret */
	static const unsigned char answer[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 };

	test_init(argc, argv);
	signal(SIGSEGV, on_fault);
	do {
		char *area = TRY(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		pattern_fill(area, 2 * PAGE, 5);
		memcpy(area + 2 * PAGE, answer, sizeof(answer));
		TRY(mprotect(area, 2 * PAGE, PROT_READ));
		TRY(mprotect(area + 2 * PAGE, PAGE, PROT_READ | PROT_EXEC));
		test_ready();
		test_wait();

		CHECK(strcmp(relocated[0], "one") == 0 && strcmp(relocated[2], "three") == 0, "relro data differs");
		must_not_be_writable((char *)relocated, "relro data");
		pattern_check(area, 2 * PAGE, 5, "read-only memory");
		must_not_be_writable(area, "read-only memory");
		must_not_be_writable(area + 2 * PAGE, "code");
		SAME(((int (*)(void))(area + 2 * PAGE))(), 42);
		TRY(munmap(area, 3 * PAGE));
	} while (test_pass());
	return 0;
}

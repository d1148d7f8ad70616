// SPDX-License-Identifier: GPL-2.0-only
/* mlockall(): what is mapped is locked, and so is what will be mapped. The argument "onfault" adds MCL_ONFAULT. */
#include "test.h"

#include <sys/mman.h>

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	int onfault = own < argc && strcmp(argv[own], "onfault") == 0 ? MCL_ONFAULT : 0;

	TRY(mlockall(MCL_CURRENT | MCL_FUTURE | onfault));
	do {
		char *area = TRY(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		pattern_fill(area, 2 * PAGE, 1);
		test_ready();
		test_wait();

		pattern_check(area, 2 * PAGE, 1, "locked memory");
		SAME(proc_pages_there(area, 8 * PAGE), onfault ? 2 : 8);
		/* After a hole, so that it becomes a mapping of its own. */
		char *later = TRY(mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		CHECK(strstr(proc_vm_flags(later), " lo"), "a new mapping is not locked:%s", proc_vm_flags(later));
		SAME(proc_pages_there(later, 8 * PAGE), onfault ? 0 : 8);
		TRY(munmap(later, 8 * PAGE));
		TRY(munmap(area, 8 * PAGE));
	} while (test_pass());
	return 0;
}

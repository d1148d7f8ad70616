// SPDX-License-Identifier: GPL-2.0-only
/* Mappings of /dev/zero: a private one is anonymous memory with a file, a shared one is shared anonymous memory. */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>

static char *shared;

static void child(void *arg)
{
	(void)arg;
	test_child_ready();
	test_wait();
	shared[0] ^= 0xff;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int fd = TRY(open("/dev/zero", O_RDWR));
		char *private = TRY(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
		shared = TRY(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
		close(fd);
		pattern_fill(private, 2 * PAGE, 1);
		pattern_fill(shared, 2 * PAGE, 2);
		pid_t pid = test_fork(child, NULL);
		test_ready();
		test_wait();

		pattern_check(private, 2 * PAGE, 1, "private mapping");
		pattern_check(shared, 2 * PAGE, 2, "shared mapping");
		char before = shared[0];
		test_finish(pid);
		SAME(shared[0], (char)(before ^ 0xff));
		SAME(private[3 * PAGE], 0);
		private[3 * PAGE] = 1;
		TRY(munmap(private, 4 * PAGE));
		TRY(munmap(shared, 4 * PAGE));
	} while (test_pass());
	return 0;
}

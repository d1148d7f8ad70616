// SPDX-License-Identifier: GPL-2.0-only
/* memfd: mapped and open, mapped only, open only; name, seals, position, content with holes; shared with a child. */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char *mapped;

static void child(void *arg)
{
	int fd = *(int *)arg;

	test_child_ready();
	test_wait();
	pattern_check(mapped, 4 * PAGE, 21, "memfd mapped in a child");
	SAME(lseek(fd, 0, SEEK_CUR), 100);
	mapped[5 * PAGE] = 'c';
}

int main(int argc, char **argv)
{
	char link[64], target[256];

	test_init(argc, argv);
	do {
		int fd = TRY(memfd_create("first one", MFD_ALLOW_SEALING | MFD_CLOEXEC));
		TRY(ftruncate(fd, 64 << 20));
		mapped = TRY(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
		pattern_fill(mapped, 4 * PAGE, 21);
		TRY(lseek(fd, 100, SEEK_SET));
		TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));

		int sealed = TRY(memfd_create("sealed", MFD_ALLOW_SEALING));
		SAME(write(sealed, "settled", 7), 7);
		TRY(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));

		int gone = TRY(memfd_create("mapped only", 0));
		TRY(ftruncate(gone, 2 * PAGE));
		char *orphan = TRY(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, gone, 0));
		char *copy = TRY(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, gone, 0));
		close(gone);
		pattern_fill(orphan, PAGE, 22);
		copy[PAGE] = 'p';

		pid_t pid = test_fork(child, &fd);
		test_ready();
		test_wait();

		SAME(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
		SAME(fcntl(sealed, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
		SAME(fcntl(fd, F_GETFD), FD_CLOEXEC);
		SAME(fcntl(sealed, F_GETFD), 0);
		SAME(lseek(fd, 0, SEEK_CUR), 100);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t size = TRY(readlink(link, target, sizeof(target) - 1));
		target[size] = 0;
		CHECK(strcmp(target, "/memfd:first one (deleted)") == 0, "the memfd's name is %s", target);

		struct stat st;
		TRY(fstat(fd, &st));
		SAME(st.st_size, 64 << 20);
		/* 4 pages of content and those that a child's page adds: holes are holes. */
		CHECK(st.st_blocks * 512 <= 64 * (long)PAGE, "the memfd has %ld blocks", (long)st.st_blocks);
		pattern_check(mapped, 4 * PAGE, 21, "memfd");
		test_finish(pid);
		SAME(mapped[5 * PAGE], 'c');
		char byte;
		SAME(pread(fd, &byte, 1, 5 * PAGE), 1);
		SAME(byte, 'c');

		char text[8] = "";
		SAME(pread(sealed, text, 7, 0), 7);
		CHECK(strcmp(text, "settled") == 0, "the sealed memfd holds '%s'", text);
		CHECK(write(sealed, "x", 1) == -1 && errno == EPERM, "the sealed memfd can be written");

		pattern_check(orphan, PAGE, 22, "memfd without a descriptor");
		pattern_check(copy, PAGE, 22, "its private mapping");
		SAME(copy[PAGE], 'p');
		SAME(orphan[PAGE], 0);
		orphan[100] ^= 1;
		SAME(copy[100], orphan[100]);
		TRY(munmap(mapped, 8 * PAGE));
		TRY(munmap(orphan, 2 * PAGE));
		TRY(munmap(copy, 2 * PAGE));
		close(fd);
		close(sealed);
	} while (test_pass());
	return 0;
}

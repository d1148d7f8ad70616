// SPDX-License-Identifier: GPL-2.0-only
/*
 * memfd of huge pages (MFD_HUGETLB): mapped and open, mapped only, open only; shared and private; name, seals, position, size, content
 * with holes; shared with a child. With the argument "open" none of them is mapped.
 */
#include "huge.h"

#include <fcntl.h>
#include <sys/stat.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* More pages than there are. */
#define MANY	(1ul << 30)

static char *mapped, *copy, *orphan, *orphans_copy, *shrunk, *empty;
static int first, sealed, odd, giant;
static bool end_is_seen;

static char *map(int fd, size_t size, int prot, int flags, off_t offset)
{
	return TRY(mmap(NULL, size, prot, flags, fd, offset));
}

static int make(const char *name, unsigned int flags, off_t size)
{
	int fd = TRY(memfd_create(name, MFD_HUGETLB | flags));

	TRY(ftruncate(fd, size));
	return fd;
}

static void write_page(int fd, int nr, uint64_t seed)
{
	char *page = map(fd, HUGE, PROT_READ, MAP_SHARED | MAP_NORESERVE, nr * HUGE);

	/* a mapping that may be written to from its beginning alters the size */
	TRY(mprotect(page, HUGE, PROT_READ | PROT_WRITE));
	huge_fill(page, seed);
	TRY(munmap(page, HUGE));
}

static void check_page(int fd, int nr, uint64_t seed, const char *what)
{
	char *page = map(fd, HUGE, PROT_READ, MAP_SHARED | MAP_NORESERVE, nr * HUGE);

	huge_check(page, seed, what);
	TRY(munmap(page, HUGE));
}

static off_t size_of(int fd)
{
	struct stat st;

	TRY(fstat(fd, &st));
	return st.st_size;
}

static void make_open(void)
{
	first = make("first one", HUGE_2MB | MFD_ALLOW_SEALING | MFD_CLOEXEC, MANY);
	write_page(first, 0, 21);
	write_page(first, 2, 22);
	TRY(lseek(first, 100, SEEK_SET));
	TRY(fcntl(first, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));

	sealed = make("sealed", MFD_ALLOW_SEALING, HUGE);
	write_page(sealed, 0, 23);
	TRY(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));

	/* ends within a page, all of which is there, and which older kernels show nobody */
	odd = make("odd", 0, 0);
	TRY(fallocate(odd, 0, 0, HUGE + 100));
	char *end = map(odd, HUGE, PROT_READ, MAP_SHARED | MAP_NORESERVE, HUGE);
	end_is_seen = madvise(end, HUGE, MADV_POPULATE_READ) == 0;
	TRY(munmap(end, HUGE));
	if (end_is_seen)
		write_page(odd, 1, 24);

	giant = has_giant_pages() ? make("giant", HUGE_1GB, 3ul << 30) : -1;
}

static void check_open(void)
{
	struct stat st;
	char byte;

	SAME(fcntl(first, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
	SAME(fcntl(sealed, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	SAME(fcntl(odd, F_GET_SEALS), F_SEAL_SEAL);
	SAME(fcntl(first, F_GETFD), FD_CLOEXEC);
	SAME(fcntl(sealed, F_GETFD), 0);
	SAME(lseek(first, 0, SEEK_CUR), 100);
	SAME(size_of(first), MANY);
	SAME(size_of(odd), HUGE + 100);
	SAME(huge_pages_of(sealed), 1);
	SAME(huge_pages_of(odd), 2);
	check_page(first, 0, 21, "memfd");
	check_page(first, 2, 22, "page behind a hole");
	check_page(sealed, 0, 23, "sealed memfd");
	if (end_is_seen)
		check_page(odd, 1, 24, "page that a memfd ends within");
	SAME(pread(first, &byte, 1, HUGE), 1);
	SAME(byte, 0);
	CHECK(mmap(NULL, HUGE, PROT_WRITE, MAP_SHARED | MAP_NORESERVE, sealed, 0) == MAP_FAILED && errno == EPERM,
	      "the sealed memfd can be written");
	if (giant >= 0) {
		TRY(fstat(giant, &st));
		SAME(st.st_size, 3ul << 30);
		SAME(st.st_blksize, 1 << 30);
		SAME(st.st_blocks, 0);
		close(giant);
	}
}

static void make_mapped(void)
{
	mapped = map(first, 8 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, 0);
	/* page 0 is the file's, page 1 its own, page 2 not looked at */
	copy = map(first, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, 0);
	TRY(madvise(copy, 3 * HUGE, MADV_DONTFORK));
	huge_check(copy, 21, "private page");
	huge_fill(copy + HUGE, 25);
	TRY(mprotect(copy + HUGE, HUGE, PROT_READ));

	int fd = make("mapped only", 0, 2 * HUGE);
	orphan = map(fd, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	orphans_copy = map(fd, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	close(fd);
	huge_fill(orphan, 26);

	fd = make("shrunk", 0, 0);
	shrunk = map(fd, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, 0);
	huge_fill(shrunk, 27);
	TRY(ftruncate(fd, HUGE));
	close(fd);

	fd = make("empty", 0, 0);
	empty = map(fd, HUGE, PROT_READ, MAP_SHARED | MAP_NORESERVE, 0);
	close(fd);
}

static off_t size_behind(const char *map, size_t size)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)map, (unsigned long)map + size);
	int fd = TRY(open(path, O_RDONLY | O_CLOEXEC));
	off_t found = size_of(fd);
	close(fd);
	return found;
}

static void check_mapped(void)
{
	SAME(huge_pages_behind(orphan, 2 * HUGE), 1);
	SAME(size_behind(shrunk, 2 * HUGE), HUGE);
	SAME(size_behind(empty, HUGE), 0);
	huge_check(mapped, 21, "memfd in memory");
	huge_check(copy, 21, "page of the file in a private mapping");
	huge_check(copy + HUGE, 25, "page of its own in a private mapping");
	mapped[2 * HUGE + PAGE] = 'x';
	SAME(copy[2 * HUGE + PAGE], 'x');
	TRY(mprotect(copy + HUGE, HUGE, PROT_READ | PROT_WRITE));
	copy[HUGE] ^= 1;
	SAME(mapped[HUGE], 0);
	huge_check(orphan, 26, "memfd without a descriptor");
	huge_check(orphans_copy, 26, "its private mapping");
	orphans_copy[0] ^= 1;
	huge_check(orphan, 26, "memfd whose private mapping was written to");
	SAME(orphan[HUGE], 0);
	huge_check(shrunk, 27, "memfd that is shorter than its mapping");
	SAME(huge_page_size(orphan), 2048);
	TRY(munmap(mapped, 8 * HUGE));
	TRY(munmap(copy, 3 * HUGE));
	TRY(munmap(orphan, 2 * HUGE));
	TRY(munmap(orphans_copy, 2 * HUGE));
	TRY(munmap(shrunk, 2 * HUGE));
	TRY(munmap(empty, HUGE));
}

static void child(void *arg)
{
	(void)arg;
	test_child_ready();
	test_wait();
	huge_check(mapped, 21, "memfd in a child");
	SAME(lseek(first, 0, SEEK_CUR), 100);
	mapped[5 * HUGE] = 'c';
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	bool only_open = own < argc && strcmp(argv[own], "open") == 0;

	do {
		pid_t pid = 0;

		make_open();
		if (!only_open) {
			make_mapped();
			TRY(munmap(orphans_copy + HUGE, HUGE));
			pid = test_fork(child, NULL);
		}
		test_ready();
		test_wait();

		SAME(huge_pages_of(first), 2);
		if (!only_open) {
			test_finish(pid);
			SAME(mapped[5 * HUGE], 'c');
			check_mapped();
		}
		check_open();
		close(first);
		close(sealed);
		close(odd);
	} while (test_pass());
	return 0;
}

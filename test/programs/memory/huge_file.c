// SPDX-License-Identifier: GPL-2.0-only
/* Files of a hugetlbfs that is mounted in the directory of the argument: one with a name, one that has been deleted; mapped and open. */
#include "huge.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static char *named, *copy, *deleted;
static int named_fd, deleted_fd;
static char path[PATH_MAX];

static void set_up(const char *dir)
{
	snprintf(path, sizeof(path), "%s/deleted", dir);
	deleted_fd = TRY(open(path, O_RDWR | O_CREAT | O_EXCL, 0640));
	deleted = TRY(mmap(NULL, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, deleted_fd, 0));
	huge_fill(deleted + 2 * HUGE, 1);
	TRY(lseek(deleted_fd, HUGE, SEEK_SET));
	TRY(unlink(path));

	snprintf(path, sizeof(path), "%s/named", dir);
	named_fd = TRY(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
	named = TRY(mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, named_fd, 0));
	huge_fill(named, 2);
	copy = TRY(mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, named_fd, 0));
	huge_fill(copy + HUGE, 3);
}

static void check(void)
{
	struct stat st;

	huge_check(named, 2, "file with a name");
	huge_check(copy, 2, "private mapping of it");
	huge_check(copy + HUGE, 3, "page of a private mapping");
	SAME(named[HUGE], 0);
	SAME(huge_pages_of(named_fd), 2);
	named[PAGE] ^= 1;
	SAME(copy[PAGE], named[PAGE]);

	TRY(fstat(deleted_fd, &st));
	SAME(st.st_size, 3 * HUGE);
	SAME(st.st_mode & 07777, 0640);
	SAME(st.st_nlink, 0);
	SAME(lseek(deleted_fd, 0, SEEK_CUR), HUGE);
	SAME(huge_pages_of(deleted_fd), 1);
	huge_check(deleted + 2 * HUGE, 1, "deleted file");
	SAME(huge_page_size(deleted), 2048);
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);

	CHECK(own < argc, "which directory?");
	do {
		set_up(argv[own]);
		test_ready();
		test_wait();
		check();
		TRY(munmap(named, 2 * HUGE));
		TRY(munmap(copy, 2 * HUGE));
		TRY(munmap(deleted, 3 * HUGE));
		close(named_fd);
		close(deleted_fd);
		TRY(unlink(path));
	} while (test_pass());
	return 0;
}

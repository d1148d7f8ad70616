// SPDX-License-Identifier: GPL-2.0-only
/* One open file description under several descriptors, by dup and by fork, has one position; two opens have two. */
#include "test.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <linux/kcmp.h>

static int first, other;

static void child(void *arg)
{
	int to_grandchild = *(int *)arg;
	pid_t below = 0;

	if (to_grandchild > 0) {
		to_grandchild--;
		below = test_fork(child, &to_grandchild);
	}
	int moved = TRY(dup2(first, 50));
	close(first);
	test_child_ready();
	test_wait();
	if (below)
		test_finish(below);
	SAME(lseek(other, 0, SEEK_CUR), 222);
	TRY(lseek(moved, 10, SEEK_CUR));
}

int main(int argc, char **argv)
{
	int levels = 1;

	test_init(argc, argv);
	do {
		const char *path = test_path("file");
		first = TRY(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
		other = TRY(open(path, O_RDWR));
		int copy = TRY(dup(first));
		int high = TRY(fcntl(first, F_DUPFD_CLOEXEC, 700));
		TRY(lseek(first, 111, SEEK_SET));
		TRY(lseek(other, 222, SEEK_SET));
		pid_t pid = test_fork(child, &levels);
		test_ready();
		test_wait();

		SAME(lseek(copy, 0, SEEK_CUR), 111);
		SAME(lseek(high, 1, SEEK_CUR), 112);
		SAME(lseek(first, 0, SEEK_CUR), 112);
		SAME(lseek(other, 0, SEEK_CUR), 222);
		SAME(fcntl(high, F_GETFD), FD_CLOEXEC);
		SAME(fcntl(copy, F_GETFD), 0);
		SAME(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, first, copy), 0);
		SAME(syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, copy, 50), 0);
		CHECK(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, first, other) != 0, "two opens have become one");
		test_finish(pid);
		/* Child and grandchild have moved it by 10 each. */
		SAME(lseek(first, 0, SEEK_CUR), 132);
		SAME(lseek(other, 0, SEEK_CUR), 222);
		close(first);
		close(other);
		close(copy);
		close(high);
		TRY(unlink(path));
	} while (test_pass());
	return 0;
}

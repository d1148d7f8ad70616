// SPDX-License-Identifier: GPL-2.0-only
/* Working directory and root directory. Argument "chroot" changes the root too. */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	bool change_root = own < argc && strcmp(argv[own], "chroot") == 0;
	char cwd[4096], now[4096];
	struct stat root, st;

	/* In a new root neither the status file nor /proc can be found. */
	test_keep_status_open();
	const char *dir = test_path("dir with a space");
	TRY(mkdir(dir, 0755));
	TRY(chdir(dir));
	if (change_root)
		TRY(chroot("."));
	TRY(mkdir("below", 0700));
	TRY(chdir("below"));
	do {
		CHECK(getcwd(cwd, sizeof(cwd)), "getcwd: %s", strerror(errno));
		TRY(stat("/", &root));
		test_ready();
		test_wait();

		CHECK(getcwd(now, sizeof(now)), "getcwd: %s", strerror(errno));
		CHECK(strcmp(now, cwd) == 0, "the working directory is %s, not %s", now, cwd);
		TRY(stat("/", &st));
		CHECK(st.st_ino == root.st_ino && st.st_dev == root.st_dev, "another root directory");
		int fd = TRY(open("new", O_CREAT | O_RDWR, 0600));
		close(fd);
		TRY(unlink("../below/new"));
	} while (test_pass());
	return 0;
}

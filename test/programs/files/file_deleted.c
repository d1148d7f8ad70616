// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files without a name: their content, holes, owner, mode and position; one of them
 * open twice and mapped; one with another hard link left; O_TMPFILE; a deleted
 * directory's file; one whose name another file has taken.
 */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char content[64 * PAGE], now[64 * PAGE];

static int deleted_file(const char *path, uint64_t seed)
{
	int fd = TRY(open(path, O_RDWR | O_CREAT | O_EXCL, 0640));

	pattern_fill(content, sizeof(content), seed);
	SAME(write(fd, content, sizeof(content)), sizeof(content));
	return fd;
}

static void check_content(int fd, uint64_t seed, const char *what)
{
	SAME(pread(fd, now, sizeof(now), 0), sizeof(now));
	pattern_check(now, sizeof(now), seed, what);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		struct stat st;

		/* Open twice, mapped shared and privately, with different positions. */
		const char *path = test_path("twice");
		int twice = deleted_file(path, 1), again = TRY(open(path, O_RDONLY));
		char *shared = TRY(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, twice, PAGE));
		char *private = TRY(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, again, 0));
		private[PAGE + 1] ^= 1;
		TRY(lseek(again, 99, SEEK_SET));
		TRY(fchown(twice, 1234, 5678));
		TRY(fchmod(twice, 06604));
		TRY(unlink(path));

		/* 64 MiB with 4 KiB in the middle. */
		path = test_path("sparse");
		int sparse = TRY(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
		TRY(ftruncate(sparse, 64 << 20));
		pattern_fill(content, PAGE, 2);
		SAME(pwrite(sparse, content, PAGE, 32 << 20), PAGE);
		TRY(unlink(path));

		/* Its own name is gone, another one leads to it. */
		path = test_path("linked");
		int linked = deleted_file(path, 3);
		TRY(link(path, test_path("other link")));
		TRY(unlink(path));

		path = test_path("replaced");
		int replaced = deleted_file(path, 4);
		TRY(unlink(path));
		int usurper = deleted_file(path, 5);
		close(usurper);

		TRY(mkdir(test_path("directory"), 0755));
		path = test_path("directory/file");
		int in_directory = deleted_file(path, 6);
		TRY(unlink(path));
		TRY(rmdir(test_path("directory")));

		char beside[4200];
		snprintf(beside, sizeof(beside), "%s", test_status_path());
		*strrchr(beside, '/') = 0;
		int nameless = TRY(open(beside, O_TMPFILE | O_RDWR, 0600));
		pattern_fill(content, sizeof(content), 7);
		SAME(write(nameless, content, sizeof(content)), sizeof(content));

		path = test_path("empty");
		int empty = TRY(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
		TRY(unlink(path));
		test_ready();
		test_wait();

		check_content(twice, 1, "file open twice");
		SAME(lseek(twice, 0, SEEK_CUR), sizeof(content));
		SAME(lseek(again, 0, SEEK_CUR), 99);
		TRY(fstat(twice, &st));
		SAME(st.st_mode & 07777, 06604);
		SAME(st.st_uid, 1234);
		SAME(st.st_gid, 5678);
		ino_t inode = st.st_ino;
		TRY(fstat(again, &st));
		SAME(st.st_ino, inode);
		SAME(st.st_nlink, 0);
		/* One file under both descriptors and the shared mapping still. */
		shared[7] ^= 0x7f;
		char byte;
		SAME(pread(again, &byte, 1, PAGE + 7), 1);
		SAME(byte, shared[7]);
		pattern_fill(content, sizeof(content), 1);
		SAME(private[0], content[0]);
		SAME(private[PAGE + 1], (char)(content[PAGE + 1] ^ 1));

		TRY(fstat(sparse, &st));
		SAME(st.st_size, 64 << 20);
		CHECK(st.st_blocks * 512 <= 16 * (long)PAGE, "the sparse file has %ld blocks", (long)st.st_blocks);
		SAME(pread(sparse, now, PAGE, 32 << 20), PAGE);
		pattern_check(now, PAGE, 2, "sparse file");

		check_content(linked, 3, "file with another link");
		TRY(fstat(linked, &st));
		inode = st.st_ino;
		TRY(stat(test_path("other link"), &st));
		SAME(st.st_ino, inode);
		TRY(unlink(test_path("other link")));

		check_content(replaced, 4, "file whose name was taken");
		path = test_path("replaced");
		usurper = TRY(open(path, O_RDONLY));
		check_content(usurper, 5, "the one that took the name");
		close(usurper);
		TRY(unlink(path));
		check_content(in_directory, 6, "file of a deleted directory");
		check_content(nameless, 7, "O_TMPFILE");
		SAME(write(empty, "x", 1), 1);
		TRY(fstat(empty, &st));
		SAME(st.st_size, 1);
		CHECK(access(test_path("twice"), F_OK) == -1 && access(test_path("sparse"), F_OK) == -1 &&
		      access(test_path("directory"), F_OK) == -1, "a deleted file has its name again");
		TRY(munmap(shared, 2 * PAGE));
		TRY(munmap(private, 2 * PAGE));
		close(twice);
		close(again);
		close(sparse);
		close(linked);
		close(replaced);
		close(in_directory);
		close(nameless);
		close(empty);
	} while (test_pass());
	return 0;
}

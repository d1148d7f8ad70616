// SPDX-License-Identifier: GPL-2.0-only
/* A segment whose id is the inode number of shared anonymous memory on the same file system, which are two memories. */
#include "test.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>

static ino_t inode_of(const char *memory, size_t size)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)memory, (unsigned long)memory + size);
	TRY(stat(path, &st));
	return st.st_ino;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		char number[32], *anonymous, *memory;
		struct shmid_ds is;
		int fd, id;

		/* the id may be taken: then the next inode */
		for (;;) {
			anonymous = TRY(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
			snprintf(number, sizeof(number), "%ju", (uintmax_t)inode_of(anonymous, 2 * PAGE));
			fd = TRY(open("/proc/sys/kernel/shm_next_id", O_WRONLY));
			TRY(write(fd, number, strlen(number)));
			close(fd);
			id = TRY(shmget(IPC_PRIVATE, 2 * PAGE, 0600));
			if (id == atoi(number))
				break;
			TRY(shmctl(id, IPC_RMID, NULL));
		}
		memory = TRY(shmat(id, NULL, 0));
		SAME(inode_of(memory, 2 * PAGE), inode_of(anonymous, 2 * PAGE));
		pattern_fill(anonymous, 2 * PAGE, 11);
		pattern_fill(memory, 2 * PAGE, 12);
		test_ready();
		test_wait();

		pattern_check(anonymous, 2 * PAGE, 11, "shared anonymous memory");
		pattern_check(memory, 2 * PAGE, 12, "System V shared memory");
		TRY(shmctl(id, IPC_STAT, &is));
		SAME(is.shm_nattch, 1);
		TRY(munmap(anonymous, 2 * PAGE));
		TRY(shmdt(memory));
		TRY(shmctl(id, IPC_RMID, NULL));
	} while (test_pass());
	return 0;
}

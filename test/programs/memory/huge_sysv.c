// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V shared memory of huge pages (SHM_HUGETLB): reserved, and not; of somebody else's, marked for destruction; with holes, in
 * parts, for reading only; shared with a child.
 */
#include "huge.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>

enum { NOBODY = 65534 };

/* 3 pages, and some of a fourth, all of which is there. */
#define ODD	(3 * HUGE + 100)
#define MANY	(512 * HUGE)

static struct segment {
	int id;
	struct shmid_ds was;
	char *memory;
} keyed, unreserved, other, marked;

static char *reader, *parts;

static struct shmid_ds stat_of(const struct segment *segment)
{
	struct shmid_ds is;

	TRY(shmctl(segment->id, IPC_STAT, &is));
	return is;
}

static void compare(const struct segment *segment)
{
	struct shmid_ds is = stat_of(segment), was = segment->was;

	SAME(is.shm_perm.__key, was.shm_perm.__key);
	SAME(is.shm_perm.uid, was.shm_perm.uid);
	SAME(is.shm_perm.cuid, was.shm_perm.cuid);
	SAME(is.shm_perm.cgid, was.shm_perm.cgid);
	SAME(is.shm_perm.mode, was.shm_perm.mode);
	SAME(is.shm_segsz, was.shm_segsz);
	SAME(is.shm_nattch, was.shm_nattch);
}

static void make(struct segment *segment, key_t key, size_t size, int flags)
{
	segment->id = TRY(shmget(key, size, IPC_CREAT | SHM_HUGETLB | 0600 | flags));
	segment->memory = TRY(shmat(segment->id, NULL, 0));
}

/* Who has no capability for it may be of the group that has the right to huge pages. */
static void make_as_nobody(void)
{
	int fd = TRY(open("/proc/sys/vm/hugetlb_shm_group", O_RDWR | O_CLOEXEC));
	char was[32] = "", is[32];

	TRY(read(fd, was, sizeof(was) - 1));
	snprintf(is, sizeof(is), "%d", NOBODY);
	TRY(pwrite(fd, is, strlen(is), 0));
	TRY(setegid(NOBODY));
	TRY(seteuid(NOBODY));
	other.id = TRY(shmget(IPC_PRIVATE, HUGE, SHM_HUGETLB | 0600));
	TRY(seteuid(0));
	TRY(setegid(0));
	TRY(prctl(PR_SET_DUMPABLE, 1));
	TRY(pwrite(fd, was, strlen(was), 0));
	close(fd);
	other.memory = TRY(shmat(other.id, NULL, 0));
	huge_fill(other.memory, 5);
}

static void set_up(void)
{
	make(&keyed, 0x43525700 + getpid(), ODD, HUGE_2MB);
	huge_fill(keyed.memory, 1);
	huge_fill(keyed.memory + 3 * HUGE, 2);
	reader = TRY(shmat(keyed.id, NULL, SHM_RDONLY));
	parts = TRY(shmat(keyed.id, NULL, 0));
	TRY(munmap(parts + HUGE, HUGE));
	TRY(mprotect(parts + 2 * HUGE, HUGE, PROT_READ));

	make(&unreserved, IPC_PRIVATE, MANY, SHM_NORESERVE);
	huge_fill(unreserved.memory + 9 * HUGE, 3);

	make(&marked, IPC_PRIVATE, HUGE, 0);
	huge_fill(marked.memory, 4);
	TRY(shmctl(marked.id, IPC_RMID, NULL));
	make_as_nobody();
}

static void child(void *arg)
{
	(void)arg;
	TRY(shmdt(keyed.memory));
	TRY(shmdt(parts));
	test_child_ready();
	test_wait();
	huge_check(reader, 1, "segment in a child");
	huge_check(marked.memory, 4, "marked segment in a child");
	unreserved.memory[0] = 'c';
}

static void check(void)
{
	SAME(huge_page_size(keyed.memory), 2048);
	huge_check(keyed.memory, 1, "segment");
	huge_check(keyed.memory + 3 * HUGE, 2, "page that a segment ends within");
	huge_check(parts + 3 * HUGE, 2, "part of an attachment");
	SAME(parts[2 * HUGE], 0);
	keyed.memory[2 * HUGE] = 'w';
	SAME(parts[2 * HUGE], 'w');
	SAME(reader[2 * HUGE], 'w');
	CHECK(mprotect(reader, HUGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES, "what is read only became writable");
	huge_check(unreserved.memory + 9 * HUGE, 3, "segment without a reservation");
	huge_check(marked.memory, 4, "marked segment");
	huge_check(other.memory, 5, "segment of somebody else");
}

static void clean_up(void)
{
	struct shmid_ds is;

	TRY(shmdt(reader));
	TRY(shmdt(parts));
	TRY(shmdt(keyed.memory));
	SAME(stat_of(&keyed).shm_nattch, 0);
	TRY(shmctl(keyed.id, IPC_RMID, NULL));
	TRY(shmdt(unreserved.memory));
	TRY(shmctl(unreserved.id, IPC_RMID, NULL));
	TRY(shmdt(other.memory));
	TRY(shmctl(other.id, IPC_RMID, NULL));
	TRY(shmdt(marked.memory));
	CHECK(shmctl(marked.id, IPC_STAT, &is) == -1 && errno == EINVAL, "a marked segment is still there");
}

int main(int argc, char **argv)
{
	struct segment *all[] = { &keyed, &unreserved, &other, &marked };

	test_init(argc, argv);
	do {
		set_up();
		pid_t pid = test_fork(child, NULL);
		for (size_t i = 0; i < COUNT(all); i++)
			all[i]->was = stat_of(all[i]);
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(all); i++)
			compare(all[i]);
		SAME(huge_pages_behind(unreserved.memory, MANY), 1);
		test_finish(pid);
		SAME(unreserved.memory[0], 'c');
		check();
		clean_up();
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V shared memory: with a key, private, of another owner and creator, marked for destruction; attached as a whole,
 * in pieces, moved, without its beginning, for reading only, at an address, twice; shared with a child.
 */
#include "test.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>

enum { PAGES = 16, NOBODY = 65534 };

/* 5 pages, and some of a sixth, all of which is there. */
#define ODD	(5 * PAGE + 100)
/* Where nothing else is. */
#define PLACE	((void *)0x7e5500000000)

static struct segment {
	int id;
	struct shmid_ds was;
} keyed, pieces, marked, other, childs;

static struct shmid_ds stat_of(const struct segment *segment)
{
	struct shmid_ds is;

	TRY(shmctl(segment->id, IPC_STAT, &is));
	return is;
}

static void remember(struct segment *segment)
{
	segment->was = stat_of(segment);
}

static void compare(const struct segment *segment)
{
	struct shmid_ds is = stat_of(segment), was = segment->was;

	SAME(is.shm_perm.__key, was.shm_perm.__key);
	SAME(is.shm_perm.uid, was.shm_perm.uid);
	SAME(is.shm_perm.gid, was.shm_perm.gid);
	SAME(is.shm_perm.cuid, was.shm_perm.cuid);
	SAME(is.shm_perm.cgid, was.shm_perm.cgid);
	SAME(is.shm_perm.mode, was.shm_perm.mode);
	SAME(is.shm_segsz, was.shm_segsz);
	SAME(is.shm_nattch, was.shm_nattch);
}

static void attached(const struct segment *segment, long expected)
{
	SAME(stat_of(segment).shm_nattch, expected);
}

static bool is_there(const void *page)
{
	unsigned char there;

	TRY(mincore((void *)page, PAGE, &there));
	return there & 1;
}

/* The program attaches at the old places only by what the kernel remembers: none of these is touched when it does. */
static char *whole, *second, *reader, *parts, *moved, *end, *gone, *foreign, *shared;

static void make_keyed(void)
{
	struct shmid_ds set;

	keyed.id = TRY(shmget(0x43525400 + getpid(), ODD, IPC_CREAT | IPC_EXCL | 0600));
	whole = TRY(shmat(keyed.id, NULL, 0));
	second = TRY(shmat(keyed.id, PLACE, 0));
	SAME((uintptr_t)second, (uintptr_t)PLACE);
	reader = TRY(shmat(keyed.id, NULL, SHM_RDONLY));
	/* pages 2 and 3 are a hole; the end of the last page is no part of the file, and of the memory */
	pattern_fill(whole, 2 * PAGE, 1);
	pattern_fill(whole + 4 * PAGE, 2 * PAGE, 2);
	set = stat_of(&keyed);
	set.shm_perm.uid = 1234;
	set.shm_perm.gid = 4321;
	set.shm_perm.mode = 0642;
	TRY(shmctl(keyed.id, IPC_SET, &set));
	TRY(shmctl(keyed.id, SHM_LOCK, NULL));
}

static void check_keyed(void)
{
	SAME(TRY(shmget(0x43525400 + getpid(), 0, 0)), keyed.id);
	SAME(stat_of(&keyed).shm_perm.mode, 0642 | SHM_LOCKED);
	CHECK(!is_there(whole + 2 * PAGE) && !is_there(whole + 3 * PAGE), "a hole has been filled");
	pattern_check(whole, 2 * PAGE, 1, "a segment");
	pattern_check(whole + 4 * PAGE, 2 * PAGE, 2, "the end of a segment");
	pattern_check(reader, 2 * PAGE, 1, "a segment that is read only");
	whole[2 * PAGE] = 'w';
	SAME(second[2 * PAGE], 'w');
	SAME(reader[2 * PAGE], 'w');
	CHECK(mprotect(reader, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES, "what is read only became writable");
	attached(&keyed, 3);
	TRY(shmdt(reader));
	attached(&keyed, 2);
	TRY(shmdt(second));
	TRY(shmdt(whole));
	attached(&keyed, 0);
	TRY(shmctl(keyed.id, IPC_RMID, NULL));
}

/* What is left of two attachments: parts of one, and the end of another. */
static void make_pieces(void)
{
	pieces.id = TRY(shmget(IPC_PRIVATE, PAGES * PAGE, 0600));
	parts = TRY(shmat(pieces.id, NULL, 0));
	for (int i = 0; i < PAGES; i++)
		pattern_fill(parts + i * PAGE, PAGE, i);
	TRY(munmap(parts + 3 * PAGE, 2 * PAGE));
	TRY(mprotect(parts + 8 * PAGE, PAGE, PROT_READ));
	TRY(mprotect(parts + 10 * PAGE, PAGE, PROT_NONE));
	moved = TRY(mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	moved = TRY(mremap(parts + 12 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved));
	end = TRY(shmat(pieces.id, NULL, 0));
	TRY(munmap(end, 6 * PAGE));
}

static void check_pieces(void)
{
	TRY(mprotect(parts + 10 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	for (int i = 0; i < 12; i++)
		if (i < 3 || i > 4)
			pattern_check(parts + i * PAGE, PAGE, i, "a part of an attachment");
	for (int i = 0; i < 4; i++)
		pattern_check(moved + i * PAGE, PAGE, 12 + i, "a part that was moved");
	for (int i = 6; i < PAGES; i++)
		pattern_check(end + i * PAGE, PAGE, i, "the end of an attachment");
	moved[0] = 'm';
	SAME(end[12 * PAGE], 'm');
	/* in one go, but for what is elsewhere */
	TRY(shmdt(parts));
	attached(&pieces, 2);
	CHECK(shmdt(parts) == -1 && errno == EINVAL, "something is left of an attachment");
	TRY(shmdt(end));
	attached(&pieces, 1);
	SAME(moved[0], 'm');
	TRY(shmdt(moved - 12 * PAGE));
	attached(&pieces, 0);
	TRY(shmctl(pieces.id, IPC_RMID, NULL));
}

static void make_marked(void)
{
	marked.id = TRY(shmget(0x43525300 + getpid(), 2 * PAGE, IPC_CREAT | IPC_EXCL | 0640));
	gone = TRY(shmat(marked.id, NULL, 0));
	pattern_fill(gone, 2 * PAGE, 5);
	TRY(shmctl(marked.id, IPC_RMID, NULL));
}

static void check_marked(void)
{
	struct shmid_ds is;

	CHECK(shmget(0x43525300 + getpid(), 0, 0) == -1 && errno == ENOENT, "a marked segment is found by its key");
	SAME(stat_of(&marked).shm_perm.mode, 0640 | SHM_DEST);
	pattern_check(gone, 2 * PAGE, 5, "a marked segment");
	TRY(shmdt(gone));
	CHECK(shmctl(marked.id, IPC_STAT, &is) == -1 && errno == EINVAL, "a marked segment is still there");
}

static void make_other(void)
{
	TRY(seteuid(NOBODY));
	other.id = TRY(shmget(IPC_PRIVATE, PAGE, 0400));
	TRY(seteuid(0));
	TRY(prctl(PR_SET_DUMPABLE, 1));
	foreign = TRY(shmat(other.id, NULL, 0));
	pattern_fill(foreign, PAGE, 6);
}

static void check_other(void)
{
	SAME(stat_of(&other).shm_perm.cuid, NOBODY);
	SAME(stat_of(&other).shm_perm.uid, NOBODY);
	pattern_check(foreign, PAGE, 6, "a segment of somebody else");
	TRY(shmdt(foreign));
	TRY(shmctl(other.id, IPC_RMID, NULL));
}

static void child(void *arg)
{
	(void)arg;
	TRY(shmdt(whole));
	TRY(shmdt(second));
	TRY(shmdt(reader));
	TRY(munmap(shared, PAGE));
	test_child_ready();
	test_wait();
	pattern_check(shared + PAGE, PAGE, 8, "a segment in a child");
	pattern_check(foreign, PAGE, 6, "a segment of somebody else in a child");
	shared[3 * PAGE] = 'c';
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		make_keyed();
		make_other();
		childs.id = TRY(shmget(IPC_PRIVATE, 4 * PAGE, 0600));
		shared = TRY(shmat(childs.id, NULL, 0));
		pattern_fill(shared, 2 * PAGE - 8, 7);
		pattern_fill(shared + PAGE, PAGE, 8);
		pid_t pid = test_fork(child, NULL);

		make_pieces();
		make_marked();
		attached(&keyed, 3);
		attached(&childs, 2);
		attached(&pieces, 8);
		remember(&keyed);
		remember(&pieces);
		remember(&marked);
		remember(&other);
		remember(&childs);
		test_ready();
		test_wait();

		compare(&keyed);
		compare(&pieces);
		compare(&marked);
		compare(&other);
		compare(&childs);
		test_finish(pid);
		attached(&childs, 1);
		attached(&other, 1);
		SAME(shared[3 * PAGE], 'c');
		pattern_check(shared + PAGE, PAGE, 8, "a segment");
		check_keyed();
		check_pieces();
		check_marked();
		check_other();
		TRY(shmdt(shared));
		attached(&childs, 0);
		TRY(shmctl(childs.id, IPC_RMID, NULL));
	} while (test_pass());
	return 0;
}

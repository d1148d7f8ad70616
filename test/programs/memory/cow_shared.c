// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that a parent and its children share copy-on-write are one page afterwards, too, and each that one of them has
 * written to since, given back or protected is its own. Which is which tells /proc/self/pagemap (as root).
 *
 *	cow_shared [siblings]	the parent has written to all of it since: only the children share
 */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>

enum {
	UNTOUCHED,	/* everybody's */
	PARENTS,	/* the parent has written to it */
	FIRSTS,		/* the first child has */
	GIVEN_BACK,	/* the second child has given it back (MADV_DONTNEED) */
	UNMAPPED,	/* by the first child */
	PROTECTED,	/* by the second child */
	EVERYBODYS,	/* all have written to it */
	BLOCKS,
};
enum { PARENT, FIRST, SECOND, TASKS };

#define BLOCK	(16 * PAGE)
#define HEAP	(64 * PAGE)

struct shared {
	/* page frame numbers of the first page of each block, and of the heap and data; 0: none is there */
	uint64_t frames[TASKS][BLOCKS + 2];
	/* one after the other */
	volatile int written;
};

static char data[4 * PAGE] __attribute__((aligned(4096))) = { 1 };
static struct shared *shared;
static char *area, *heap;
static bool siblings;

static char *block(int i)
{
	return area + i * BLOCK;
}

static uint64_t frame(const void *p)
{
	uint64_t entry = 0;
	int fd = TRY(open("/proc/self/pagemap", O_RDONLY));

	SAME(pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8), 8);
	TRY(close(fd));
	return entry >> 63 ? entry & ((1ull << 55) - 1) : 0;
}

static void look(int who)
{
	uint64_t *frames = shared->frames[who];

	for (int i = 0; i < BLOCKS; i++)
		frames[i] = who == FIRST && i == UNMAPPED ? 0 : frame(block(i));
	frames[BLOCKS] = frame(heap + HEAP / 2);
	frames[BLOCKS + 1] = frame(data + PAGE);
}

static int seed(int who, int i)
{
	return 10 * (who + 1) + i;
}

static bool wrote(int who, int i)
{
	if (i == EVERYBODYS || (siblings && who == PARENT))
		return true;
	return (who == PARENT && i == PARENTS) || (who == FIRST && i == FIRSTS);
}

static void write_own(int who)
{
	for (int i = 0; i < BLOCKS; i++)
		if (wrote(who, i))
			pattern_fill(block(i), BLOCK, seed(who, i));
}

static void check_own(int who)
{
	static const char zeroes[BLOCK];

	for (int i = 0; i < BLOCKS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "block %d of task %d", i, who);
		if (who == FIRST && i == UNMAPPED)
			continue;
		if (who == SECOND && i == GIVEN_BACK)
			CHECK(!memcmp(block(i), zeroes, BLOCK), "%s is not empty", name);
		else
			pattern_check(block(i), BLOCK, wrote(who, i) ? seed(who, i) : i, name);
	}
	pattern_check(heap, HEAP, 100, "heap");
	pattern_check(data, sizeof(data), 101, "data");
}

/* Writes everywhere when it is its turn: what the others have stays as it is. */
static void take_turn(int who)
{
	WAIT_FOR(shared->written == who);
	check_own(who);
	for (int i = 0; i < BLOCKS; i++)
		if (!(who == FIRST && i == UNMAPPED) && !(who == SECOND && i == PROTECTED))
			memset(block(i), who + 1, BLOCK);
	memset(heap, who + 1, HEAP);
	memset(data, who + 1, sizeof(data));
	shared->written = who + 1;
}

static void child(void *arg)
{
	int who = (int)(intptr_t)arg;

	write_own(who);
	if (who == FIRST)
		TRY(munmap(block(UNMAPPED), BLOCK));
	if (who == SECOND) {
		TRY(madvise(block(GIVEN_BACK), BLOCK, MADV_DONTNEED));
		TRY(mprotect(block(PROTECTED), BLOCK, PROT_READ));
	}
	test_child_ready();
	test_wait();
	look(who);
	take_turn(who);
}

static void check_shared(int a, int b, int i)
{
	uint64_t one = shared->frames[a][i], other = shared->frames[b][i];

	CHECK(one && one == other, "tasks %d and %d have frames %#llx and %#llx for block %d", a, b,
	      (unsigned long long)one, (unsigned long long)other, i);
}

/* What is shared with the relative that most is shared with. */
static void check_frames(void)
{
	static const int with_first[] = { UNTOUCHED, PARENTS, GIVEN_BACK, PROTECTED, BLOCKS, BLOCKS + 1 };
	static const int with_second[] = { UNTOUCHED, PARENTS, FIRSTS, UNMAPPED, BLOCKS, BLOCKS + 1 };
	static const int of_both[] = { UNTOUCHED, PARENTS, BLOCKS, BLOCKS + 1 };

	for (size_t i = 0; i < COUNT(with_first); i++)
		if (!siblings && !wrote(PARENT, with_first[i]))
			check_shared(PARENT, FIRST, with_first[i]);
	for (size_t i = 0; i < COUNT(with_second); i++)
		if (!siblings && !wrote(PARENT, with_second[i]))
			check_shared(PARENT, SECOND, with_second[i]);
	for (size_t i = 0; i < COUNT(of_both); i++)
		if (siblings)
			check_shared(FIRST, SECOND, of_both[i]);
}

int main(int argc, char **argv)
{
	int first = test_init(argc, argv);

	siblings = first < argc && !strcmp(argv[first], "siblings");
	shared = TRY(mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	do {
		pid_t pids[2];

		shared->written = PARENT;
		area = TRY(mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		/* no huge page, which one write would take from all blocks */
		TRY(madvise(area, BLOCKS * BLOCK, MADV_NOHUGEPAGE));
		heap = malloc(HEAP);
		for (int i = 0; i < BLOCKS; i++)
			pattern_fill(block(i), BLOCK, i);
		pattern_fill(heap, HEAP, 100);
		pattern_fill(data, sizeof(data), 101);
		pids[0] = test_fork(child, (void *)FIRST);
		pids[1] = test_fork(child, (void *)SECOND);
		write_own(PARENT);
		test_ready();
		test_wait();

		look(PARENT);
		take_turn(PARENT);
		test_finish(pids[0]);
		test_finish(pids[1]);
		SAME(shared->written, TASKS);
		check_frames();
		for (int i = 0; i < BLOCKS; i++)
			for (size_t k = 0; k < BLOCK; k++)
				if (block(i)[k] != PARENT + 1)
					FAIL("block %d of the parent has been written to by another task", i);
		free(heap);
		TRY(munmap(area, BLOCKS * BLOCK));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * NUMA policies of memory, of the whole of a mapping and of parts of it, and of threads: get_mempolicy() tells the same
 * afterwards. Node 0 is enough for it.
 *
 *	mempolicy [none]	no thread has one
 */
#include "test.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Not in the headers of all kernels. */
#define HOME_NODE 450	/* SYS_set_mempolicy_home_node */
#define PREFERRED_MANY 5

#define PAGES 12
#define MOST_NODES 1024

struct policy {
	int mode;
	unsigned long nodes[MOST_NODES / 64];
};

static struct policy get(const void *addr)
{
	struct policy p = { 0 };

	TRY(syscall(SYS_get_mempolicy, &p.mode, p.nodes, MOST_NODES, addr, addr ? MPOL_F_ADDR : 0));
	return p;
}

static void compare(struct policy was, const void *addr, const char *what)
{
	struct policy now = get(addr);

	CHECK(now.mode == was.mode, "%s: the policy is %#x, was %#x", what, now.mode, was.mode);
	for (size_t i = 0; i < COUNT(now.nodes); i++)
		CHECK(now.nodes[i] == was.nodes[i], "%s: nodes from %zu are %#lx, were %#lx", what, 64 * i, now.nodes[i], was.nodes[i]);
}

static long bind_pages(char *area, int first, int count, int mode, unsigned long nodes)
{
	return syscall(SYS_mbind, area + first * PAGE, count * PAGE, mode, nodes ? &nodes : NULL, nodes ? 65 : 0, 0);
}

/* ---- areas ---- */

static void local(char *a) { TRY(bind_pages(a, 0, PAGES, MPOL_PREFERRED, 0)); }
static void explicitly_local(char *a) { TRY(bind_pages(a, 0, PAGES, MPOL_LOCAL, 0)); }
static void preferred(char *a) { TRY(bind_pages(a, 0, PAGES, MPOL_PREFERRED, 1)); }
static void bound(char *a) { TRY(bind_pages(a, 0, PAGES, MPOL_BIND, 1)); }
/* Node 40 is not there: it is remembered all the same. */
static void interleaved(char *a) { TRY(bind_pages(a, 0, PAGES, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 1 | 1ul << 40)); }
static void parts(char *a)
{
	TRY(bind_pages(a, 2, 3, MPOL_BIND | MPOL_F_RELATIVE_NODES, 1));
	TRY(bind_pages(a, 5, 2, MPOL_INTERLEAVE, 1));
	TRY(mprotect(a + 9 * PAGE, PAGE, PROT_READ));
	TRY(bind_pages(a, 8, PAGES - 8, MPOL_BIND, 1));
}

/* Since 5.15. */
static void preferred_many(char *a)
{
	if (bind_pages(a, 0, PAGES, PREFERRED_MANY, 1))
		SAME(errno, EINVAL);
}

/* Since 5.17. Neighbours that differ in nothing else stay apart. */
static void at_home(char *a)
{
	TRY(bind_pages(a, 0, PAGES, MPOL_BIND, 1));
	if (syscall(HOME_NODE, a, 4 * PAGE, 0, 0))
		SAME(errno, ENOSYS);
}

static void nothing(char *a) { (void)a; }

static const struct {
	void (*apply)(char *area);
	const char *name;
	bool file;
} kinds[] = {
	{ local, "local", false }, { explicitly_local, "explicitly local", false }, { preferred, "preferred", false },
	{ bound, "bound", false }, { interleaved, "interleaved", false }, { parts, "parts", false },
	{ preferred_many, "preferred many", false }, { at_home, "at home", false }, { bound, "bound, a file", true },
	{ nothing, "none", false },
};

static char *areas[COUNT(kinds)];
static struct policy policies[COUNT(kinds)][PAGES];

/* How many lines of /proc/self/maps are about it. */
static int mappings_in(const char *area)
{
	const char *line = proc_read(0, "/proc/self/maps");
	int count = 0;

	for (; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char *start = (char *)strtoul(line, NULL, 16);

		count += start >= area && start < area + PAGES * PAGE;
	}
	return count;
}

static void check_areas(void)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		for (int k = 0; k < PAGES; k++)
			compare(policies[i][k], areas[i] + k * PAGE, kinds[i].name);
		pattern_check(areas[i], PAGES * PAGE, i, kinds[i].name);
	}
}

static void make_area(size_t i)
{
	/* Neighbours that nobody may touch keep the areas from being merged with each other. */
	char *space = TRY(mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	areas[i] = space + PAGE;
	if (kinds[i].file) {
		int fd = TRY(open(test_path("file"), O_RDWR | O_CREAT | O_TRUNC, 0600));

		TRY(ftruncate(fd, PAGES * PAGE));
		TRY(mmap(areas[i], PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0));
		TRY(close(fd));
	} else {
		TRY(mprotect(areas[i], PAGES * PAGE, PROT_READ | PROT_WRITE));
	}
	pattern_fill(areas[i], PAGES * PAGE, i);
	kinds[i].apply(areas[i]);
	for (int k = 0; k < PAGES; k++)
		policies[i][k] = get(areas[i] + k * PAGE);
}

/* ---- threads ---- */

static bool none;
static sem_t set_up, verify;

static struct policy set_own(int mode, unsigned long nodes)
{
	if (!none)
		TRY(syscall(SYS_set_mempolicy, mode, nodes ? &nodes : NULL, nodes ? 65 : 0));
	return get(NULL);
}

static void *thread(void *arg)
{
	bool has = arg != NULL;
	struct policy p = has ? set_own(MPOL_BIND | MPOL_F_STATIC_NODES, 1 | 1ul << 41) : set_own(MPOL_DEFAULT, 0);

	SAME(p.mode, has && !none ? MPOL_BIND | MPOL_F_STATIC_NODES : MPOL_DEFAULT);
	TRY(sem_post(&set_up));
	while (sem_wait(&verify))
		SAME(errno, EINTR);
	compare(p, NULL, has ? "the second thread" : "the third thread");
	return NULL;
}

/* It has what its parent's memory had, and not what its parent's threads have. */
static void child(void *arg)
{
	struct policy p = set_own(MPOL_PREFERRED, 1);

	(void)arg;
	memset(areas[3], 1, PAGE);
	test_child_ready();
	test_wait();
	pattern_fill(areas[3], PAGES * PAGE, 3);
	check_areas();
	compare(p, NULL, "the child");
}

int main(int argc, char **argv)
{
	int first = test_init(argc, argv);

	none = first < argc && !strcmp(argv[first], "none");
	TRY(sem_init(&set_up, 0, 0));
	TRY(sem_init(&verify, 0, 0));
	do {
		pthread_t threads[2];
		struct policy own;
		int home;
		pid_t pid;

		for (size_t i = 0; i < COUNT(kinds); i++)
			make_area(i);
		home = mappings_in(areas[7]);
		own = set_own(MPOL_INTERLEAVE, 1);
		SAME(own.mode, none ? MPOL_DEFAULT : MPOL_INTERLEAVE);
		for (int i = 0; i < 2; i++) {
			TRY0(pthread_create(&threads[i], NULL, thread, i ? NULL : areas[0]));
			TRY(sem_wait(&set_up));
		}
		pid = test_fork(child, NULL);
		test_ready();
		test_wait();

		compare(own, NULL, "the first thread");
		check_areas();
		SAME(mappings_in(areas[7]), home);
		for (int i = 0; i < 2; i++)
			TRY(sem_post(&verify));
		for (int i = 0; i < 2; i++)
			TRY0(pthread_join(threads[i], NULL));
		test_finish(pid);
		for (size_t i = 0; i < COUNT(kinds); i++)
			TRY(munmap(areas[i] - PAGE, (PAGES + 2) * PAGE));
	} while (test_pass());
	return 0;
}

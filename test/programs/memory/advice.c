// SPDX-License-Identifier: GPL-2.0-only
/* Locked memory and madvise(): the flags of each mapping are what they were, and have their effect. */
#include "test.h"

#include <sys/mman.h>
#include <sys/wait.h>

static char *wiped, *withheld;

static void lock(void *p, size_t size) { TRY(mlock(p, size)); }
static void lock_on_fault(void *p, size_t size) { TRY(mlock2(p, size, MLOCK_ONFAULT)); }
static void dont_fork(void *p, size_t size) { TRY(madvise(p, size, MADV_DONTFORK)); withheld = p; }
static void dont_dump(void *p, size_t size) { TRY(madvise(p, size, MADV_DONTDUMP)); }
static void wipe_on_fork(void *p, size_t size) { TRY(madvise(p, size, MADV_WIPEONFORK)); wiped = p; }
static void no_hugepage(void *p, size_t size) { TRY(madvise(p, size, MADV_NOHUGEPAGE)); }
static void hugepage(void *p, size_t size) { TRY(madvise(p, size, MADV_HUGEPAGE)); }
static void sequential(void *p, size_t size) { TRY(madvise(p, size, MADV_SEQUENTIAL)); }
static void randomly(void *p, size_t size) { TRY(madvise(p, size, MADV_RANDOM)); }
static void mergeable(void *p, size_t size) { TRY(madvise(p, size, MADV_MERGEABLE)); }
static void several(void *p, size_t size)
{
	TRY(mlock(p, size));
	TRY(madvise(p, size, MADV_DONTDUMP));
	TRY(madvise(p, size, MADV_DONTFORK));
	TRY(mprotect(p, size, PROT_READ));
}

static const struct {
	void (*apply)(void *p, size_t size);
	const char *flag;	/* of VmFlags, see proc(5) */
} advice[] = {
	{ lock, " lo" }, { lock_on_fault, " lo" }, { dont_fork, " dc" }, { dont_dump, " dd" },
	{ wipe_on_fork, " wf" }, { no_hugepage, " nh" }, { hugepage, " hg" }, { sequential, " sr" },
	{ randomly, " rr" }, { mergeable, " mg" }, { several, " lo" },
};

int main(int argc, char **argv)
{
	static char before[COUNT(advice)][256];
	char *area[COUNT(advice)];

	test_init(argc, argv);
	do {
		for (size_t i = 0; i < COUNT(advice); i++) {
			/* Readable neighbours keep the areas from being merged with each other. */
			char *space = TRY(mmap(NULL, 18 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
			area[i] = space + PAGE;
			TRY(mprotect(area[i], 16 * PAGE, PROT_READ | PROT_WRITE));
			pattern_fill(area[i], 4 * PAGE, i);
			advice[i].apply(area[i], 16 * PAGE);
			snprintf(before[i], sizeof(before[i]), "%s", proc_vm_flags(area[i]));
			CHECK(strstr(before[i], advice[i].flag), "VmFlags%s lack%s", before[i], advice[i].flag);
		}
		char locked[64];
		snprintf(locked, sizeof(locked), "%s", proc_field("/proc/self/status", "VmLck"));
		/* Area 0 is locked, so all of it is there; area 1 as far as it was touched. */
		SAME(proc_pages_there(area[0], 16 * PAGE), 16);
		SAME(proc_pages_there(area[1], 16 * PAGE), 4);
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(advice); i++) {
			const char *now = proc_vm_flags(area[i]);
			CHECK(strcmp(now, before[i]) == 0, "VmFlags of area %zu are%s, were%s", i, now, before[i]);
			pattern_check(area[i], 4 * PAGE, i, "advised area");
		}
		const char *locked_now = proc_field("/proc/self/status", "VmLck");
		CHECK(strcmp(locked_now, locked) == 0, "VmLck is %s, was %s", locked_now, locked);
		SAME(proc_pages_there(area[0], 16 * PAGE), 16);
		SAME(proc_pages_there(area[1], 16 * PAGE), 4);

		int status;
		pid_t pid = TRY(fork());
		if (pid == 0) {
			for (size_t i = 0; i < 16 * PAGE; i++)
				if (wiped[i])
					_exit(1);
			(void)*(volatile char *)withheld;	/* not there in a child */
			_exit(2);
		}
		TRY(waitpid(pid, &status, 0));
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
		      "a fork sees what it should not: wait status %#x", status);
		for (size_t i = 0; i < COUNT(advice); i++)
			TRY(munmap(area[i] - PAGE, 18 * PAGE));
	} while (test_pass());
	return 0;
}

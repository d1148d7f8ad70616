// SPDX-License-Identifier: GPL-2.0-only
/* What kernels after 6.1 added to a process and its memory, by number: older headers have no names for it. */
#include "test.h"
#include "refused.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum {
	SET_MDWE = 65, MDWE_REFUSE_EXEC_GAIN = 1,
	SET_MEMORY_MERGE = 67,
	THP_DISABLE_EXCEPT_ADVISED = 2,
	TIMER_CREATE_RESTORE_IDS = 77,
	GUARD_INSTALL = 102,
	SYS_MSEAL = 462,
};

static const uint64_t clone_autoreap = 1ull << 34;

static pid_t child;

static void *page(void)
{
	return TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void deny_write_execute(void) { TRY(prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)); }
static void merge_memory(void) { TRY(prctl(SET_MEMORY_MERGE, 1, 0, 0, 0)); }
static void advised_huge_pages(void) { TRY(prctl(PR_SET_THP_DISABLE, 1, THP_DISABLE_EXCEPT_ADVISED, 0, 0)); }
static void choose_timer_ids(void) { TRY(prctl(TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0)); }
static void guard(void) { TRY(madvise(page(), PAGE, GUARD_INSTALL)); }
static void seal(void) { TRY(syscall(SYS_MSEAL, page(), PAGE, 0)); }

static void child_that_goes_by_itself(void)
{
	struct clone_args args = { .flags = clone_autoreap };

	child = TRY(syscall(SYS_clone3, &args, sizeof(args)));
	if (child == 0)
		for (;;)
			pause();
}

static void end_child(void) { TRY(kill(child, SIGKILL)); }

const struct refused_kind refused_newer[] = {
	{ "mdwe", deny_write_execute, NULL }, { "memory-merge", merge_memory, NULL },
	{ "thp-advised", advised_huge_pages, NULL }, { "timer-ids", choose_timer_ids, NULL },
	{ "guard", guard, NULL }, { "mseal", seal, NULL },
	{ "autoreap", child_that_goes_by_itself, end_child },
	{ NULL, NULL, NULL },
};

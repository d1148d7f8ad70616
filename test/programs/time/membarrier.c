// SPDX-License-Identifier: GPL-2.0-only
/* membarrier() registrations: the expedited commands are refused with EPERM without them. */
#include "test.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>

static const struct {
	int enrol, command;
} kinds[] = {
	{ MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_PRIVATE_EXPEDITED },
	{ MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE },
	{ MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ },
};

static int membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* A child registers for some of the kinds: what it did not register for stays refused. */
static void member(void *arg)
{
	unsigned int chosen = (uintptr_t)arg;

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (chosen & 1u << i)
			TRY(membarrier(kinds[i].enrol));
	bool allowed[COUNT(kinds)];
	for (size_t i = 0; i < COUNT(kinds); i++)
		allowed[i] = membarrier(kinds[i].command) == 0;
	test_child_ready();
	test_wait();
	for (size_t i = 0; i < COUNT(kinds); i++)
		CHECK((membarrier(kinds[i].command) == 0) == allowed[i], "registered for %#x: command %d is%s allowed",
		      chosen, kinds[i].command, allowed[i] ? " no longer" : "");
}

int main(int argc, char **argv)
{
	pid_t pid[8];

	test_init(argc, argv);
	TRY(membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED));
	do {
		for (unsigned int chosen = 0; chosen < COUNT(pid); chosen++)
			pid[chosen] = test_fork(member, (void *)(uintptr_t)chosen);
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(pid); i++)
			test_finish(pid[i]);
		TRY(membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED));
	} while (test_pass());
	return 0;
}

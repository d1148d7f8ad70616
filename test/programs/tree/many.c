// SPDX-License-Identifier: GPL-2.0-only
/* Many tasks: a row of children, or a chain of descendants. Arguments: "row" or "chain", and how many. */
#include "test.h"

static void link_of_chain(void *arg)
{
	int left = (intptr_t)arg;
	pid_t pid = left > 1 ? test_fork(link_of_chain, (void *)(intptr_t)(left - 1)) : 0;
	pid_t self = getpid(), parent = getppid();

	test_child_ready();
	test_wait();
	SAME(getpid(), self);
	SAME(getppid(), parent);
	if (pid)
		test_finish(pid);
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);

	CHECK(own + 1 < argc, "row or chain, and how many?");
	bool chain = strcmp(argv[own], "chain") == 0;
	int count = atoi(argv[own + 1]), children = chain ? 1 : count;
	pid_t *pid = calloc(children, sizeof(*pid));
	do {
		for (int i = 0; i < children; i++)
			pid[i] = test_fork(link_of_chain, (void *)(intptr_t)(chain ? count : 1));
		test_ready();
		test_wait();
		for (int i = 0; i < children; i++)
			test_finish(pid[i]);
	} while (test_pass());
	return 0;
}

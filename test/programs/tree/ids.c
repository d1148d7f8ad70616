// SPDX-License-Identifier: GPL-2.0-only
/* Ids in a tree of three levels: process, parent, group and session, seen by each task; and it can be forked from. */
#include "test.h"

#include <sys/wait.h>

struct place {
	bool new_session, new_group;
	const struct place *children;
	int count;
};

static const struct place leaves[] = { { 0 }, { .new_group = true }, { .new_session = true } };
static const struct place middles[] = {
	{ .children = leaves, .count = 3 },
	{ .new_group = true, .children = leaves, .count = 3 },
	{ .new_session = true, .children = leaves, .count = 3 },
};
static const struct place top = { .children = middles, .count = 3 };

static void member(void *arg)
{
	const struct place *place = arg;
	pid_t child[3];

	if (place->new_session)
		TRY(setsid());
	if (place->new_group)
		TRY(setpgid(0, 0));
	for (int i = 0; i < place->count; i++)
		child[i] = test_fork(member, (void *)&place->children[i]);
	const pid_t before[] = { getpid(), getppid(), getpgrp(), getsid(0), gettid() };
	if (place == &top)
		test_ready();
	else
		test_child_ready();
	test_wait();

	const pid_t now[] = { getpid(), getppid(), getpgrp(), getsid(0), gettid() };
	static const char *const names[] = { "pid", "parent", "group", "session", "tid" };
	for (size_t i = 0; i < COUNT(now); i++)
		/* The root may have got another parent. */
		if (!(place == &top && i == 1))
			CHECK(now[i] == before[i], "%s is %d, was %d", names[i], now[i], before[i]);
	for (int i = 0; i < place->count; i++) {
		SAME(getpgid(child[i]), place->children[i].new_session || place->children[i].new_group ? child[i] : getpgrp());
		test_finish(child[i]);
	}
	int status;
	pid_t pid = TRY(fork());
	if (pid == 0)
		_exit(getppid() == before[0] ? 3 : 4);
	CHECK(pid != before[0], "a child has its parent's id");
	SAME(TRY(waitpid(pid, &status, 0)), pid);
	SAME(status, 3 << 8);
	CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD, "there is an unknown child");
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		member((void *)&top);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups and sessions whose leader is gone: a group with two members left, a
 * session whose leader ended (its child became the subreaper's), a group led
 * by a zombie.
 */
#include "test.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* What tasks tell each other while they set up. */
static struct notes {
	volatile pid_t of_session, session;
	volatile bool proceed;
} *notes;

static void of_group(void *arg)
{
	pid_t group = *(pid_t *)arg;

	TRY(setpgid(0, group));
	test_child_ready();
	test_wait();
	SAME(getpgrp(), group);
}

static void leader(void *arg)
{
	(void)arg;
	TRY(setpgid(0, 0));
	test_child_ready();
	WAIT_FOR(notes->proceed);
	_exit(31);
}

static void of_session(void *arg)
{
	(void)arg;
	notes->of_session = getpid();
	notes->session = getsid(0);
	test_child_ready();
	test_wait();
	SAME(getsid(0), notes->session);
	SAME(getpgrp(), notes->session);
}

static void session_leader(void *arg)
{
	(void)arg;
	TRY(setsid());
	test_fork(of_session, NULL);
	test_child_ready();
}

int main(int argc, char **argv)
{
	int status;

	test_init(argc, argv);
	TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));
	notes = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	do {
		notes->proceed = false;
		pid_t gone = test_fork(leader, NULL), zombie = test_fork(leader, NULL);
		pid_t members[2] = { test_fork(of_group, &gone), test_fork(of_group, &gone) };
		pid_t of_zombie = test_fork(of_group, &zombie);
		notes->proceed = true;
		SAME(TRY(waitpid(gone, &status, 0)), gone);
		proc_wait_state(zombie, 'Z');
		pid_t session = test_fork(session_leader, NULL);
		SAME(TRY(waitpid(session, &status, 0)), session);
		test_ready();
		test_wait();

		SAME(getpgid(members[0]), gone);
		SAME(getpgid(of_zombie), zombie);
		SAME(getsid(notes->of_session), session);
		test_finish(members[0]);
		test_finish(members[1]);
		test_finish(of_zombie);
		test_finish(notes->of_session);
		SAME(TRY(waitpid(zombie, &status, 0)), zombie);
		SAME(status, 31 << 8);
		/* Nothing of what a restore may have needed on the way is left. */
		CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD, "there is an unknown child");
	} while (test_pass());
	return 0;
}

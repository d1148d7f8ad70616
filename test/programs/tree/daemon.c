// SPDX-License-Identifier: GPL-2.0-only
/* A daemon made the classic way: two forks and setsid(), its parent gone, so that a subreaper has it. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct notes {
	volatile pid_t daemon;
	volatile bool set_up;
} *notes;

static void become_daemon(void)
{
	if (TRY(fork()) > 0)
		return;
	TRY(setsid());
	if (TRY(fork()) > 0)
		_exit(0);
	TRY(chdir("/"));
	umask(0);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	SAME(open("/dev/null", O_RDWR), 0);
	TRY(dup2(0, 1));
	TRY(dup2(0, 2));
	notes->daemon = getpid();
	pid_t group = getpgrp(), session = getsid(0);
	CHECK(session != getpid() && group == session, "not in a session of its parent's");
	notes->set_up = true;
	test_wait();
	SAME(getpgrp(), group);
	SAME(getsid(0), session);
	SAME(umask(0), 0);
	_exit(12);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));
	notes = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	do {
		int status;

		notes->set_up = false;
		become_daemon();
		/* The one between, which led the session, is ours to reap. */
		TRY(wait(&status));
		SAME(status, 0);
		WAIT_FOR(notes->set_up);
		test_ready();
		test_wait();

		TRY(kill(notes->daemon, SIGUSR1));
		SAME(TRY(TEMP_FAILURE_RETRY(waitpid(notes->daemon, &status, 0))), notes->daemon);
		SAME(status, 12 << 8);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* A session with a controlling terminal whose master its parent has: /dev/tty, job control, Ctrl-C, the end of it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "test.h"

static int master;
static char name[32];

/* ---- a job in the foreground, which waits for the signal that Ctrl-C makes ---- */

static void await_interrupt(int expected)
{
	sigset_t set;
	int signo;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	TRY0(sigwait(&set, &signo));
	SAME(signo, expected);
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	TRY(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void has_terminal(pid_t session, pid_t foreground)
{
	char found[32];
	int tty = TRY(open("/dev/tty", O_RDWR | O_CLOEXEC));

	SAME(tcgetpgrp(tty), foreground);
	SAME(tcgetsid(tty), session);
	close(tty);
	TRY0(ttyname_r(0, found, sizeof(found)));
	CHECK(strcmp(found, name) == 0, "%s is %s now", name, found);
}

static void job(void *arg)
{
	(void)arg;
	TRY(setpgid(0, 0));
	test_child_ready();
	/* Ctrl-C at the master is for us, and the first signal of all that comes */
	await_interrupt(SIGINT);
	has_terminal(getppid(), getpid());
	TRY(write(0, "interrupted\n", 12));
	test_wait();
}

/* One that has let go of the terminal. */
static void daemon_without(void *arg)
{
	(void)arg;
	TRY(ioctl(0, TIOCNOTTY));
	test_child_ready();
	test_wait();
	CHECK(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO, "it has a controlling terminal again");
}

/* In the background: reading would stop it. */
static void background(void *arg)
{
	(void)arg;
	TRY(setpgid(0, 0));
	test_child_ready();
	test_wait();
	has_terminal(getppid(), *(pid_t *)arg);
	signal(SIGTTIN, SIG_IGN);
	CHECK(read(0, &(char){ 0 }, 1) < 0 && errno == EIO, "one in the background can read");
}

static void leader(void *arg)
{
	int slave = TRY(open(name, O_RDWR | O_NOCTTY));
	pid_t pids[3];

	(void)arg;
	close(master);
	TRY(setsid());
	TRY(ioctl(slave, TIOCSCTTY, 0));
	for (int fd = 0; fd <= 2; fd++)
		TRY(dup2(slave, fd));
	if (slave > 2)
		close(slave);
	block_signals();
	signal(SIGTTOU, SIG_IGN);
	pids[0] = test_fork(job, NULL);
	pids[1] = test_fork(daemon_without, NULL);
	pids[2] = test_fork(background, &pids[0]);
	TRY(tcsetpgrp(0, pids[0]));

	test_child_ready();
	test_wait();

	has_terminal(getpid(), pids[0]);
	test_finish(pids[1]);
	test_finish(pids[2]);
	test_finish(pids[0]);
	TRY(tcsetpgrp(0, getpgrp()));
	/* nothing was sent to us but what our parent does now */
	TRY(write(0, "resize\n", 7));
	await_interrupt(SIGWINCH);
	TRY(write(0, "hang up\n", 8));
	await_interrupt(SIGHUP);
}

/* Until this comes. */
static void expect(const char *text)
{
	char buffer[400];
	size_t length = 0;

	for (;;) {
		ssize_t n = TRY(read(master, buffer + length, sizeof(buffer) - 1 - length));

		length += (size_t)n;
		buffer[length] = '\0';
		if (strstr(buffer, text))
			return;
		CHECK(length < sizeof(buffer) - 1, "\"%s\" instead of \"%s\"", buffer, text);
	}
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		const struct winsize size = { 30, 90, 0, 0 };
		pid_t pid;

		master = TRY(posix_openpt(O_RDWR | O_NOCTTY));
		TRY(unlockpt(master));
		TRY0(ptsname_r(master, name, sizeof(name)));
		pid = test_fork(leader, NULL);

		test_ready();
		test_wait();

		TRY(write(master, "\003", 1));
		/* not whole lines: the echo of Ctrl-C may come between the text of one and its end */
		expect("interrupted");
		TRY(kill(pid, SIGUSR1));
		expect("resize");
		TRY(ioctl(master, TIOCSWINSZ, &size));
		expect("hang up");
		close(master);
		test_reap(pid);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

static char status_path[4096];
static int status_fd = -1;
static int round_number = 1;
static bool last_round;
static int child_ready_fd = -1;

int test_init(int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[1], "--status") != 0 || argv[2][0] != '/') {
		fprintf(stderr, "usage: %s --status /PATH [ARG...]\n", argv[0]);
		exit(2);
	}
	snprintf(status_path, sizeof(status_path), "%s", argv[2]);

	sigset_t commands;
	sigemptyset(&commands);
	sigaddset(&commands, SIGUSR1);
	sigaddset(&commands, SIGUSR2);
	TRY(sigprocmask(SIG_BLOCK, &commands, NULL));
	return 3;
}

const char *test_status_path(void)
{
	return status_path;
}

const char *test_path(const char *suffix)
{
	static char paths[8][4200];
	static unsigned int next;
	char *path = paths[next++ % COUNT(paths)];

	snprintf(path, sizeof(paths[0]), "%s.%s", status_path, suffix);
	return path;
}

void test_keep_status_open(void)
{
	status_fd = TRY(open(status_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
}

/* One write, so that lines of several processes do not mix. */
static void report(const char *line)
{
	int fd = status_fd;
	size_t size = strlen(line);

	if (!status_path[0])
		fd = STDERR_FILENO;	/* a tool that a test runs, and not a test */
	else if (fd < 0)
		fd = open(status_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	/* Nobody would read a report of this one: the status is what is left. */
	if (fd < 0 || write(fd, line, size) != (ssize_t)size)
		_exit(3);
	if (fd != status_fd)
		close(fd);
}

void test_ready(void)
{
	char line[64];

	unlink(test_path("downtime"));
	snprintf(line, sizeof(line), "ready %d\n", round_number);
	report(line);
}

void test_woken(int signo)
{
	last_round = signo == SIGUSR2;
}

void test_wait(void)
{
	sigset_t commands;
	int signo;

	sigemptyset(&commands);
	sigaddset(&commands, SIGUSR1);
	sigaddset(&commands, SIGUSR2);
	/* sigwaitinfo() is one of the calls that every stop ends with EINTR, see signal(7). */
	while ((signo = sigwaitinfo(&commands, NULL)) < 0)
		if (errno != EINTR)
			FAIL("sigwaitinfo: %s", strerror(errno));
	test_woken(signo);
}

bool test_pass(void)
{
	char line[64];

	snprintf(line, sizeof(line), "PASS %d\n", round_number++);
	report(line);
	return !last_round;
}

void test_fail(const char *file, int line, const char *format, ...)
{
	char text[2048];
	va_list args;
	int used = snprintf(text, sizeof(text), "FAIL %d %s:%d: ", round_number, file, line);

	va_start(args, format);
	used += vsnprintf(text + used, sizeof(text) - used - 1, format, args);
	va_end(args);
	if ((size_t)used > sizeof(text) - 2)
		used = sizeof(text) - 2;
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = '|';
	text[used] = '\n';
	text[used + 1] = 0;
	report(text);
	_exit(1);
}

pid_t test_fork(void (*fn)(void *), void *arg)
{
	int ready[2];
	char byte;

	TRY(pipe(ready));
	pid_t pid = TRY(fork());
	if (pid == 0) {
		close(ready[0]);
		if (child_ready_fd >= 0)
			close(child_ready_fd);
		child_ready_fd = ready[1];
		fn(arg);
		_exit(0);
	}
	close(ready[1]);
	ssize_t got = TEMP_FAILURE_RETRY(read(ready[0], &byte, 1));
	close(ready[0]);
	/* Without a byte it ended early, and has said why. */
	if (got != 1)
		_exit(1);
	return pid;
}

void test_child_ready(void)
{
	CHECK(write(child_ready_fd, "r", 1) == 1, "cannot tell the parent: %s", strerror(errno));
	close(child_ready_fd);
	child_ready_fd = -1;
}

void test_reap(pid_t pid)
{
	int status;

	SAME(TRY(TEMP_FAILURE_RETRY(waitpid(pid, &status, __WALL))), pid);
	CHECK(status == 0, "child %d ended with wait status %#x", pid, status);
}

void test_finish(pid_t pid)
{
	TRY(kill(pid, SIGUSR1));
	test_reap(pid);
}

struct downtime test_downtime(void)
{
	struct downtime down = { 0, 0 };
	FILE *file = fopen(test_path("downtime"), "re");

	if (file) {
		CHECK(fscanf(file, "%ld %ld", &down.at_least, &down.at_most) == 2, "two numbers expected");
		fclose(file);
	}
	return down;
}

static uint64_t mix(uint64_t x)
{
	/* splitmix64: neighbours have nothing in common. */
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

void pattern_fill(void *p, size_t size, uint64_t seed)
{
	uint64_t *word = p;

	for (size_t i = 0; i < size / 8; i++)
		word[i] = mix(seed << 32 ^ i);
}

void pattern_check(const void *p, size_t size, uint64_t seed, const char *what)
{
	const uint64_t *word = p;

	for (size_t i = 0; i < size / 8; i++)
		if (word[i] != mix(seed << 32 ^ i))
			FAIL("%s: %#lx at offset %#zx, not %#lx", what, word[i], i * 8, mix(seed << 32 ^ i));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parent of several test programs, so that they are dumped as one tree.
 * Argument: a file with one program a line, separated by tabs:
 * DIRECTORY PROGRAM [ARG...]. Each runs in a session of its own, in DIRECTORY,
 * where its status, log and pid are. To verify, the herd waits until all of
 * them have ended well.
 */
#include "test.h"

#include <fcntl.h>
#include <sys/wait.h>

enum { MAX_ARGS = 40 };

static void start(char *line)
{
	char *argv[MAX_ARGS], status[4096];
	char *directory = strtok(line, "\t"), *program = strtok(NULL, "\t");
	int argc = 0;

	CHECK(directory && program, "DIRECTORY and PROGRAM expected");
	snprintf(status, sizeof(status), "%s/status", directory);
	argv[argc++] = program;
	argv[argc++] = "--status";
	argv[argc++] = status;
	while ((argv[argc] = strtok(NULL, "\t")))
		CHECK(++argc < MAX_ARGS, "too many arguments");
	if (TRY(fork()) > 0)
		return;

	TRY(setsid());
	TRY(chdir(directory));
	FILE *pid = fopen("pid", "we");
	CHECK(pid && fprintf(pid, "%d\n", getpid()) > 0 && fclose(pid) == 0, "%s/pid: %s", directory, strerror(errno));
	int log = TRY(open("log", O_WRONLY | O_CREAT | O_APPEND, 0666));
	TRY(dup2(log, 1));
	TRY(dup2(log, 2));
	TRY(close(log));
	TRY(execv(program, argv));
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);
	static char line[4096];
	int status;

	CHECK(own < argc, "which list?");
	FILE *list = fopen(argv[own], "re");
	CHECK(list, "%s: %s", argv[own], strerror(errno));
	while (fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = 0;
		start(line);
	}
	fclose(list);
	test_ready();
	test_wait();
	while (TEMP_FAILURE_RETRY(wait(&status)) > 0)
		CHECK(status == 0, "a program of the herd ended with wait status %#x", status);
	SAME(errno, ECHILD);
	test_pass();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* The executor's own process while images are being loaded: who is ready, who has died. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor.h"

#define WAIT_MS		100
#define WATCH_EVERY	5	/* waits between two looks at the tasks */

/* All signals are blocked; these mean that the user has changed his mind. */
bool interrupted(void)
{
	sigset_t pending;

	if (sigpending(&pending) < 0)
		return false;
	return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP) ||
	       sigismember(&pending, SIGQUIT);
}

static bool is_dead(pid_t pid)
{
	char path[40], stat[256];
	const char *state;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	len = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (len <= 0)
		return true;
	stat[len] = '\0';
	state = strrchr(stat, ')');
	return state && (state[2] == 'Z' || state[2] == 'X');
}

/*
 * Only the root's parent is told of a death by the kernel, so tasks that died
 * without a word are looked for now and then; a restore that goes well is over
 * before the first look. Zombies and helpers come to their end by plan, but not
 * before the last barrier, where they would be waited for in vain.
 */
int watch_tasks(struct executor *ex, uint32_t stage)
{
	if (has_failed(ex))
		return -1;
	for (uint32_t i = 0; i < ex->plan->nr_procs; i++) {
		pid_t pid = atomic_load(&ex->shared->pids[i]);
		struct error error = { ECHILD, "it was killed while it was being restored" };

		if (pid == 0 || (ex->procs[i].kind != PLAN_PROC_LIVE && stage >= PLAN_STAGE_FINAL) ||
		    !is_dead(pid))
			continue;
		/* its last word may have arrived after our last look: that is the better message */
		if (has_failed(ex))
			return -1;
		fail_stage(ex, pid, stage, NO_OP, &error);
		return -1;
	}
	return 0;
}

static int handle_line(struct executor *ex, const char *line, uint32_t *ready)
{
	if (strncmp(line, "ready ", 6) == 0) {
		++*ready;
		if (ex->plan->flags & PLAN_F_PROGRESS)
			status_line(ex, "loaded %d", planned_pid(ex, atoi(line + 6)));
		return 0;
	}
	if (strncmp(line, "error ", 6) == 0) {
		struct error error = { EIO, "its image could not be loaded" };

		status_module_error(ex, line + 6);
		fail_stage(ex, atoi(line + 6), STAGE_LOAD, NO_OP, &error);
	}
	/* "failed": the record is in shared memory */
	return -1;
}

static int read_report(struct executor *ex, uint32_t *ready)
{
	ssize_t len = read(ex->report_fd, ex->line + ex->line_len, sizeof(ex->line) - 1 - ex->line_len);
	char *line = ex->line, *newline;

	if (len <= 0)
		return len < 0 && errno == EAGAIN ? 0 : -1;
	ex->line_len += (size_t)len;
	ex->line[ex->line_len] = '\0';
	while ((newline = strchr(line, '\n'))) {
		*newline = '\0';
		if (handle_line(ex, line, ready) < 0)
			return -1;
		line = newline + 1;
	}
	ex->line_len -= (size_t)(line - ex->line);
	memmove(ex->line, line, ex->line_len);
	/* nobody writes lines this long; then its rest is no line either */
	if (ex->line_len == sizeof(ex->line) - 1)
		ex->line_len = 0;
	return 0;
}

/* Returns when all live tasks wait at the gate. */
int await_ready(struct executor *ex)
{
	uint32_t ready = 0;
	unsigned int waits = 0;

	while (ready < ex->plan->nr_live) {
		struct pollfd report = { .fd = ex->report_fd, .events = POLLIN };
		int n = poll(&report, 1, WAIT_MS);

		if (n > 0) {
			if (read_report(ex, &ready) < 0)
				return -1;
			continue;
		}
		if (interrupted()) {
			struct error error = { EINTR, "loading images" };

			fail_stage(ex, 0, STAGE_LOAD, NO_OP, &error);
			return -1;
		}
		if (++waits % WATCH_EVERY == 0 && watch_tasks(ex, STAGE_LOAD) < 0)
			return -1;
	}
	return 0;
}

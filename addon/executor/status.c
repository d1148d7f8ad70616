// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the controller is told, one line each:
 *
 *	made <kind> <id>		a System V object, which is to go if we are killed
 *	filled <bytes>			contents of one object are there (PLAN_F_PROGRESS)
 *	loaded <pid>			a task's image is there (PLAN_F_PROGRESS)
 *	running <pid>			the whole tree runs; the id that its root has
 *	exit <wait status>		its root has ended
 *	error <stage> <pid> <errno> <operation or -1> <text>
 *	module <pid> <errno> <stage> <hex address> <text>
 *					the module could not restore an image
 *	again				our own pid is one that the tree needs
 *	cleared				after an error: nothing is left of the tree
 *
 * All other ids are those of the plan.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor.h"

void status_line(const struct executor *ex, const char *format, ...)
{
	char line[640];
	va_list args;
	int len;
	ssize_t ignored;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len] = '\n';
	/* a controller that is gone gets nothing; the tree does not suffer */
	ignored = write(ex->status_fd, line, (size_t)len + 1);
	(void)ignored;
}

void status_module_error(const struct executor *ex, const char *line)
{
	const char *rest = strchr(line, ' ');

	status_line(ex, "module %d%s", planned_pid(ex, atoi(line)), rest ? rest : "");
}

void status_failure(const struct executor *ex)
{
	const struct failure *failure = &ex->shared->failure;

	if (atomic_load(&ex->shared->failed) != 2) {
		/* whoever failed was killed before it could say why */
		status_line(ex, "error %d 0 %d -1 a task was killed", STAGE_LOAD, ECHILD);
		return;
	}
	status_line(ex, "error %u %d %d %d %s", failure->stage, planned_pid(ex, failure->pid), failure->error.err,
		    failure->op == NO_OP ? -1 : (int)failure->op, failure->error.what);
}

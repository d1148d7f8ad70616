// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ids of the plan's processes and those that they have: the same, unless the
 * plan leaves the choice to the kernel (PLAN_F_NEW_PIDS).
 */
#include <stdatomic.h>

#include "executor.h"

static bool are_new(const struct executor *ex)
{
	return ex->plan->flags & PLAN_F_NEW_PIDS;
}

/* What clone3(2) is asked for; 0: any. */
pid_t wanted_pid(const struct executor *ex, uint32_t index)
{
	return are_new(ex) ? 0 : ex->procs[index].pid;
}

/* An id that is none of the plan's is somebody's outside of the tree, and stays as it is. */
pid_t actual_pid(const struct executor *ex, pid_t planned)
{
	/* operations on one process follow each other */
	static uint32_t last;

	if (!are_new(ex))
		return planned;
	for (uint32_t i = 0; i < ex->plan->nr_procs; i++) {
		uint32_t index = (last + i) % ex->plan->nr_procs;
		pid_t pid;

		if (ex->procs[index].pid != planned)
			continue;
		last = index;
		pid = atomic_load(&ex->shared->pids[index]);
		/* one that has been reaped: an id that nobody ever has */
		return pid ? pid : (pid_t)PLAN_MAX_PROCS + 1;
	}
	return planned;
}

/* For the controller, which knows the plan's ids alone. */
pid_t planned_pid(const struct executor *ex, pid_t actual)
{
	if (!are_new(ex))
		return actual;
	for (uint32_t i = 0; i < ex->plan->nr_procs; i++)
		if (actual && atomic_load(&ex->shared->pids[i]) == actual)
			return ex->procs[i].pid;
	return actual;
}

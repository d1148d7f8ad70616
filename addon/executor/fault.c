// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on demand, for tests. The plan says where, and what is to happen: the
 * controller has counted operations, so that nobody counts in many processes.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "executor.h"

/* -1 with an error if this step is to fail; does not return if somebody is to be killed. */
int strike(struct executor *ex, enum plan_fault at, uint32_t index, struct error *error)
{
	const struct plan_header *plan = ex->plan;

	if (plan->fault != at || plan->fault_index != index)
		return 0;
	switch (plan->fault_action) {
	case PLAN_FAULT_ACTION_FAIL:
		return failed(error, EIO, "the fault that CRCTL_FAULT asked for");
	case PLAN_FAULT_ACTION_KILL:
		kill(ex->controller_pid, SIGKILL);
		/* its death is ours, by one way or the other */
		for (;;)
			pause();
	case PLAN_FAULT_ACTION_DIE:
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	case PLAN_FAULT_ACTION_STOP:
		kill(getpid(), SIGSTOP);
		return 0;
	default:
		return failed(error, EPROTO, "an unknown fault");
	}
}

/* SPDX-License-Identifier: GPL-2.0 */
/* Making a thread of current that starts in task work of ours. */
#ifndef CRCTL_COMPAT_CLONE_H
#define CRCTL_COMPAT_CLONE_H

#include <linux/sched/task.h>
#include <linux/task_work.h>
#include <linux/version.h>

#include "symbols.h"

#define CRCTL_CLONE_THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | \
			    CLONE_THREAD | CLONE_SYSVSEM)

/*
 * 5bd2e97c868a "fork: Generalize PF_IO_WORKER handling" (5.18): a clone may
 * start in a kernel function. What that function leaves in the registers is
 * partly overwritten behind it (RAX), so it only adds the work.
 */
static inline int crctl_thread_start(void *work)
{
	return task_work_add(current, work, TWA_RESUME);
}

/* Returns the tid or a negative errno. @set_tid is that in current's pid namespace. */
static inline int crctl_clone_thread(struct callback_head *work, pid_t *set_tid)
{
	struct kernel_clone_args args = {
		.flags = CRCTL_CLONE_THREAD,
		.fn = crctl_thread_start,
		.fn_arg = work,
		.set_tid = set_tid,
		.set_tid_size = 1,
	};

	return crctl_call(kernel_clone)(&args);
}

#endif /* CRCTL_COMPAT_CLONE_H */

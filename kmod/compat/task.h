/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scheduler and the freezers say about a task that does not run.
 */
#ifndef CRCTL_COMPAT_TASK_H
#define CRCTL_COMPAT_TASK_H

#include <linux/sched.h>
#include <linux/version.h>

#include "symbols.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "crctl: compat/task.h does not know this kernel yet, it is older than 6.1"
#endif

/*
 * Since 6.1 a state of its own says that a task is in the refrigerator, and a
 * task asleep in a system call may be put there as it sleeps (f5d39b020809,
 * "freezer,sched: Rewrite core freezer logic").
 */
#define HAVE_TASK_FROZEN	1

static inline unsigned int crctl_task_state(struct task_struct *t)
{
	return READ_ONCE(t->__state);
}

/*
 * Wait until @t is off its CPU for good. @bits of its state have to be set all
 * the time. Returns its switch count, never 0, or 0 when it is not so.
 *
 * Since 6.1 the argument is a mask (f9fc8cad9728, "sched: Add TASK_ANY for
 * wait_task_inactive()").
 */
static inline unsigned long crctl_wait_inactive(struct task_struct *t, unsigned int bits)
{
	return crctl_call(wait_task_inactive)(t, bits);
}

/* In the refrigerator of the cgroup v1 freezer (or of system suspend). */
static inline bool crctl_in_refrigerator(struct task_struct *t, unsigned int *bits)
{
	*bits = TASK_FROZEN;
	return crctl_task_state(t) & TASK_FROZEN;
}

/* Stopped by a signal or by a tracer, whatever a freezer made of the state since. */
static inline bool crctl_at_signal_stop(struct task_struct *t)
{
	return READ_ONCE(t->jobctl) & (JOBCTL_STOPPED | JOBCTL_TRACED);
}

#endif /* CRCTL_COMPAT_TASK_H */

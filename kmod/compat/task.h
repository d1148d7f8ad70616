/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scheduler and the freezers say about a task that does not run.
 */
#ifndef CRCTL_COMPAT_TASK_H
#define CRCTL_COMPAT_TASK_H

#include <linux/sched.h>
#include <linux/version.h>

#include "symbols.h"

/*
 * Threads of a process that only ever run in the kernel. Since 6.4 there are
 * others than those of io_uring (54e6842d0775, "fork/vm: Move common PF_IO_WORKER
 * behavior to new flag").
 */
#ifdef PF_USER_WORKER
#define CRCTL_PF_KERNEL_PART (PF_IO_WORKER | PF_USER_WORKER)
#else
#define CRCTL_PF_KERNEL_PART PF_IO_WORKER
#endif

/* 2f064a59a11f "sched: Change task_struct::state" (5.14) */
static inline unsigned int crctl_task_state(struct task_struct *t)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
	return READ_ONCE(t->__state);
#else
	return READ_ONCE(t->state);
#endif
}

/*
 * Wait until @t is off its CPU for good. @bits of its state have to be set all
 * the time. Returns its switch count, never 0, or 0 when it is not so.
 *
 * Since 6.1 the argument is a mask (f9fc8cad9728, "sched: Add TASK_ANY for
 * wait_task_inactive()"); before, it is the whole state, some bits of which
 * change while a tracer looks at the task.
 */
static inline unsigned long crctl_wait_inactive(struct task_struct *t, unsigned int bits)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
	return crctl_call(wait_task_inactive)(t, bits);
#else
	unsigned long switches;
	unsigned int state, tries;

	for (tries = 0; tries < 10; tries++) {
		state = crctl_task_state(t);
		if (!(state & bits))
			return 0;
		switches = crctl_call(wait_task_inactive)(t, state);
		if (switches)
			return switches;
	}
	return 0;
#endif
}

/*
 * In the refrigerator of the cgroup v1 freezer (or of system suspend).
 *
 * Since 6.1 a state of its own says so, and a task asleep in a system call may
 * be put there as it sleeps (f5d39b020809, "freezer,sched: Rewrite core freezer
 * logic").
 */
static inline bool crctl_in_refrigerator(struct task_struct *t, unsigned int *bits)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
	*bits = TASK_UNINTERRUPTIBLE;
	return READ_ONCE(t->flags) & PF_FROZEN &&
	       crctl_task_state(t) & TASK_UNINTERRUPTIBLE;
#else
	*bits = TASK_FROZEN;
	return crctl_task_state(t) & TASK_FROZEN;
#endif
}

/* Stopped by a signal or by a tracer, whatever a freezer made of the state since. */
static inline bool crctl_at_signal_stop(struct task_struct *t)
{
/* 31cae1eaae4f "sched,signal,ptrace: Rework TASK_TRACED, TASK_STOPPED state" (5.19) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
	return READ_ONCE(t->jobctl) & (JOBCTL_STOPPED | JOBCTL_TRACED);
#else
	return crctl_task_state(t) & (__TASK_STOPPED | __TASK_TRACED);
#endif
}

#endif /* CRCTL_COMPAT_TASK_H */

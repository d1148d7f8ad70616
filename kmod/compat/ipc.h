/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System V semaphores of a task.
 */
#ifndef CRCTL_COMPAT_IPC_H
#define CRCTL_COMPAT_IPC_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

/*
 * ipc/sem.c: what is to be undone when the last of the tasks ends that share
 * the list. All threads have one, empty as a rule. The same from 5.10 on.
 */
struct crctl_sem_undo_list {
	refcount_t refcnt;
	spinlock_t lock;	/* protects list_proc */
	struct list_head list_proc;
};

static inline bool crctl_has_sem_undo(struct task_struct *t)
{
#ifdef CONFIG_SYSVIPC
	const struct crctl_sem_undo_list *ul = (const void *)READ_ONCE(t->sysvsem.undo_list);
	unsigned long next;

	if (!ul)
		return false;
	/* A task that is killed now may free it; what is read then is never used. */
	__get_kernel_nofault(&next, &ul->list_proc.next, unsigned long, gone);
	return next != (unsigned long)&ul->list_proc;
gone:
	return false;
#else
	return false;
#endif
}

#endif /* CRCTL_COMPAT_IPC_H */

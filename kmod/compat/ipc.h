/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System V semaphores: what ipc/sem.c keeps to itself. Nothing of it is ever
 * written to, and what is read is compared with what it has to be: see
 * kinds/sysv_sem.c.
 */
#ifndef CRCTL_COMPAT_IPC_H
#define CRCTL_COMPAT_IPC_H

#include <linux/ipc.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/version.h>

/* Where structures are shuffled at build time nothing is known of these. */
#if defined(CONFIG_SYSVIPC) && !defined(CONFIG_RANDSTRUCT) && !defined(CONFIG_GCC_PLUGIN_RANDSTRUCT)
#define CRCTL_SEM_LAYOUT 1
#else
#define CRCTL_SEM_LAYOUT 0
#endif

/*
 * ipc/sem.c: what is to be undone when the last of the tasks ends that share
 * the list. All threads have one, empty as a rule. The same from 5.10 on.
 */
struct crctl_undo_list {
	refcount_t refcnt;
	spinlock_t lock;	/* protects list_proc */
	struct list_head list_proc;
};

/* What of one set a process has to undo. */
struct crctl_undo {
	struct list_head list_proc;
	struct rcu_head rcu;
	struct crctl_undo_list *ulp;
	struct list_head list_id;
	int semid;
	/* ipc/sem: use flexible array in 'struct sem_undo' (6.6) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	short semadj[];
#else
	short *semadj;		/* right behind this */
#endif
};

/* The beginning of a set, the same from 5.10 on. */
struct crctl_sem_array {
	struct kern_ipc_perm sem_perm;
	time64_t sem_ctime;
	struct list_head pending_alter;
	struct list_head pending_const;
	struct list_head list_id;
	int sem_nsems;
};

static inline const short *crctl_undo_adjustments(const struct crctl_undo *un)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return un->semadj;
#else
	unsigned long value;

	__get_kernel_nofault(&value, &un->semadj, unsigned long, gone);
	if (value == (unsigned long)(un + 1))
		return (const short *)value;
gone:
	return NULL;
#endif
}

static inline const struct crctl_undo_list *crctl_undo_list(const struct task_struct *t)
{
#ifdef CONFIG_SYSVIPC
	return (const void *)READ_ONCE(t->sysvsem.undo_list);
#else
	return NULL;
#endif
}

#endif /* CRCTL_COMPAT_IPC_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* Restartable sequences, the robust list and syscall user dispatch of another task. */
#ifndef CRCTL_COMPAT_RSEQ_H
#define CRCTL_COMPAT_RSEQ_H

#include <linux/sched.h>
#include <linux/version.h>
#include <uapi/linux/rseq.h>

/* A structure of its own since 6.19, which has a header of its own. */
#ifdef CRCTL_HAVE_RSEQ_TYPES_H
#define CRCTL_RSEQ_PTR(t) ((t)->rseq.usrptr)
#define CRCTL_RSEQ_LEN(t) ((t)->rseq.len)
#define CRCTL_RSEQ_SIG(t) ((t)->rseq.sig)
/* ee3e3ac05c26 "rseq: Introduce extensible rseq ABI" (6.3): the length is kept */
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define CRCTL_RSEQ_PTR(t) ((t)->rseq)
#define CRCTL_RSEQ_LEN(t) ((t)->rseq_len)
#define CRCTL_RSEQ_SIG(t) ((t)->rseq_sig)
#else
#define CRCTL_RSEQ_PTR(t) ((t)->rseq)
#define CRCTL_RSEQ_LEN(t) 32u
#define CRCTL_RSEQ_SIG(t) ((t)->rseq_sig)
#endif

static inline void crctl_rseq_read(struct task_struct *t, __u64 *ptr, __u32 *len,
				   __u32 *sig)
{
	bool on = CRCTL_RSEQ_PTR(t);

	*ptr = (unsigned long)CRCTL_RSEQ_PTR(t);
	*len = on ? CRCTL_RSEQ_LEN(t) : 0;
	*sig = on ? CRCTL_RSEQ_SIG(t) : 0;
}

/*
 * Since 7.x a program may ask for a little more time when it would be preempted
 * (PR_RSEQ_SLICE_EXTENSION); registration alone does not bring that back.
 */
static inline bool crctl_rseq_slice(struct task_struct *t)
{
#ifdef CONFIG_RSEQ_SLICE_EXTENSION
	return t->rseq.slice.state.enabled;
#else
	return false;
#endif
}

/* Since 7.x what belongs to futexes is in a structure of its own. */
#ifdef CRCTL_HAVE_FUTEX_TYPES_H
#define CRCTL_ROBUST_LIST(t) ((t)->futex.robust_list)
#else
#define CRCTL_ROBUST_LIST(t) ((t)->robust_list)
#endif

/* 1446e1df9eb1 "kernel: Implement selective syscall userspace redirection" (5.11) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
static inline bool crctl_syscall_dispatch(struct task_struct *t)
{
	return test_task_syscall_work(t, SYSCALL_USER_DISPATCH);
}
#else
static inline bool crctl_syscall_dispatch(struct task_struct *t)
{
	return false;
}
#endif

#endif /* CRCTL_COMPAT_RSEQ_H */

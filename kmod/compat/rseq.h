/* SPDX-License-Identifier: GPL-2.0 */
/* Restartable sequences and syscall user dispatch of another task. */
#ifndef CRCTL_COMPAT_RSEQ_H
#define CRCTL_COMPAT_RSEQ_H

#include <linux/sched.h>
#include <linux/version.h>
#include <uapi/linux/rseq.h>

/* ee3e3ac05c26 "rseq: Introduce extensible rseq ABI" (6.3): the length is kept */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define CRCTL_RSEQ_LEN(t) ((t)->rseq_len)
#else
#define CRCTL_RSEQ_LEN(t) 32u
#endif

static inline void crctl_rseq_read(struct task_struct *t, __u64 *ptr, __u32 *len,
				   __u32 *sig)
{
	*ptr = (unsigned long)t->rseq;
	*len = t->rseq ? CRCTL_RSEQ_LEN(t) : 0;
	*sig = t->rseq ? t->rseq_sig : 0;
}

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

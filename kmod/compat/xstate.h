/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a process may use of the processor's state.
 */
#ifndef CRCTL_COMPAT_XSTATE_H
#define CRCTL_COMPAT_XSTATE_H

#include <linux/sched.h>
#include <linux/version.h>
#include <asm/fpu/xstate.h>

/*
 * Since 6.16 it follows the task ("x86/fpu: Make task_struct::thread constant
 * size"); kernels that check who asks do that in a function for themselves.
 */
static inline struct fpu *crctl_fpu(struct task_struct *t)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	return (void *)t + sizeof(*t);
#else
	return &t->thread.fpu;
#endif
}

/*
 * Components that a process has to ask for (ARCH_REQ_XCOMP_PERM), and has asked
 * for: AMX tiles. exec takes the permission away. Kernels before 5.16 have none.
 */
static inline u64 crctl_xfeatures_permitted(struct task_struct *t)
{
#ifdef XFEATURE_MASK_USER_DYNAMIC
	return READ_ONCE(crctl_fpu(t->group_leader)->perm.__state_perm) &
	       XFEATURE_MASK_USER_DYNAMIC;
#else
	return 0;
#endif
}

#endif /* CRCTL_COMPAT_XSTATE_H */

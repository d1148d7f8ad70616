/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a process may use of the processor's state.
 */
#ifndef CRCTL_COMPAT_XSTATE_H
#define CRCTL_COMPAT_XSTATE_H

#include <linux/sched.h>
#include <asm/fpu/xstate.h>

/*
 * Components that a process has to ask for (ARCH_REQ_XCOMP_PERM), and has asked
 * for: AMX tiles. exec takes the permission away. Kernels before 5.16 have none.
 */
static inline u64 crctl_xfeatures_permitted(struct task_struct *t)
{
#ifdef XFEATURE_MASK_USER_DYNAMIC
	return READ_ONCE(t->group_leader->thread.fpu.perm.__state_perm) &
	       XFEATURE_MASK_USER_DYNAMIC;
#else
	return 0;
#endif
}

#endif /* CRCTL_COMPAT_XSTATE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a process may use of the processor's state.
 */
#ifndef CRCTL_COMPAT_XSTATE_H
#define CRCTL_COMPAT_XSTATE_H

#include <linux/regset.h>
#include <linux/sched.h>
#include <linux/version.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xstate.h>

#include "symbols.h"

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
static inline u64 crctl_xfeatures_permitted(struct task_struct *leader)
{
#ifdef XFEATURE_MASK_USER_DYNAMIC
	return READ_ONCE(crctl_fpu(leader)->perm.__state_perm) &
	       XFEATURE_MASK_USER_DYNAMIC;
#else
	return 0;
#endif
}

/*
 * Set the vector registers of @t, which is off its CPU; @rs is its regset and
 * @buf as long as that. Called by a kernel thread, which has no such state of its
 * own: since 6.16 the regset's function complains of that when it makes sure that
 * the two are not the same (CONFIG_X86_DEBUG_FPU), so here is the rest of it.
 */
static inline int crctl_xstate_set(struct task_struct *t, const struct user_regset *rs,
				   const void *buf)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	struct fpu *fpu = crctl_fpu(t);

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -ENODEV;
	/* what a CPU may still have of it in its registers is not to be used */
	fpu->last_cpu = -1;
	return crctl_call(copy_uabi_from_kernel_to_xstate)(fpu->fpstate, buf,
							   &t->thread.pkru);
#else
	return rs->set(t, rs, 0, rs->n * rs->size, buf, NULL);
#endif
}

#endif /* CRCTL_COMPAT_XSTATE_H */

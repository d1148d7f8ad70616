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

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
/* The standard format of @x, with what is in its initial state written out. */
static inline void crctl_xstate_clean(struct xregs_state *x, size_t size)
{
	struct fxregs_state *fx = &x->i387;
	u64 have = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	u64 init = have & ~x->header.xfeatures;
	u32 len, offset, ecx, edx, i;

	if (init & XFEATURE_MASK_FP) {
		memset(fx, 0, offsetof(struct fxregs_state, mxcsr));
		memset(fx->st_space, 0, sizeof(fx->st_space));
		fx->cwd = 0x37f;
	}
	if (init & XFEATURE_MASK_SSE)
		memset(fx->xmm_space, 0, sizeof(fx->xmm_space));
	for (i = FIRST_EXTENDED_XFEATURE; i < XFEATURE_MAX; i++) {
		if (!(init & BIT_ULL(i)))
			continue;
		cpuid_count(XSTATE_CPUID, i, &len, &offset, &ecx, &edx);
		if (offset <= size && len <= size - offset)
			memset((void *)x + offset, 0, len);
	}
	/* where debuggers look for the features that the processor has */
	memset(fx->sw_reserved, 0, sizeof(fx->sw_reserved));
	memcpy(fx->sw_reserved, &have, sizeof(have));
}
#endif

/*
 * Read the vector registers of @t, which is off its CPU, to @buf, as long as the
 * regset. Until 5.14 the regset's function of processors without XSAVES first
 * writes what is in its initial state into @t itself (fpstate_sanitize_xstate()).
 * That is for a tracer, which keeps @t from running meanwhile; ours may be woken,
 * and what it saves then must stay.
 */
static inline int crctl_xstate_get(struct task_struct *t, const struct user_regset *rs, void *buf)
{
	size_t size = (size_t)rs->n * rs->size;

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
	if (boot_cpu_has(X86_FEATURE_XSAVE) && !boot_cpu_has(X86_FEATURE_XSAVES)) {
		memcpy(buf, &t->thread.fpu.state.xsave, size);
		crctl_xstate_clean(buf, size);
		return 0;
	}
#endif
	return rs->regset_get(t, rs, (struct membuf) { .p = buf, .left = size });
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

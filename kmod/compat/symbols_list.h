/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Part of symbols_list.h, included by it as many times: what only some kernels
 * have or need.
 */
#include <linux/version.h>

/* see compat/mempolicy.h */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0)
CRCTL_SYM(long, __x64_sys_set_mempolicy_home_node, (const struct pt_regs *regs))
#endif

/* see compat/xstate.h */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
CRCTL_SYM(int, copy_uabi_from_kernel_to_xstate,
	  (struct fpstate *fpstate, const void *kbuf, u32 *pkru))
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
CRCTL_SYM(struct dentry *, d_splice_alias_ops,
	  (struct inode *inode, struct dentry *dentry, const struct dentry_operations *ops))
#endif

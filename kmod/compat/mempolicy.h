/* SPDX-License-Identifier: GPL-2.0 */
/* NUMA memory policies. */
#ifndef CRCTL_COMPAT_MEMPOLICY_H
#define CRCTL_COMPAT_MEMPOLICY_H

#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>

#ifdef CONFIG_NUMA
/* Of the task's own, or with its alloc_lock held. */
static inline const struct mempolicy *crctl_task_policy(const struct task_struct *t)
{
	return t->mempolicy;
}

static inline const struct mempolicy *crctl_vma_policy(const struct vm_area_struct *vma)
{
	return vma->vm_policy;
}

static inline u32 crctl_policy_mode(const struct mempolicy *p)
{
	return p->mode;
}

/* The kernel's own are the lower ones. */
static inline u32 crctl_policy_flags(const struct mempolicy *p)
{
	return p->flags & ~(MPOL_F_SHARED | 1u << 1 | MPOL_F_MOF | MPOL_F_MORON);
}

/* What the user gave is kept with these flags; older kernels do so with all. */
#ifndef MPOL_USER_NODEMASK_FLAGS
#define MPOL_USER_NODEMASK_FLAGS MPOL_MODE_FLAGS
#endif

/*
 * The nodes that get_mempolicy(2) tells. One field has those of all modes since 5.14
 * (269fbe72cded, "mm/mempolicy: use unified 'nodes' for bind/interleave/prefer
 * policies"); without MPOL_LOCAL as a mode of its own before (7858d7bca7fb).
 */
static inline nodemask_t crctl_policy_nodes(const struct mempolicy *p)
{
	if (p->flags & MPOL_USER_NODEMASK_FLAGS)
		return p->w.user_nodemask;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
	return p->mode == MPOL_LOCAL ? NODE_MASK_NONE : p->nodes;
#else
	if (p->mode != MPOL_PREFERRED)
		return p->v.nodes;
	return p->flags & MPOL_F_LOCAL ? NODE_MASK_NONE : nodemask_of_node(p->v.preferred_node);
#endif
}

/* A policy of shared memory is kept with its inode, which has to be one of tmpfs. */
static inline bool crctl_shmem_has_policy(struct inode *inode)
{
#ifdef CONFIG_SHMEM
	return !RB_EMPTY_ROOT(&SHMEM_I(inode)->policy.root);
#else
	return false;
#endif
}
#else
static inline const struct mempolicy *crctl_task_policy(const struct task_struct *t)
{
	return NULL;
}

static inline const struct mempolicy *crctl_vma_policy(const struct vm_area_struct *vma)
{
	return NULL;
}

static inline u32 crctl_policy_mode(const struct mempolicy *p)
{
	return 0;
}

static inline u32 crctl_policy_flags(const struct mempolicy *p)
{
	return 0;
}

static inline nodemask_t crctl_policy_nodes(const struct mempolicy *p)
{
	return NODE_MASK_NONE;
}

static inline bool crctl_shmem_has_policy(struct inode *inode)
{
	return false;
}
#endif

/* c6018b4b2549, "mm/mempolicy: add set_mempolicy_home_node syscall" (5.17) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0)
#define crctl_set_home_node(start, len, node) \
	CRCTL_SYS(set_mempolicy_home_node, start, len, node, 0)
#else
#define crctl_set_home_node(start, len, node) 0
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0) && defined(CONFIG_NUMA)
static inline int crctl_policy_home(const struct mempolicy *p)
{
	return p->home_node;
}
#else
static inline int crctl_policy_home(const struct mempolicy *p)
{
	return NUMA_NO_NODE;
}
#endif

#endif /* CRCTL_COMPAT_MEMPOLICY_H */

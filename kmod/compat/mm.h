/* SPDX-License-Identifier: GPL-2.0 */
/* Address spaces: pinning pages, the exe link, flags of the mm. */
#ifndef CRCTL_COMPAT_MM_H
#define CRCTL_COMPAT_MM_H

#include <linux/mm.h>
#include <linux/sched/coredump.h>
#ifdef CRCTL_HAVE_EXEC_STATE_H
#include <linux/sched/exec_state.h>
#endif
#include <linux/version.h>

#include "compat/mm_flags.h"
#include "symbols.h"

/*
 * Take references on @nr pages from @addr of @mm; mmap_lock is held for
 * reading. Returns how many, or a negative errno.
 */
static inline long crctl_get_pages(struct mm_struct *mm, unsigned long addr,
				   unsigned long nr, unsigned int gup_flags,
				   struct page **pages)
{
/* ca5e863233e8 "mm/gup: remove vmas parameter from get_user_pages_remote()" (6.5) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	int locked = 1;
	long ret = get_user_pages_remote(mm, addr, nr, gup_flags, pages, &locked);

	if (!locked)
		mmap_read_lock(mm);
	return ret;
#else
	return get_user_pages_remote(mm, addr, nr, gup_flags, pages, NULL, NULL);
#endif
}

/* fe69d560b5bd "kernel/fork: always deny write access to current MM exe_file" (5.15) */
static inline int crctl_set_exe_file(struct mm_struct *mm, struct file *file)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 15, 0)
	return crctl_call(set_mm_exe_file)(mm, file);
#else
	crctl_call(set_mm_exe_file)(mm, file);
	return 0;
#endif
}

static inline unsigned int crctl_dump_filter(const struct mm_struct *mm)
{
	unsigned int i, filter = 0;

	for (i = 0; i < MMF_DUMP_FILTER_BITS; i++)
		if (crctl_mm_flag(mm, MMF_DUMP_FILTER_SHIFT + i))
			filter |= BIT(i);
	return filter;
}

/* May page faults put in whole huge pages? Whatever the process itself has asked for. */
static inline void crctl_allow_huge_faults(struct mm_struct *mm, bool allow)
{
	if (allow)
		crctl_mm_flag_clear(mm, CRCTL_MMF_DISABLE_THP);
	else
		crctl_mm_flag_set(mm, CRCTL_MMF_DISABLE_THP);
}

/*
 * May a debugger of the same user look? @t may be exiting, and then its own
 * pointer to @mm is gone already. Since 7.x the mark belongs to the tasks and not
 * to the memory that they share (struct task_exec_state), and goes with the task.
 */
#ifdef CRCTL_HAVE_EXEC_STATE_H
static inline bool crctl_is_dumpable(struct task_struct *t, struct mm_struct *mm)
{
	bool ret;

	rcu_read_lock();
	ret = READ_ONCE(rcu_dereference(t->exec_state)->dumpable) == TASK_DUMPABLE_OWNER;
	rcu_read_unlock();
	return ret;
}
#else
static inline bool crctl_is_dumpable(struct task_struct *t, struct mm_struct *mm)
{
	return get_dumpable(mm) == SUID_DUMP_USER;
}
#endif

/* @filter as /proc/<pid>/coredump_filter has it. */
static inline void crctl_set_dump_filter(struct mm_struct *mm, unsigned int filter)
{
	unsigned int i;

	for (i = 0; i < MMF_DUMP_FILTER_BITS; i++)
		if (filter & BIT(i))
			crctl_mm_flag_set(mm, MMF_DUMP_FILTER_SHIFT + i);
		else
			crctl_mm_flag_clear(mm, MMF_DUMP_FILTER_SHIFT + i);
}

#endif /* CRCTL_COMPAT_MM_H */

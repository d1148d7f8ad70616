/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flags of an address space (MMF_*). Since 6.18 they are a bitmap that only
 * functions may touch; each of these takes the number of one flag.
 */
#ifndef CRCTL_COMPAT_MM_FLAGS_H
#define CRCTL_COMPAT_MM_FLAGS_H

#include <linux/mm.h>
#include <linux/sched/coredump.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
static inline bool crctl_mm_flag(const struct mm_struct *mm, int flag)
{
	return mm_flags_test(flag, mm);
}

static inline void crctl_mm_flag_set(struct mm_struct *mm, int flag)
{
	mm_flags_set(flag, mm);
}

static inline void crctl_mm_flag_clear(struct mm_struct *mm, int flag)
{
	mm_flags_clear(flag, mm);
}
#else
static inline bool crctl_mm_flag(const struct mm_struct *mm, int flag)
{
	return test_bit(flag, &mm->flags);
}

static inline void crctl_mm_flag_set(struct mm_struct *mm, int flag)
{
	set_bit(flag, &mm->flags);
}

static inline void crctl_mm_flag_clear(struct mm_struct *mm, int flag)
{
	clear_bit(flag, &mm->flags);
}
#endif

/* No huge pages at all; since 6.18 there is also "only where madvise(2) asks for them". */
#ifdef MMF_DISABLE_THP_COMPLETELY
#define CRCTL_MMF_DISABLE_THP MMF_DISABLE_THP_COMPLETELY
#else
#define CRCTL_MMF_DISABLE_THP MMF_DISABLE_THP
#endif

#endif /* CRCTL_COMPAT_MM_FLAGS_H */

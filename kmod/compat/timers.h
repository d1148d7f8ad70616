/* SPDX-License-Identifier: GPL-2.0 */
/* POSIX timers of a thread group. */
#ifndef CRCTL_COMPAT_TIMERS_H
#define CRCTL_COMPAT_TIMERS_H

#include <linux/posix-timers.h>
#include <linux/sched/signal.h>
#include <linux/version.h>

/*
 * 8ce8849dd1e7 "posix-timers: Ensure timer ID search-loop limit is valid" (6.5)
 * renamed the field; it went into the stable branches of 5.10 and 6.1 as well.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
/* "posix-timers: Make signal_struct::next_posix_timer_id an atomic_t"; only its lower bits count */
static inline int crctl_next_timer_id(struct signal_struct *sig)
{
	return atomic_read(&sig->next_posix_timer_id) & INT_MAX;
}

static inline void crctl_set_next_timer_id(struct signal_struct *sig, int id)
{
	atomic_set(&sig->next_posix_timer_id, id);
}
#else
static inline int crctl_next_timer_id(struct signal_struct *sig)
{
	return sig->next_posix_timer_id;
}

static inline void crctl_set_next_timer_id(struct signal_struct *sig, int id)
{
	sig->next_posix_timer_id = id;
}
#endif

/*
 * Call @fn for each timer; siglock held. The list is a hlist since 6.12
 * (5d916a0988ee "posix-timers: Convert posix_timers list to hlist").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define crctl_for_each_timer(pos, sig) \
	hlist_for_each_entry(pos, &(sig)->posix_timers, list)
#else
#define crctl_for_each_timer(pos, sig) \
	list_for_each_entry(pos, &(sig)->posix_timers, list)
#endif

/* The value given with the timer's sigevent. 6.13 moved the signal into the timer. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define crctl_timer_info(t) (&(t)->sigq.info)
#else
#define crctl_timer_info(t) (&(t)->sigq->info)
#endif

#endif /* CRCTL_COMPAT_TIMERS_H */

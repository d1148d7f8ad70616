/* SPDX-License-Identifier: GPL-2.0 */
/* Flags of signal actions, and the notes that have signals in them. */
#ifndef CRCTL_COMPAT_SIGNALS_H
#define CRCTL_COMPAT_SIGNALS_H

#include <linux/elfcore.h>
#include <linux/prctl.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/version.h>

/* 23acdc76f179 "signal: clear non-uapi flag bits when passing/returning sa_flags" (5.11) */
#ifdef UAPI_SA_FLAGS
#define CRCTL_SA_FLAGS UAPI_SA_FLAGS
#else
#define CRCTL_SA_FLAGS (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | \
			SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_RESTORER)
#endif

/* f2485a2dc9f0 "elf_prstatus: collect the common part" (5.12) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define crctl_prstatus_common(ps) (&(ps)->common)
#else
#define crctl_prstatus_common(ps) (ps)
#endif

/*
 * What was added to what a process's threads share in signal_struct, and is not
 * saved: its name, or NULL.
 */
static inline const char *crctl_signal_unsaved(const struct signal_struct *sig)
{
#ifdef CLONE_AUTOREAP
	/* 7.x: the parent need not wait for it */
	if (sig->autoreap)
		return "it goes without being waited for (CLONE_AUTOREAP)";
#endif
#ifdef PR_TIMER_CREATE_RESTORE_IDS
	/* 6.15 */
	if (sig->timer_create_restore_ids)
		return "it chooses the ids of its timers (PR_TIMER_CREATE_RESTORE_IDS)";
#endif
	return NULL;
}

/*
 * Have the kernel's signal code run before we return to user space, signal or
 * not. Files that are closed on the way there may ask a server, and who waits
 * for one without signals (9p) clears TIF_SIGPENDING, and afterwards sets it by
 * the signals that there are. TIF_NOTIFY_SIGNAL (12db8b690010, "entry: Add
 * support for TIF_NOTIFY_SIGNAL", 5.11 and later 5.10.y) stays.
 */
static inline void crctl_call_signal_code(void)
{
	set_thread_flag(TIF_SIGPENDING);
#ifdef TIF_NOTIFY_SIGNAL
	set_thread_flag(TIF_NOTIFY_SIGNAL);
#endif
}

#endif /* CRCTL_COMPAT_SIGNALS_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restart blocks and the futex flags in them. The flags are private to the
 * kernel's futex code; include/uapi knows nothing of them.
 */
#ifndef CRCTL_COMPAT_RESTART_H
#define CRCTL_COMPAT_RESTART_H

#include <linux/build_bug.h>
#include <linux/restart_block.h>
#include <linux/time64.h>
#include <linux/version.h>

/* Since 6.7 the size of the futex has bits of its own among the flags (FLAGS_SIZE_32). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define CRCTL_FLAGS_BASE	0x02u	/* FLAGS_SIZE_32 */
#define CRCTL_FLAGS_SHARED	0x10u
#define CRCTL_FLAGS_CLOCKRT	0x20u
#define CRCTL_FLAGS_HAS_TIMEOUT	0x40u
#else
#define CRCTL_FLAGS_BASE	0x00u
#define CRCTL_FLAGS_SHARED	0x01u
#define CRCTL_FLAGS_CLOCKRT	0x02u
#define CRCTL_FLAGS_HAS_TIMEOUT	0x04u
#endif

/*
 * When poll(2) times out: two fields until 7.0 (0f166bf1d6d8), one struct timespec64 of the same
 * layout since, the last member either way.
 */
#define CRCTL_RESTART_POLL_END(rb) ({						\
	BUILD_BUG_ON(sizeof((rb)->poll) != offsetofend(typeof((rb)->poll), has_timeout) + \
				     sizeof(struct timespec64));		\
	(struct timespec64 *)(&(rb)->poll.has_timeout + 1);			\
})

static inline u64 crctl_restart_poll_end(const struct restart_block *rb)
{
	return timespec64_to_ns(CRCTL_RESTART_POLL_END(rb));
}

static inline void crctl_restart_poll_set_end(struct restart_block *rb, u64 ns)
{
	*CRCTL_RESTART_POLL_END(rb) = ns_to_timespec64(ns);
}

/* Which system call table restart_syscall(2) is from: ours, whatever the task did last (5.12). */
static inline void crctl_restart_native(struct restart_block *rb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
	rb->arch_data = 0;
#endif
}

#endif /* CRCTL_COMPAT_RESTART_H */

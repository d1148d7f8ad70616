/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restart blocks and the futex flags in them. The flags are private to the
 * kernel's futex code; include/uapi knows nothing of them.
 */
#ifndef CRCTL_COMPAT_RESTART_H
#define CRCTL_COMPAT_RESTART_H

#include <linux/restart_block.h>
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

static inline u64 crctl_restart_poll_end(const struct restart_block *rb)
{
	return (u64)rb->poll.tv_sec * NSEC_PER_SEC + rb->poll.tv_nsec;
}

static inline void crctl_restart_poll_set_end(struct restart_block *rb, u64 ns)
{
	rb->poll.tv_sec = ns / NSEC_PER_SEC;
	rb->poll.tv_nsec = ns % NSEC_PER_SEC;
}

#endif /* CRCTL_COMPAT_RESTART_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* eventfd(2). */
#ifndef CRCTL_COMPAT_EVENTFD_H
#define CRCTL_COMPAT_EVENTFD_H

#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/kref.h>
#include <linux/version.h>
#include <linux/wait.h>

/*
 * Whether a file is a semaphore, which fdinfo does not tell: 33d8b5d7824c
 * "eventfd: show the EFD_SEMAPHORE flag in fdinfo" (6.5). The structure is
 * private to fs/eventfd.c; it was the same from 5.2 (b556db17b0e7 "eventfd:
 * present id to userspace via fdinfo") until then.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define CRCTL_ASK_EVENTFD 0
static inline bool crctl_eventfd_semaphore(struct file *file)
{
	return false;
}
#else
#define CRCTL_ASK_EVENTFD 1
struct crctl_eventfd_ctx {
	struct kref kref;
	wait_queue_head_t wqh;
	__u64 count;
	unsigned int flags;
	int id;
};

static inline bool crctl_eventfd_semaphore(struct file *file)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);
	bool semaphore;

	if (IS_ERR(ctx))
		return false;
	semaphore = ((struct crctl_eventfd_ctx *)ctx)->flags & EFD_SEMAPHORE;
	eventfd_ctx_put(ctx);
	return semaphore;
}
#endif

#endif /* CRCTL_COMPAT_EVENTFD_H */

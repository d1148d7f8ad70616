/* SPDX-License-Identifier: GPL-2.0-only */
/* System calls that the C library of Debian 12 has no function for, or one that does more than the call. */
#ifndef CRCTL_SYS_H
#define CRCTL_SYS_H

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>	/* struct clone_args */
#include <linux/types.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* From linux/sched/types.h, which collides with the C library's sched.h. */
struct crctl_sched_attr {
	uint32_t size;
	uint32_t sched_policy;
	uint64_t sched_flags;
	int32_t  sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime;
	uint64_t sched_deadline;
	uint64_t sched_period;
};

/*
 * fork(2) with a chosen pid (0: any). Not the C library's fork: that runs
 * handlers and knows nothing of set_tid.
 */
static inline pid_t sys_clone(uint64_t flags, int exit_signal, pid_t pid)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = (uint64_t)(unsigned int)exit_signal,
		.set_tid = pid ? (uintptr_t)&pid : 0,
		.set_tid_size = pid ? 1 : 0,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static inline int sys_execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)syscall(SYS_execveat, fd, path, argv, envp, flags);
}

static inline int sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

static inline int sys_unshare(unsigned long flags)
{
	return (int)syscall(SYS_unshare, flags);
}

static inline int sys_sched_setattr(pid_t tid, struct crctl_sched_attr *attr)
{
	return (int)syscall(SYS_sched_setattr, tid, attr, 0u);
}

static inline int sys_sched_getattr(pid_t tid, struct crctl_sched_attr *attr)
{
	return (int)syscall(SYS_sched_getattr, tid, attr, sizeof(*attr), 0u);
}

static inline int sys_ioprio_set(pid_t tid, int value)
{
	return (int)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, tid, value);
}

static inline int sys_ioprio_get(pid_t tid)
{
	return (int)syscall(SYS_ioprio_get, 1, tid);
}

static inline int sys_capget(struct __user_cap_header_struct *head, struct __user_cap_data_struct *data)
{
	return (int)syscall(SYS_capget, head, data);
}

static inline int sys_capset(struct __user_cap_header_struct *head, const struct __user_cap_data_struct *data)
{
	return (int)syscall(SYS_capset, head, data);
}

/* Returns when *word is no longer `value`, when it is woken, after the time, or at a signal. */
static inline void sys_futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout)
{
	syscall(SYS_futex, word, 0 /* FUTEX_WAIT, shared */, value, timeout, NULL, 0);
}

static inline void sys_futex_wake(_Atomic uint32_t *word, int count)
{
	syscall(SYS_futex, word, 1 /* FUTEX_WAKE */, count, NULL, NULL, 0);
}

#endif /* CRCTL_SYS_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A restore in flight: what restore/ and the restore halves in kinds/ share.
 */
#ifndef CRCTL_RESTORE_H
#define CRCTL_RESTORE_H

#include <linux/binfmts.h>
#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched/task_stack.h>
#include <linux/task_work.h>

#include "crctl.h"
#include "image/parse.h"

struct crctl_restore;

/* One thread being brought back. threads[0] is the task that called execve(). */
struct crctl_restore_thread {
	struct callback_head work;	/* brings it back on its way to user space */
	struct crctl_restore *r;
	u32 idx;
	pid_t set_tid;
	atomic_t landed;
};

/*
 * Owned by the references of the threads on their way; the notes live as long
 * as it does. Each restore pins the module.
 */
struct crctl_restore {
	refcount_t refs;
	u8 *notes;			/* kvmalloc'ed: the image's note area */
	struct crctl_parsed img;
	struct crctl_thread_ref *thread_refs;
	struct crctl_restore_thread *threads;

	struct file *image;		/* the file being executed */
	Elf64_Phdr *phdrs;		/* dump: its program headers */
	u32 phnum;
	struct file **vma_files;	/* one per vma record; NULL: anonymous */
	struct file **extent_files;	/* manifest: one per extent, shared references */
	struct file *exe_file;		/* NULL: leave the link at the image */
	struct file *gate, *report;

	struct list_head offered;	/* cow.c: its memory is loaded, and others may share it */
	struct mm_struct *mm;		/* what it is */

	unsigned long pad_addr;		/* the landing pad, see landing.c */
	struct pid *owner;		/* the process that lands there */

	atomic_t pending;		/* threads that the leader waits for */
	struct completion ready;	/* pending has reached 0 */
	struct completion go;		/* the gate is open: put the last things right */
	bool privileged;		/* CAP_CHECKPOINT_RESTORE when it called execve() */
	bool host_privileged;		/* the same, in the first user namespace */
	bool names_peers;		/* crctl_may_name_peers() when it called execve() */
	bool unreadable;		/* the image may be executed, but not read */
	int error;			/* first failure, a negative errno */
	struct mutex lock;		/* the scratch page */
	struct mutex report_lock;	/* error */
	unsigned long scratch;		/* user page for system calls' arguments */
};

/*
 * Helpers of tasks that are being restored, which wait for them. What waits for
 * files has a queue of its own, not to be in the way of what does not.
 */
extern struct workqueue_struct *crctl_wq, *crctl_fill_wq;

void crctl_restore_put(struct crctl_restore *r);

/*
 * Say on the report descriptor, and in the kernel log at debug level, what
 * went wrong; remembers the first error. Returns @err.
 */
__printf(5, 6)
int crctl_restore_fail(struct crctl_restore *r, int err, const char *stage,
		       u64 addr, const char *fmt, ...);

/* restore/memory.c: mappings, pages and layout; current is past setup_new_exec() */
int crctl_memory_restore(struct crctl_restore *r);
int crctl_memory_attributes(struct crctl_restore *r);
int crctl_memory_finish(struct crctl_restore *r);

/* restore/cow.c: pages shared with other tasks of the same restore */
int crctl_cow_map(struct crctl_restore *r);	/* the first mappings */
void crctl_cow_offer(struct crctl_restore *r);
void crctl_cow_withdraw(struct crctl_restore *r);

/* restore/landing.c */
int crctl_landing_map(struct crctl_restore *r);
int crctl_landing_clone(struct crctl_restore *r, u32 idx);
void crctl_landing_unmap(struct crctl_restore *r);

/* restore/threads.c: runs as task work of each thread */
void crctl_thread_work(struct callback_head *work);
int crctl_with_scratch(struct crctl_restore *r, u32 idx,
		       int (*fn)(struct crctl_restore *r, u32 idx));

/*
 * Run a system call in current as if user space had made it: its own checks
 * hold, its ABI does not change between kernels. Addresses are user's.
 */
#define CRCTL_SYS(name, ...) ({						\
	struct pt_regs *__user_regs = task_pt_regs(current);		\
	unsigned long __orig_ax = __user_regs->orig_ax;			\
	long __ret;							\
									\
	/* -1 looks like an x32 call to what asks in_compat_syscall() */ \
	__user_regs->orig_ax = 0;					\
	__ret = crctl_call(__x64_sys_##name)(&CRCTL_SYS_REGS(__VA_ARGS__, 0, 0, 0, 0, 0, 0)); \
	__user_regs->orig_ax = __orig_ax;				\
	__ret;								\
})
#define CRCTL_SYS_REGS(a, b, c, d, e, f, ...) ((struct pt_regs) { \
	.di = (unsigned long)(a), .si = (unsigned long)(b), \
	.dx = (unsigned long)(c), .r10 = (unsigned long)(d), \
	.r8 = (unsigned long)(e), .r9 = (unsigned long)(f), .orig_ax = -1 })

/*
 * kinds/: the restore halves. Each runs in the thread it is about, before it
 * reaches user space. r->scratch is a page of user memory to use, under r->lock.
 */
int crctl_regs_restore(struct crctl_restore *r, u32 idx);
int crctl_prctl_restore(struct crctl_restore *r, u32 idx);
int crctl_thread_restore(struct crctl_restore *r, u32 idx);
void crctl_restart_restore(struct crctl_restore *r, u32 idx);
int crctl_process_restore(struct crctl_restore *r);
void crctl_exit_signal_restore(struct crctl_restore *r);
bool crctl_may_name_peers(void);
int crctl_peercred_restore(struct crctl_restore *r);
void crctl_peerpid_restore(struct crctl_restore *r);
int crctl_signals_restore(struct crctl_restore *r);		/* actions; drop what is pending */
int crctl_signals_resend(struct crctl_restore *r, u32 idx);	/* pending ones, last of all */
int crctl_timers_restore(struct crctl_restore *r);
int crctl_timers_arm(struct crctl_restore *r);
int crctl_creds_restore(struct crctl_restore *r, u32 idx);
int crctl_seccomp_restore(struct crctl_restore *r, u32 idx);
int crctl_locks_restore(struct crctl_restore *r, u32 idx);	/* only the leader */
int crctl_notify_restore(struct crctl_restore *r, u32 idx);	/* only the leader */
unsigned long crctl_sysv_map(struct crctl_restore *r, u32 idx, unsigned long flags);
int crctl_mempolicy_memory(struct crctl_restore *r);		/* and of the leader */
int crctl_mempolicy_restore(struct crctl_restore *r, u32 idx);
bool crctl_mempolicy_of_task(void);
void crctl_pkeys_restore(struct crctl_restore *r);
int crctl_pkeys_protect(struct crctl_restore *r);
bool crctl_has_pkeys(void);
/* The xstate features that are saved: what the CPU has and we know. */
u64 crctl_xfeatures(void);

#endif /* CRCTL_RESTORE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module share.
 *
 * proc/     the entries in /proc/<pid>: hooks, dump file, mfd, disarming
 * image/    the image format: note builder, parser (the parser is plain C
 *           over a buffer, and compiles in user space too)
 * kinds/    one file per kind of kernel object, its dump half and its restore
 *           half together
 * restore/  the binary format: loading, page filling, the way back to user space
 * net/      /proc/net/crctl: connections whose packets are held back
 * compat/   everything that depends on the kernel version
 */
#ifndef CRCTL_H
#define CRCTL_H

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/elf.h>
#include <linux/pid_namespace.h>

#include "crctl_image.h"
#include "fault.h"
#include "compat/sparse.h"
#include "symbols.h"

/* ---- image/notes.c: a growing buffer of ELF notes ---- */

struct crctl_notes {
	u8 *buf;		/* kvmalloc'ed */
	size_t len, size;
	int error;		/* sticky: the first -ENOMEM */
	u32 nr_refusals;
	u8 *refusal_recs;	/* struct crctl_refusal[], kvmalloc'ed */
	u8 *refusal_text;
	size_t refusal_text_len;
};

void crctl_notes_init(struct crctl_notes *n);
void crctl_notes_free(struct crctl_notes *n);
/* Append a whole note. */
int crctl_note_add(struct crctl_notes *n, const char *name, u32 type,
		   const void *desc, size_t len);
/*
 * Append a note of @len descriptor bytes and return where to write them
 * (zeroed; valid until the next call), NULL when out of memory.
 */
void *crctl_note_reserve(struct crctl_notes *n, const char *name, u32 type, size_t len);
/* Append a "CRCTL" note: head, @count records of @rec_size, @extra bytes. */
int crctl_note_records(struct crctl_notes *n, u32 type, const void *recs,
		       u32 rec_size, u32 count, const void *extra, u32 extra_size);
/* Record that something cannot be saved; the dump goes on to find the rest. */
__printf(6, 7)
void crctl_refuse(struct crctl_notes *n, u32 code, pid_t tid, u64 addr, u64 value,
		  const char *fmt, ...);

/* ---- kinds/clocks.c ---- */

struct crctl_clock_offsets {
	s64 monotonic_ns, boottime_ns;
};

void crctl_clock_offsets(const struct nsproxy *ns, struct crctl_clock_offsets *out);

/* ---- the thread group being dumped ---- */

/*
 * A stopped thread group, every thread of it verified not to run (see
 * proc/stopped.c). threads[0] is the leader. Others may have outlived it: then
 * it has its ids, name and credentials still, and no memory, files or stack;
 * what threads have in common is taken from the first that lives. Ids are those
 * of @ns, the pid namespace of the opener.
 */
struct crctl_group {
	struct task_struct *leader;
	unsigned int first;		/* of the threads that live: 1 if the leader has exited */
	struct mm_struct *mm;
	struct pid_namespace *ns;
	unsigned int nr_threads;
	struct task_struct **threads;
	struct pid **pids;		/* of each thread */
	unsigned int nr_stacks;		/* threads from the first on whose stacks are held */
	unsigned long *switches;	/* wait_task_inactive() of each thread */
	u64 realtime_ns, monotonic_ns, boottime_ns;	/* the machine's */
	struct crctl_clock_offsets offsets;
	u64 xfeatures_used;		/* filled in by crctl_regs_dump() */
};

static inline struct task_struct *crctl_first(const struct crctl_group *g)
{
	return g->threads[g->first];
}

/*
 * kinds/: the dump halves. Each appends its notes, or calls crctl_refuse() for
 * what it does not know. Called with exec_update_lock of the leader held for
 * reading. They return 0 or a negative errno (never for a refusal).
 */
/* mm.c: MM, NT_AUXV, VDSO */
int crctl_mm_dump(struct crctl_group *g, struct crctl_notes *n);
/* vma.c: VMA, NT_FILE */
int crctl_vma_dump(struct crctl_group *g, struct crctl_notes *n);
/* regs.c: NT_PRSTATUS, NT_X86_XSTATE */
int crctl_regs_dump(struct crctl_group *g, unsigned int idx, struct crctl_notes *n);
/* thread.c: THREAD */
int crctl_thread_dump(struct crctl_group *g, unsigned int idx, struct crctl_notes *n);
/* moment.c: what the next four say together */
int crctl_moment_dump(struct crctl_group *g, struct crctl_notes *n);

#define CRCTL_MAX_TIMERS	65536u

/* What is collected with the lock of the group's signals held. */
struct crctl_moment {
	struct {
		u64 value_ns, interval_ns;
	} itimer[3];			/* as in struct crctl_process */
	struct crctl_timer *timers;	/* kvmalloc'ed */
	u32 nr_timers, timers_room;	/* there may be more than there is room for */
	struct crctl_sigpending *pending; /* the same */
	u32 nr_pending, pending_room;
};

/* process.c: PROCESS, NT_PRPSINFO */
int crctl_process_dump(struct crctl_group *g, const struct crctl_moment *m,
		       struct crctl_notes *n);
/* signals.c: SIGACTION, SIGPENDING */
void crctl_pending_collect(struct crctl_group *g, struct crctl_moment *m);
int crctl_signals_dump(struct crctl_group *g, const struct crctl_moment *m,
		       struct crctl_notes *n);
/* timers.c: TIMER */
void crctl_itimers_collect(struct crctl_group *g, struct crctl_moment *m);
void crctl_timers_collect(struct crctl_group *g, struct crctl_moment *m);
int crctl_timers_dump(struct crctl_group *g, struct crctl_moment *m, struct crctl_notes *n);
/* creds.c: CREDS */
int crctl_creds_dump(struct crctl_group *g, struct crctl_notes *n);
/* descriptors.c, terminal.c, tcp.c, udp.c, netlink.c, mqueue.c, unread.c: DESCRIPTOR */
int crctl_descriptors_dump(struct crctl_group *g, struct crctl_notes *n);

/* mempolicy.c: MEMPOLICY */
int crctl_mempolicy_dump(struct crctl_group *g, struct crctl_notes *n);
/* sysv_sem.c: SEM_UNDO */
int crctl_sem_dump(struct crctl_group *g, struct crctl_notes *n);

struct crctl_told {
	struct crctl_descriptor *recs;
	u32 count;
	u8 *extra;
	u32 extra_size, extra_room;
};

#define CRCTL_TERMINAL_RECORDS	4
#define CRCTL_TERMINAL_EXTRA	(96u << 10)

bool crctl_is_pty_master(const struct file *file);
void crctl_terminal_tell(struct file *file, u32 fd, struct crctl_told *told);

#define CRCTL_TCP_RECORDS	2

u32 crctl_tcp_room(struct file *file);
bool crctl_is_udp(const struct sock *sk);
u64 crctl_udp_look(struct file *file);
u64 crctl_netlink_look(struct file *file);
void crctl_unread_show(struct file *file);
void crctl_tcp_tell(struct file *file, u32 fd, struct crctl_told *told, u32 room);
bool crctl_is_mqueue(const struct file *file);
u32 crctl_mqueue_room(const struct file *file);
void crctl_mqueue_tell(const struct file *file, u32 fd, struct crctl_told *told, u32 room);

/* What was put behind the extra area that has been told of so far: nothing if there is nothing. */
static inline void crctl_tell_data(struct crctl_told *told, u32 fd, u32 what, u32 size)
{
	if (!size)
		return;
	told->recs[told->count++] = (struct crctl_descriptor){
		.fd = fd, .what = what, .value = (u64)size << 32 | told->extra_size,
	};
	/* what is between is never told of */
	if (size % 2)
		told->extra[told->extra_size + size] = 0;
	told->extra_size += round_up(size, 2);
}

/* Parts of the THREAD and MM notes that have modules of their own. */
u32 crctl_prctl_dump(struct task_struct *t);				/* prctl.c */
void crctl_pkeys_dump(struct crctl_group *g, struct crctl_mm *out);		/* pkeys.c */
void crctl_restart_dump(struct crctl_group *g, struct task_struct *t,
			struct crctl_thread *out, struct crctl_notes *n);	/* restart.c */

/* lock_task_sighand(), which is not exported; false: it has gone. */
static inline bool crctl_lock_sighand(struct task_struct *t, unsigned long *flags)
{
	return __cond_lock(&t->sighand->siglock, crctl_call(lock_task_sighand)(t, flags));
}

/* The handlers of a task that cannot lose them now: it is current, or siglock is held. */
static inline struct sighand_struct *crctl_sighand(struct task_struct *t)
{
	return rcu_dereference_protected(t->sighand, true);
}

/* ---- life cycle, main.c ---- */

/*
 * A restore in flight pins the module; crctl_put() may be the last thing a
 * task does in module text, which module_exit accounts for
 * (synchronize_rcu_tasks).
 */
static inline void crctl_get(void) { __module_get(THIS_MODULE); }
static inline void crctl_put(void) { module_put(THIS_MODULE); }

int crctl_proc_init(void);	/* proc/entries.c: hooks in place, armed */
void crctl_proc_exit(void);	/* only after a successful disarm */
int crctl_arm(void);
int crctl_disarm(void);		/* 0 or -EBUSY, and then nothing has changed */

int crctl_restore_init(void);	/* restore/binfmt.c */
void crctl_restore_register(void);
void crctl_restore_exit(void);

/* net/session.c: /proc/net/crctl */
#ifdef CONFIG_NETFILTER
int crctl_net_init(void);
void crctl_net_exit(void);
#else
static inline int crctl_net_init(void) { return -EOPNOTSUPP; }
static inline void crctl_net_exit(void) { }
#endif

#endif /* CRCTL_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel keeps for one thread besides registers, signals and
 * credentials: ids, name, alternate stack, robust list, clear_child_tid, rseq,
 * timer slack, parent death signal.
 */
#include <linux/pid.h>
#include <linux/prctl.h>
#include <linux/mutex.h> /* futex.h of 6.12 needs it */
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <linux/uaccess.h>
#include <asm/syscall.h>

#include "compat/rseq.h"
#include "restore/restore.h"

/* ---- dump ---- */

static void dump_pids(struct crctl_group *g, unsigned int idx,
		      struct crctl_thread *out, u32 *pids)
{
	const struct pid *pid = g->pids[idx];
	unsigned int level;

	/* From the reader's namespace inwards; the reader sees the task, so it is an ancestor. */
	for (level = g->ns->level; level <= pid->level; level++)
		pids[out->nr_pids++] = pid->numbers[level].nr;
}

static void refuse_thread(struct crctl_group *g, struct task_struct *t,
			  struct crctl_notes *n)
{
	pid_t tid = task_pid_nr_ns(t, g->ns);
	unsigned int i;

	for (i = 0; i < HBP_NUM; i++)
		if (t->thread.ptrace_bps[i]) {
			crctl_refuse(n, CRCTL_REFUSE_DEBUGREG, tid, 0, i,
				     "a thread has a hardware breakpoint");
			break;
		}
	if (t->thread.io_bitmap || t->thread.iopl_emul)
		crctl_refuse(n, CRCTL_REFUSE_IOPERM, tid, 0, 0,
			     "a thread has access to I/O ports (ioperm or iopl)");
	if (crctl_syscall_dispatch(t))
		crctl_refuse(n, CRCTL_REFUSE_SYSCALL_DISPATCH, tid, 0, 0,
			     "a thread uses syscall user dispatch");
	if (crctl_rseq_slice(t))
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, 0,
			     "a thread asked for longer time slices (PR_RSEQ_SLICE_EXTENSION)");
	if (t->personality != crctl_first(g)->personality)
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, t->personality,
			     "a thread has a personality of its own");
#ifdef CONFIG_SCHED_CORE
	if (t->core_cookie)
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, 0,
			     "a thread has a core scheduling cookie (PR_SCHED_CORE)");
#endif
	if (t->group_leader != g->leader)
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, 0,
			     "a thread left its group");
}

static int dump_state(struct crctl_group *g, struct task_struct *t, struct crctl_thread *out,
		      struct crctl_notes *n)
{
	unsigned long flags;

	if (!crctl_lock_sighand(t, &flags))
		return -ESRCH;
	/* In sigsuspend(2) and its like the task's own mask is the saved one. */
	out->sigmask = test_tsk_restore_sigmask(t) ? t->saved_sigmask.sig[0]
						   : t->blocked.sig[0];
	unlock_task_sighand(t, &flags);
	out->sas_sp = t->sas_ss_sp;
	out->sas_size = t->sas_ss_size;
	out->sas_flags = t->sas_ss_flags & SS_AUTODISARM;
	if (!t->sas_ss_size)
		out->sas_flags |= SS_DISABLE;
	out->pdeath_signal = t->pdeath_signal;
	out->robust_list = (unsigned long)CRCTL_ROBUST_LIST(t);
	out->clear_child_tid = (unsigned long)t->clear_child_tid;
	crctl_rseq_read(t, &out->rseq, &out->rseq_len, &out->rseq_sig);
	out->timer_slack_ns = t->timer_slack_ns;
	out->settings = crctl_prctl_dump(t);
	out->seccomp_mode = t->seccomp.mode;
	crctl_restart_dump(g, t, out, n);
	refuse_thread(g, t, n);
	return 0;
}

int crctl_thread_dump(struct crctl_group *g, unsigned int idx, struct crctl_notes *n)
{
	struct task_struct *t = g->threads[idx];
	struct crctl_thread out = { };
	u32 pids[CRCTL_MAX_PID_LEVELS + 1];
	int ret = 0;

	BUILD_BUG_ON(MAX_PID_NS_LEVEL > CRCTL_MAX_PID_LEVELS);
	dump_pids(g, idx, &out, pids);
	task_lock(t);
	memcpy(out.comm, t->comm, sizeof(out.comm));
	task_unlock(t);
	out.comm[sizeof(out.comm) - 1] = '\0';
	if (idx < g->first) {
		out.exited = 1;
		out.exit_status = (t->exit_code >> 8) & 0xff;
	} else {
		ret = dump_state(g, t, &out, n);
	}
	return ret ?: crctl_note_records(n, CRCTL_NT_THREAD, &out, sizeof(out), 1,
				  pids, sizeof(u32) * out.nr_pids);
}

/* ---- restore ---- */

static int prctl_value(struct crctl_restore *r, int option, unsigned long value,
		       const char *name)
{
	long ret = CRCTL_SYS(prctl, option, value);

	return ret ? crctl_restore_fail(r, ret, "thread", value, "cannot set %s", name) : 0;
}

/*
 * Registration forgets a critical section (fd881d0a085f, "rseq: Fix segfault on
 * registration when rseq_cs is non-zero"): the address of its descriptor, which
 * is in the program's memory, is put back. A thread that was caught inside one
 * has to go to the abort address, as after any other interruption.
 */
static int register_rseq(const struct crctl_thread *t)
{
	__u64 __user *section = (void __user *)((unsigned long)t->rseq +
						offsetof(struct rseq, rseq_cs));
	__u64 saved;
	long ret;

	if (get_user(saved, section))
		return -EFAULT;
	ret = CRCTL_SYS(rseq, t->rseq, t->rseq_len, 0, t->rseq_sig);
	if (!ret && saved && put_user(saved, section))
		ret = -EFAULT;
	return ret;
}

/* Comes after the credentials: a change of those clears the death signal. */
int crctl_thread_restore(struct crctl_restore *r, u32 idx)
{
	struct crctl_thread t;
	int ret = 0;

	crctl_rec(&r->img.threads[idx].rec, 0, &t, sizeof(t));
	crctl_call(__set_task_comm)(current, t.comm, false);
	if (t.exited)
		return 0;

	if (!(t.sas_flags & SS_DISABLE) && t.sas_size) {
		current->sas_ss_sp = t.sas_sp;
		current->sas_ss_size = t.sas_size;
		current->sas_ss_flags = t.sas_flags & SS_AUTODISARM;
	} else {
		current->sas_ss_sp = 0;
		current->sas_ss_size = 0;
		current->sas_ss_flags = SS_DISABLE;
	}
	current->clear_child_tid = (int __user *)(unsigned long)t.clear_child_tid;
	if (t.robust_list &&
	    CRCTL_SYS(set_robust_list, t.robust_list, sizeof(struct robust_list_head)))
		return crctl_restore_fail(r, -EINVAL, "thread", t.robust_list,
					  "cannot set the robust list");
	if (t.rseq && register_rseq(&t))
		return crctl_restore_fail(r, -EINVAL, "thread", t.rseq,
					  "cannot register rseq");
	if (t.timer_slack_ns && t.timer_slack_ns != current->timer_slack_ns)
		ret = prctl_value(r, PR_SET_TIMERSLACK, t.timer_slack_ns, "the timer slack");
	if (!ret && t.pdeath_signal)
		ret = prctl_value(r, PR_SET_PDEATHSIG, t.pdeath_signal,
				  "the parent death signal");
	return ret;
}

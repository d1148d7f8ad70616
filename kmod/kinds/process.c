// SPDX-License-Identifier: GPL-2.0
/* What belongs to a thread group as such, and NT_PRPSINFO for debuggers. */
#include <linux/elfcore.h>
#include <linux/prctl.h>
#include <linux/sched/jobctl.h>

#include "compat/signals.h"
#include "compat/timers.h"
#include "restore/restore.h"

/* ---- dump ---- */

static int dump_prpsinfo(struct crctl_group *g, struct crctl_notes *n)
{
	struct elf_prpsinfo *ps = crctl_note_reserve(n, "CORE", NT_PRPSINFO, sizeof(*ps));
	struct task_struct *t = g->leader;

	if (!ps)
		return -ENOMEM;
	ps->pr_sname = 'T';
	ps->pr_nice = task_nice(t);
	ps->pr_pid = task_pid_nr_ns(t, g->ns);
	ps->pr_ppid = task_ppid_nr_ns(t, g->ns);
	ps->pr_pgrp = task_pgrp_nr_ns(t, g->ns);
	ps->pr_sid = task_session_nr_ns(t, g->ns);
	task_lock(t);
	strscpy(ps->pr_fname, t->comm, sizeof(ps->pr_fname));
	strscpy(ps->pr_psargs, t->comm, sizeof(ps->pr_psargs));
	task_unlock(t);
	return 0;
}

int crctl_process_dump(struct crctl_group *g, const struct crctl_moment *m,
		       struct crctl_notes *n)
{
	struct signal_struct *sig = g->leader->signal;
	struct crctl_process out = {
		.exit_signal = g->leader->exit_signal,
		.child_subreaper = sig->is_child_subreaper,
		.next_timer_id = crctl_next_timer_id(sig),
	};
	const char *unsaved = crctl_signal_unsaved(sig);
	unsigned long flags;
	int ret = dump_prpsinfo(g, n);

	if (ret)
		return ret;
	if (unsaved)
		crctl_refuse(n, CRCTL_REFUSE_THREAD, 0, 0, 0, "%s", unsaved);
	if (!crctl_lock_sighand(g->leader, &flags))
		return -ESRCH;
	if (sig->flags & SIGNAL_STOP_STOPPED)
		out.stop_signal = (crctl_first(g)->jobctl & JOBCTL_STOP_SIGMASK) ?: SIGSTOP;
	unlock_task_sighand(g->leader, &flags);
	BUILD_BUG_ON(sizeof(out.itimer) != sizeof(m->itimer));
	memcpy(out.itimer, m->itimer, sizeof(out.itimer));
	return crctl_note_records(n, CRCTL_NT_PROCESS, &out, sizeof(out), 1, NULL, 0);
}

/* ---- restore ---- */

int crctl_process_restore(struct crctl_restore *r)
{
	long ret = crctl_fault(RESTORE_PROCESS) ?:
		   CRCTL_SYS(prctl, PR_SET_CHILD_SUBREAPER, !!r->img.process.child_subreaper);

	if (ret)
		return crctl_restore_fail(r, ret, "process", 0, "cannot set the subreaper mark");
	return 0;
}

/*
 * exec made it SIGCHLD, and a parent that has executed something since the fork
 * gets no other. That keeps a signal of the child's choice from a parent that
 * gained privilege; so only those have it back who are privileged over all
 * (anybody may be in a user namespace of his own), and once the gate is
 * open, when the parent has executed its own image.
 */
void crctl_exit_signal_restore(struct crctl_restore *r)
{
	int sig = r->img.process.exit_signal;

	if (sig == SIGCHLD || !r->host_privileged)
		return;
	rcu_read_lock();
	current->parent_exec_id = READ_ONCE(rcu_dereference(current->real_parent)->self_exec_id);
	rcu_read_unlock();
	current->exit_signal = sig;
}

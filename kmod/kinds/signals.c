// SPDX-License-Identifier: GPL-2.0
/* Signal actions of a thread group, and signals pending for it or its threads. */
#include <linux/signal.h>
#include <linux/uaccess.h>

#include "compat/signals.h"
#include "restore/restore.h"

/* ---- dump ---- */

static int dump_actions(struct crctl_group *g, struct crctl_notes *n)
{
	struct crctl_sigaction *out;
	unsigned long flags;
	int i, ret;

	out = kcalloc(_NSIG, sizeof(*out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	if (!crctl_lock_sighand(g->leader, &flags)) {
		kfree(out);
		return -ESRCH;
	}
	for (i = 0; i < _NSIG; i++) {
		const struct sigaction *sa = &crctl_sighand(g->leader)->action[i].sa;

		out[i].handler = (unsigned long)sa->sa_handler;
		/* flags above 32 bits are the kernel's own (SA_IMMUTABLE) */
		out[i].flags = (u32)sa->sa_flags;
		out[i].restorer = (unsigned long)sa->sa_restorer;
		out[i].mask = sa->sa_mask.sig[0];
	}
	unlock_task_sighand(g->leader, &flags);
	ret = crctl_note_records(n, CRCTL_NT_SIGACTION, out, sizeof(*out), _NSIG, NULL, 0);
	kfree(out);
	return ret;
}

/* Called with siglock held; counts on when there is no room. */
static void collect(struct crctl_moment *m, struct sigpending *pending, u32 target)
{
	const struct sigqueue *q;
	sigset_t queued;
	int sig;

	sigemptyset(&queued);
	list_for_each_entry(q, &pending->list, list) {
		if (q->info.si_signo == SIGKILL)
			continue;
		sigaddset(&queued, q->info.si_signo);
		if (m->nr_pending < m->pending_room) {
			struct crctl_sigpending *rec = &m->pending[m->nr_pending];
			struct kernel_siginfo info = q->info;

			/* the kernel's own link from a signal to its timer */
			if (info.si_code == SI_TIMER)
				info.si_sys_private = 0;
			rec->target = target;
			rec->signo = info.si_signo;
			memcpy(rec->info, &info, sizeof(info));
		}
		m->nr_pending++;
	}
	/* A standard signal may be pending without an entry, when memory was short. */
	for (sig = 1; sig <= _NSIG; sig++) {
		if (!sigismember(&pending->signal, sig) || sigismember(&queued, sig) ||
		    sig == SIGKILL)
			continue;
		if (m->nr_pending < m->pending_room) {
			struct crctl_sigpending *rec = &m->pending[m->nr_pending];
			struct kernel_siginfo info;

			clear_siginfo(&info);
			info.si_signo = sig;
			info.si_code = SI_USER;
			rec->target = target;
			rec->signo = sig;
			memcpy(rec->info, &info, sizeof(info));
		}
		m->nr_pending++;
	}
}

void crctl_pending_collect(struct crctl_group *g, struct crctl_moment *m)
{
	unsigned int i;

	collect(m, &g->leader->signal->shared_pending, 0);
	for (i = g->first; i < g->nr_threads; i++)
		collect(m, &g->threads[i]->pending, i + 1);
}

int crctl_signals_dump(struct crctl_group *g, const struct crctl_moment *m,
		       struct crctl_notes *n)
{
	int ret = dump_actions(g, n);

	if (!ret && m->nr_pending)
		ret = crctl_note_records(n, CRCTL_NT_SIGPENDING, m->pending,
					 sizeof(*m->pending), m->nr_pending, NULL, 0);
	return ret;
}

/* ---- restore ---- */

int crctl_signals_restore(struct crctl_restore *r)
{
	struct sighand_struct *sighand = crctl_sighand(current);
	struct crctl_sigaction sa;
	int i;

	spin_lock_irq(&sighand->siglock);
	for (i = 0; i < _NSIG; i++) {
		struct k_sigaction *k = &sighand->action[i];

		if (sig_kernel_only(i + 1))
			continue;
		crctl_rec(&r->img.sigaction, i, &sa, sizeof(sa));
		k->sa.sa_handler = (__sighandler_t)(unsigned long)sa.handler;
		k->sa.sa_flags = sa.flags & CRCTL_SA_FLAGS;
		k->sa.sa_flags |= sa.flags & SA_RESTORER;
		k->sa.sa_restorer = (__sigrestore_t)(unsigned long)sa.restorer;
		k->sa.sa_mask.sig[0] = sa.mask;
		sigdelsetmask(&k->sa.sa_mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	}
	spin_unlock_irq(&sighand->siglock);
	/*
	 * What arrived while the tree was rebuilt (SIGCHLD of a zombie, say)
	 * is not the program's. A SIGKILL that goes with it has left its mark.
	 */
	flush_signals(current);
	return READ_ONCE(current->signal->flags) & SIGNAL_GROUP_EXIT ? -EINTR : 0;
}

/*
 * Signals for the thread itself, and by the leader those for the group. The
 * system calls let a task send itself what the kernel sent it before.
 */
int crctl_signals_resend(struct crctl_restore *r, u32 idx)
{
	void __user *page = (void __user *)r->scratch;
	struct crctl_sigpending sp;
	siginfo_t info;
	long err;
	u32 i;

	BUILD_BUG_ON(sizeof(siginfo_t) != CRCTL_SIGINFO_SIZE);
	for (i = 0; i < r->img.sigpending.count; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		crctl_rec(&r->img.sigpending, i, &sp, sizeof(sp));
		if (sp.target != idx + 1 && !(sp.target == 0 && idx == 0))
			continue;
		memcpy(&info, sp.info, sizeof(info));
		info.si_signo = sp.signo;
		if (info.si_code == SI_TIMER)
			info._sifields._timer._sys_private = 0;
		if (copy_to_user(page, &info, sizeof(info)))
			return -EFAULT;
		if (sp.target)
			err = CRCTL_SYS(rt_tgsigqueueinfo, task_tgid_vnr(current),
					task_pid_vnr(current), sp.signo, page);
		else
			err = CRCTL_SYS(rt_sigqueueinfo, task_tgid_vnr(current),
					sp.signo, page);
		/* RLIMIT_SIGPENDING of the restoring user may be used up */
		if (err)
			return crctl_restore_fail(r, err, "signals", sp.signo,
						  "cannot queue signal %u again", sp.signo);
	}
	return 0;
}

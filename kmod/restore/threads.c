// SPDX-License-Identifier: GPL-2.0
/*
 * The last part of a restore, run by each thread as task work on its way to
 * user space: the leader brings the other threads into being, each takes up its
 * own state, all meet, the leader waits at the gate, and all run on. A leader that
 * the others had outlived does all of it too, and exits.
 *
 * Until then every signal but SIGKILL is blocked. Any failure ends
 * the whole thread group by SIGKILL.
 */
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>

#include "compat/signals.h"
#include "restore/restore.h"

/* Wait for @c, which another thread completes; nonzero if we are to die. */
static int wait_for_all(struct completion *c)
{
	return wait_for_completion_killable(c) ? -EINTR : 0;
}

static void one_ready(struct crctl_restore *r)
{
	if (atomic_dec_and_test(&r->pending))
		complete_all(&r->ready);
}

static int scratch_map(struct crctl_restore *r)
{
	unsigned long addr = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, 0);

	if (IS_ERR_VALUE(addr))
		return crctl_restore_fail(r, addr, "memory", 0, "no room for one page");
	r->scratch = addr;
	return 0;
}

/* Run @fn with a page of user memory for the arguments of system calls. */
int crctl_with_scratch(struct crctl_restore *r, u32 idx,
		       int (*fn)(struct crctl_restore *r, u32 idx))
{
	int ret;

	if (mutex_lock_killable(&r->lock))
		return -EINTR;
	ret = scratch_map(r);
	if (!ret) {
		ret = fn(r, idx);
		vm_munmap(r->scratch, PAGE_SIZE);
	}
	mutex_unlock(&r->lock);
	return ret;
}

/*
 * In this order: a filter needs no_new_privs or privilege, ids take privilege
 * away, the rest is free.
 */
static int set_attributes(struct crctl_restore *r, u32 idx)
{
	/* the first thread's was there before its memory */
	int ret = idx ? crctl_mempolicy_restore(r, idx) : 0;

	if (!ret)
		ret = crctl_prctl_restore(r, idx);
	if (!ret)
		ret = crctl_seccomp_restore(r, idx);
	if (!ret)
		ret = crctl_creds_restore(r, idx);
	if (!ret && !idx)
		ret = crctl_timers_restore(r);
	if (!ret)
		ret = crctl_signals_resend(r, idx);
	return ret;
}

static bool has_exited(const struct crctl_restore *r, u32 idx)
{
	return !r->img.threads[idx].prstatus;
}

static int prepare(struct crctl_restore *r, u32 idx)
{
	int ret = crctl_fault(RESTORE_THREAD) ?: crctl_with_scratch(r, idx, set_attributes);

	if (!ret)
		ret = crctl_thread_restore(r, idx);
	/*
	 * After rseq is registered: this sleeps, and so the kernel looks
	 * whether the thread was caught inside a critical section.
	 */
	if (!ret && !has_exited(r, idx))
		ret = crctl_regs_restore(r, idx);
	return ret;
}

/* Nothing here may fail on an image that was accepted: the gate is open. */
static void resume(struct crctl_restore *r, u32 idx)
{
	struct crctl_thread t;
	sigset_t mask;

	crctl_restart_restore(r, idx);
	current->personality = r->img.mm.personality;
	crctl_rec(&r->img.threads[idx].rec, 0, &t, sizeof(t));
	siginitset(&mask, 0);
	mask.sig[0] = t.sigmask;
	sigdelsetmask(&mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	sigprocmask(SIG_SETMASK, &mask, NULL);
	/* an interrupted system call is restarted by the kernel's signal code */
	crctl_call_signal_code();
}

static int follow(struct crctl_restore *r, u32 idx)
{
	int ret = prepare(r, idx);

	if (ret)
		return ret;
	one_ready(r);
	ret = wait_for_all(&r->go);
	if (ret)
		return ret;
	resume(r, idx);
	return 0;
}

/* ---- the leader ---- */

static u32 own_pid(const struct crctl_thread_ref *t)
{
	struct crctl_thread rec;
	u32 pid;

	crctl_rec(&t->rec, 0, &rec, sizeof(rec));
	memcpy(&pid, t->rec.extra + rec.pids_off + 4 * (rec.nr_pids - 1), sizeof(pid));
	return pid;
}

static int make_threads(struct crctl_restore *r)
{
	u32 i;
	int ret;

	atomic_set(&r->pending, r->img.nr_threads);
	for (i = 1; i < r->img.nr_threads; i++) {
		struct crctl_restore_thread *t = &r->threads[i];

		t->set_tid = own_pid(&r->img.threads[i]);
		ret = crctl_fault(RESTORE_CLONE) ?: crctl_landing_clone(r, i);
		/* the freezer or a tracer wants us to stop, which we cannot do here */
		if (ret == -ERESTARTNOINTR)
			return crctl_restore_fail(r, -EBUSY, "threads", t->set_tid,
						  "frozen or stopped by a tracer before all threads were made");
		if (ret)
			return crctl_restore_fail(r, ret, "threads", t->set_tid,
						  "cannot create thread %d", t->set_tid);
	}
	return 0;
}

static int mark_cloexec(struct crctl_restore *r)
{
	u32 i, fd;

	for (i = 0; i < r->img.cloexec.extra_size / 4; i++) {
		struct file *f;

		cond_resched();
		memcpy(&fd, r->img.cloexec.extra + 4 * i, 4);
		/* set_close_on_exec() does not look whether there is such a descriptor */
		f = fget_raw(fd);
		if (!f)
			return crctl_restore_fail(r, -EBADF, "descriptors", fd,
						  "descriptor %u is not open", fd);
		crctl_call(set_close_on_exec)(fd, 1);
		fput(f);
	}
	return 0;
}

/* One byte lets us go; end of file means that the controller is gone or gave up. */
static int wait_at_gate(struct crctl_restore *r)
{
	char line[32], byte;
	loff_t pos = 0;
	ssize_t n;

	if (r->report) {
		int len = scnprintf(line, sizeof(line), "ready %d\n", task_pid_vnr(current));

		n = kernel_write(r->report, line, len, &pos);
		if (n != len)
			return -EPIPE;
	}
	if (!r->gate)
		return 0;
	for (;;) {
		/*
		 * A SIGSTOP that is to take effect once we run would keep
		 * interrupting the read; SIGKILL sets the flag again.
		 */
		clear_thread_flag(TIF_SIGPENDING);
		/* whoever kills queues the signal, then sets the flag: one of the two is seen */
		smp_mb__after_atomic();
		if (fatal_signal_pending(current) ||
		    current->signal->flags & SIGNAL_GROUP_EXIT)
			return -EINTR;
		pos = 0;
		n = kernel_read(r->gate, &byte, 1, &pos);
		if (n == 1)
			return 0;
		if (n != -ERESTARTSYS && n != -EINTR && n != -EAGAIN)
			return -EPIPE;
		cond_resched();
	}
}

static int lead(struct crctl_restore *r)
{
	int ret;

	ret = crctl_fault(RESTORE_LANDED) ?: crctl_signals_restore(r);
	if (!ret)
		ret = make_threads(r);
	if (!ret)
		ret = prepare(r, 0);
	if (!ret)
		ret = crctl_process_restore(r);
	if (!ret)
		ret = mark_cloexec(r);
	if (!ret)
		ret = crctl_peercred_restore(r);
	/* nothing of this process closes a file any more */
	if (!ret && r->img.lock.count)
		ret = crctl_with_scratch(r, 0, crctl_locks_restore);
	if (!ret && r->img.notify.count)
		ret = crctl_with_scratch(r, 0, crctl_notify_restore);
	if (ret)
		return ret;
	one_ready(r);
	ret = wait_for_all(&r->ready) ?: crctl_fault(RESTORE_MET);
	if (ret)
		return ret;
	crctl_landing_unmap(r);
	/* now, because each thread's change of ids resets the dumpable mark */
	ret = crctl_memory_attributes(r);
	if (!ret)
		ret = scratch_map(r);
	if (ret)
		return ret;
	/*
	 * While we wait the limits of the program come back, which may forbid
	 * what must not fail any more: the page for arming timers is there.
	 */
	ret = crctl_memory_finish(r);
	if (!ret)
		ret = crctl_fault(RESTORE_GATE) ?: wait_at_gate(r);
	if (!ret) {
		crctl_exit_signal_restore(r);
		crctl_peerpid_restore(r);
		ret = crctl_timers_arm(r);
	}
	vm_munmap(r->scratch, PAGE_SIZE);
	if (ret)
		return ret;
	if (!has_exited(r, 0))
		resume(r, 0);
	complete_all(&r->go);
	return 0;
}

/*
 * Nothing of this returns: what other task work there is comes first, or files that
 * this thread was the last to let go of would stay open.
 */
static void leave(struct callback_head *work)
{
	struct crctl_restore_thread *t = container_of(work, struct crctl_restore_thread, work);
	struct crctl_restore *r = t->r;
	struct crctl_thread rec;

	if (!(current->flags & PF_EXITING)) {
		if (work->next && !task_work_add(current, work, TWA_RESUME))
			return;
		crctl_rec(&r->img.threads[0].rec, 0, &rec, sizeof(rec));
		crctl_restore_put(r);
		CRCTL_SYS(exit, rec.exit_status);
		return;
	}
	crctl_restore_put(r);
}

void crctl_thread_work(struct callback_head *work)
{
	struct crctl_restore_thread *t = container_of(work, struct crctl_restore_thread, work);
	struct crctl_restore *r = t->r;
	int ret = -EINTR;

	/* a task that dies runs its pending work too */
	if (!(current->flags & PF_EXITING) && !fatal_signal_pending(current))
		ret = t->idx ? follow(r, t->idx) : lead(r);
	if (!ret && has_exited(r, t->idx)) {
		init_task_work(work, leave);
		if (!task_work_add(current, work, TWA_RESUME))
			return;
		ret = -EINTR;
	}
	if (ret) {
		send_sig(SIGKILL, current, 1);
		/*
		 * A group that is exiting already takes no signal, and whoever
		 * waited at the gate has put this away. Not to user space.
		 */
		set_thread_flag(TIF_SIGPENDING);
	}
	crctl_restore_put(r);
}

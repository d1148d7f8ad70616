// SPDX-License-Identifier: GPL-2.0
/*
 * A thread group that does not run, and the proof that it has not run since.
 *
 * Flags that say "stopped" race with a wake-up. wait_task_inactive() sees a
 * thread off its CPU and returns a count of its switches; as long as that
 * count is the same the thread has not run, whatever happened to the flags.
 *
 * A thread counts as stopped only where the kernel would deliver a signal:
 * there its registers are those of the program, and an interrupted system call
 * has said how it wants to be restarted. That is so in a stop by signal or by
 * a tracer and in the freezer's trap, but not for every thread that a freezer
 * calls frozen: a parent in vfork(2) sleeps in the middle of its call, and
 * since 6.1 the cgroup v1 freezer freezes sleepers of many calls where they
 * are.
 */
#include <linux/ptrace.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/task_stack.h>
#include <linux/timekeeping.h>

#include "compat/task.h"
#include "proc/proc.h"

static bool in_freezer_trap(struct task_struct *t)
{
#ifdef CONFIG_CGROUPS
	/* A parent in vfork(2) counts as frozen too, but is not interruptible. */
	return t->frozen &&
	       (crctl_task_state(t) & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)) ==
	       TASK_INTERRUPTIBLE;
#else
	return false;
#endif
}

/* The bits of its state that make @t a stopped thread, 0 if it is none. */
static unsigned int stop_bits(struct task_struct *t)
{
	unsigned int state = crctl_task_state(t);
	unsigned int bits;

	if (state & (__TASK_STOPPED | __TASK_TRACED))
		return state & (__TASK_STOPPED | __TASK_TRACED);
	if (crctl_in_refrigerator(t, &bits))
		return bits;
	if (in_freezer_trap(t))
		return TASK_INTERRUPTIBLE;
	return 0;
}

/* The switch count of a stopped thread, 0 if it runs or sleeps anywhere else. */
static unsigned long stopped_switches(struct task_struct *t)
{
	unsigned long switches;
	unsigned int bits;

	if (t == current)
		return 0;
	bits = stop_bits(t);
	if (!bits)
		return 0;
	switches = crctl_wait_inactive(t, bits);
	/* It may have been on its way into another sleep when it was asked first. */
	return stop_bits(t) == bits ? switches : 0;
}

/*
 * The leader, and the threads of the group that have not exited. Without an
 * array they are only compared with those in @g.
 */
static int list_threads(const struct crctl_group *g, struct task_struct **array,
			unsigned int room)
{
	struct task_struct *t;
	unsigned int nr = 0;
	int err = 0;

	rcu_read_lock();
	for_each_thread(g->leader, t) {
		if (t != g->leader && READ_ONCE(t->exit_state))
			continue;
		if (nr == room || (!array && g->threads[nr] != t)) {
			err = -EBUSY;
			break;
		}
		if (array) {
			get_task_struct(t);
			array[nr] = t;
		}
		nr++;
	}
	rcu_read_unlock();
	if (err) {
		while (array && nr)
			put_task_struct(array[--nr]);
		return err;
	}
	return nr;
}

/**
 * crctl_group_verify() - has any thread of the group run?
 * @g: a group from crctl_group_get()
 *
 * Return: 0 when every thread is as it was, and there is no new one; -EBUSY
 * when one has run; -ESRCH when the process has ended.
 */
int crctl_group_verify(const struct crctl_group *g)
{
	struct task_struct *first = crctl_first(g);
	struct mm_struct *mm;
	unsigned int i;
	int nr;

	for (i = g->first; i < g->nr_threads; i++)
		if (stopped_switches(g->threads[i]) != g->switches[i])
			goto changed;
	nr = list_threads(g, NULL, g->nr_threads);
	if (nr != g->nr_threads)
		goto changed;
	task_lock(first);
	mm = first->mm;
	task_unlock(first);
	if (mm == g->mm)
		return 0;
changed:
	return READ_ONCE(first->exit_state) ? -ESRCH : -EBUSY;
}

/* Is @t in the middle of a system call that has not said how it ended? */
static bool inside_syscall(struct task_struct *t)
{
	struct pt_regs *regs = task_pt_regs(t);

	return regs->orig_ax != -1 && regs->ax == -ENOSYS;
}

/*
 * The PTRACE_EVENT_* that @t is stopped at, 0 for none. @entry: it is stopped by
 * PTRACE_SYSCALL or its like before a call, which would not be made after a
 * restore.
 */
static int ptrace_event_of(struct task_struct *t, bool *entry)
{
	unsigned long flags;
	int code = 0;

	*entry = false;
	if (!crctl_lock_sighand(t, &flags))
		return 0;
	if (t->ptrace && t->last_siginfo && t->last_siginfo->si_signo == SIGTRAP) {
		code = t->last_siginfo->si_code;
		*entry = (code == SIGTRAP || code == (SIGTRAP | 0x80)) && inside_syscall(t) &&
			 t->ptrace_message == PTRACE_EVENTMSG_SYSCALL_ENTRY;
	}
	unlock_task_sighand(t, &flags);
	return code >> 8;
}

static void refuse_thread(struct crctl_group *g, struct task_struct *t, struct crctl_notes *n)
{
	pid_t tid = task_pid_nr_ns(t, g->ns);
	unsigned int bits;
	bool entry;
	int event;

	if (t->flags & CRCTL_PF_KERNEL_PART) {
		crctl_refuse(n, CRCTL_REFUSE_IO_URING, tid, 0, 0,
			     "a worker of io_uring or of a virtual device (vhost), which has no state that could be saved");
		return;
	}
	if (crctl_in_refrigerator(t, &bits) && !crctl_at_signal_stop(t) && inside_syscall(t)) {
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, task_pt_regs(t)->orig_ax,
			     "frozen by the cgroup v1 freezer in the middle of system call %ld; freeze it by ptrace or by cgroup v2",
			     task_pt_regs(t)->orig_ax);
		return;
	}
	event = ptrace_event_of(t, &entry);
	if (entry) {
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, task_pt_regs(t)->orig_ax,
			     "stopped by its tracer before system call %ld",
			     task_pt_regs(t)->orig_ax);
		return;
	}
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_VFORK_DONE:
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, event,
			     "stopped by its tracer in the middle of a fork or clone");
		break;
	case PTRACE_EVENT_EXEC:
	case PTRACE_EVENT_SECCOMP:
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, event,
			     "stopped by its tracer in the middle of a system call");
		break;
	case PTRACE_EVENT_EXIT:
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, event,
			     "stopped by its tracer on its way out of the world");
		break;
	}
}

/**
 * crctl_group_refuse() - refuse threads that are stopped where they cannot be saved
 * @g: the group
 * @n: where refusals go
 */
void crctl_group_refuse(struct crctl_group *g, struct crctl_notes *n)
{
	unsigned int i;

	for (i = g->first; i < g->nr_threads; i++)
		refuse_thread(g, g->threads[i], n);
	/* which a filter of system calls does that kills only the thread, and nothing else */
	if (g->first && g->leader->exit_code & 0x7f)
		crctl_refuse(n, CRCTL_REFUSE_LEADER, task_pid_nr_ns(g->leader, g->ns), 0,
			     g->leader->exit_code,
			     "the first thread was ended by signal %d, which the others outlived",
			     g->leader->exit_code & 0x7f);
}

/*
 * A thread that is killed now goes away under our eyes: its registers are on
 * its stack, its ids in its struct pid, and both go before its task_struct.
 */
static int hold(struct crctl_group *g)
{
	unsigned int i;

	g->pids = kvcalloc(g->nr_threads, sizeof(*g->pids), GFP_KERNEL_ACCOUNT);
	if (!g->pids)
		return -ENOMEM;
	for (i = 0; i < g->nr_threads; i++) {
		if (i >= g->first) {
			if (!try_get_task_stack(g->threads[i]))
				return -ESRCH;
			g->nr_stacks++;
		}
		g->pids[i] = get_task_pid(g->threads[i], PIDTYPE_PID);
		if (!g->pids[i])
			return -ESRCH;
	}
	return 0;
}

static int collect(struct crctl_group *g)
{
	unsigned int i, room;
	int nr;

	room = get_nr_threads(g->leader);
	if (room > CRCTL_MAX_THREADS)
		return -E2BIG;
	g->threads = kvcalloc(room, sizeof(*g->threads), GFP_KERNEL_ACCOUNT);
	g->switches = kvcalloc(room, sizeof(*g->switches), GFP_KERNEL_ACCOUNT);
	if (!g->threads || !g->switches)
		return -ENOMEM;
	nr = list_threads(g, g->threads, room);
	if (nr < 0)
		return nr;
	g->nr_threads = nr;
	g->first = READ_ONCE(g->leader->exit_state) ? 1 : 0;
	if (nr <= g->first)
		return -ESRCH;
	for (i = g->first; i < g->nr_threads; i++) {
		g->switches[i] = stopped_switches(g->threads[i]);
		if (!g->switches[i])
			return -EBUSY;
	}
	return hold(g);
}

/**
 * crctl_group_get() - take hold of a stopped thread group
 * @g: filled in
 * @task: any thread of it
 *
 * The caller holds the group's exec_update_lock for reading. The memory is
 * pinned as a structure only: a process that ends gives its pages back.
 *
 * Return: 0; -EBUSY when a thread is not stopped; -ESRCH when the process has
 * ended, has no memory, or is not in the caller's pid namespace. Whatever it
 * is, crctl_group_put() has to follow.
 */
int crctl_group_get(struct crctl_group *g, struct task_struct *task)
{
	struct task_struct *first;
	int err;

	memset(g, 0, sizeof(*g));
	/*
	 * A thread that has been reaped still points to its leader, which may
	 * be no more: its own struct outlives it only for whoever holds it.
	 */
	rcu_read_lock();
	if (!pid_alive(task)) {
		rcu_read_unlock();
		return -ESRCH;
	}
	g->leader = READ_ONCE(task->group_leader);
	get_task_struct(g->leader);
	rcu_read_unlock();
	g->ns = get_pid_ns(task_active_pid_ns(current));
	if (!task_tgid_nr_ns(g->leader, g->ns))
		return -ESRCH;
	err = collect(g) ?: crctl_fault(DUMP_GROUP);
	if (err)
		return err;

	first = crctl_first(g);
	task_lock(first);
	if (first->mm) {
		g->mm = first->mm;
		mmgrab(g->mm);
	}
	crctl_clock_offsets(first->nsproxy, &g->offsets);
	task_unlock(first);
	if (!g->mm)
		return -ESRCH;

	g->realtime_ns = ktime_get_real_ns();
	g->monotonic_ns = ktime_get_ns();
	g->boottime_ns = ktime_get_boottime_ns();

	/* Threads that were made before the last one was seen to be stopped. */
	return crctl_group_verify(g);
}

/**
 * crctl_group_put() - let go of a thread group
 * @g: the group, empty afterwards
 */
void crctl_group_put(struct crctl_group *g)
{
	unsigned int i;

	for (i = 0; g->pids && i < g->nr_threads; i++)
		put_pid(g->pids[i]);
	for (i = 0; i < g->nr_stacks; i++)
		crctl_call(put_task_stack)(g->threads[g->first + i]);
	for (i = 0; i < g->nr_threads; i++)
		put_task_struct(g->threads[i]);
	kvfree(g->pids);
	kvfree(g->threads);
	kvfree(g->switches);
	if (g->mm)
		mmdrop(g->mm);
	if (g->ns)
		put_pid_ns(g->ns);
	if (g->leader)
		put_task_struct(g->leader);
	memset(g, 0, sizeof(*g));
}

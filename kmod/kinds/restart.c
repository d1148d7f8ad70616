// SPDX-License-Identifier: GPL-2.0
/*
 * Restart blocks: what a sleep, poll or futex wait with a relative timeout
 * needs to go on after an interruption (-ERESTART_RESTARTBLOCK).
 *
 * An image holds a kind and enumerated values, never a function pointer; times
 * are the time that was left, put on the clock anew at the restore.
 */
#include <linux/mutex.h> /* futex.h of 6.12 needs it */
#include <linux/futex.h>
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/restart_block.h>
#include <linux/sched/task_stack.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>

#include "compat/restart.h"
#include "restore/restore.h"

#define FUTEX_F_SHARED	1u
#define FUTEX_F_CLOCKRT	2u
#define FUTEX_F_ABSOLUTE 4u

typedef long (*restart_fn)(struct restart_block *rb);

static u64 left(u64 expires, u64 now)
{
	return expires > now ? expires - now : 1;
}

static int clock_now(clockid_t id, u64 *now)
{
	switch (id) {
	case CLOCK_MONOTONIC:
		*now = ktime_get_ns();
		return 0;
	case CLOCK_REALTIME:
		*now = ktime_get_real_ns();
		return 0;
	case CLOCK_BOOTTIME:
		*now = ktime_get_boottime_ns();
		return 0;
	case CLOCK_TAI:
		*now = ktime_get_clocktai_ns();
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- dump ---- */

void crctl_restart_dump(struct crctl_group *g, struct task_struct *t,
			struct crctl_thread *out, struct crctl_notes *n)
{
	const struct restart_block *rb = &t->restart_block;
	struct pt_regs *regs = task_pt_regs(t);
	pid_t tid = task_pid_nr_ns(t, g->ns);
	u64 now;

	out->in_syscall = (long)regs->orig_ax >= 0;
	if (!out->in_syscall || (long)regs->ax != -ERESTART_RESTARTBLOCK)
		return;
	if ((unsigned long)rb->fn == crctl_symbols.hrtimer_nanosleep_restart) {
		if (clock_now(rb->nanosleep.clockid, &now))
			goto unknown;
		out->restart_kind = CRCTL_RESTART_NANOSLEEP;
		out->restart_arg[0] = rb->nanosleep.clockid;
		out->restart_arg[1] = (unsigned long)rb->nanosleep.rmtp;
		out->restart_arg[2] = rb->nanosleep.type;
		out->restart_left_ns = left(rb->nanosleep.expires, now);
	} else if ((unsigned long)rb->fn == crctl_symbols.do_restart_poll) {
		out->restart_kind = CRCTL_RESTART_POLL;
		out->restart_arg[0] = (unsigned long)rb->poll.ufds;
		out->restart_arg[1] = rb->poll.nfds;
		out->restart_arg[2] = !!rb->poll.has_timeout;
		if (rb->poll.has_timeout)
			out->restart_left_ns = left(crctl_restart_poll_end(rb),
						    g->monotonic_ns);
	} else if ((unsigned long)rb->fn == crctl_symbols.futex_wait_restart) {
		u32 flags = rb->futex.flags;

		out->restart_kind = CRCTL_RESTART_FUTEX;
		out->restart_arg[0] = (unsigned long)rb->futex.uaddr;
		out->restart_arg[1] = rb->futex.val;
		out->restart_arg[2] = rb->futex.bitset;
		if (flags & CRCTL_FLAGS_SHARED)
			out->restart_arg[3] |= FUTEX_F_SHARED;
		if (flags & CRCTL_FLAGS_CLOCKRT)
			out->restart_arg[3] |= FUTEX_F_CLOCKRT;
		/* FUTEX_WAIT alone has a relative timeout; the operation is its 2nd argument */
		if ((regs->si & FUTEX_CMD_MASK) != FUTEX_WAIT)
			out->restart_arg[3] |= FUTEX_F_ABSOLUTE;
		if (flags & CRCTL_FLAGS_HAS_TIMEOUT) {
			out->restart_arg[4] = 1;
			out->restart_left_ns =
				left(rb->futex.time,
				     flags & CRCTL_FLAGS_CLOCKRT ? g->realtime_ns
								  : g->monotonic_ns);
		}
	} else if ((unsigned long)rb->fn != crctl_symbols.do_no_restart_syscall) {
		goto unknown;
	}
	return;
unknown:
	crctl_refuse(n, CRCTL_REFUSE_RESTART, tid, 0, regs->orig_ax,
		     "a thread waits in system call %lu in a way that cannot be resumed (a sleep on a CPU clock or an alarm clock)",
		     regs->orig_ax);
}

/* ---- restore ---- */

/* Of a reading of our own clock: the kernel waits by the machine's. */
static u64 machine_monotonic(u64 own)
{
	struct crctl_clock_offsets offsets;

	crctl_clock_offsets(current->nsproxy, &offsets);
	return own - offsets.monotonic_ns;
}

/* Called last, so that the time on the clocks is that of the resumption. */
void crctl_restart_restore(struct crctl_restore *r, u32 idx)
{
	struct restart_block *rb = &current->restart_block;
	struct crctl_thread t;
	u64 now;

	crctl_rec(&r->img.threads[idx].rec, 0, &t, sizeof(t));
	crctl_restart_native(rb);
	rb->fn = (restart_fn)crctl_symbols.do_no_restart_syscall;
	switch (t.restart_kind) {
	case CRCTL_RESTART_NANOSLEEP:
		if (clock_now(t.restart_arg[0], &now))
			return;		/* the parser let only these clocks through */
		rb->nanosleep.clockid = t.restart_arg[0];
		rb->nanosleep.type = t.restart_arg[2];
		rb->nanosleep.rmtp = (void __user *)(unsigned long)t.restart_arg[1];
		rb->nanosleep.expires = now + t.restart_left_ns;
		rb->fn = (restart_fn)crctl_symbols.hrtimer_nanosleep_restart;
		break;
	case CRCTL_RESTART_POLL:
		rb->poll.ufds = (void __user *)(unsigned long)t.restart_arg[0];
		rb->poll.nfds = t.restart_arg[1];
		rb->poll.has_timeout = t.restart_arg[2];
		crctl_restart_poll_set_end(rb, ktime_get_ns() + t.restart_left_ns);
		rb->fn = (restart_fn)crctl_symbols.do_restart_poll;
		break;
	case CRCTL_RESTART_FUTEX:
		rb->futex.uaddr = (u32 __user *)(unsigned long)t.restart_arg[0];
		rb->futex.val = t.restart_arg[1];
		rb->futex.bitset = t.restart_arg[2];
		rb->futex.flags = CRCTL_FLAGS_BASE;
		if (t.restart_arg[3] & FUTEX_F_SHARED)
			rb->futex.flags |= CRCTL_FLAGS_SHARED;
		if (t.restart_arg[3] & FUTEX_F_CLOCKRT)
			rb->futex.flags |= CRCTL_FLAGS_CLOCKRT;
		if (t.restart_arg[4]) {
			if (t.restart_arg[3] & FUTEX_F_ABSOLUTE)
				now = t.restart_arg[3] & FUTEX_F_CLOCKRT ?
					r->img.info.realtime_ns :
					machine_monotonic(r->img.info.monotonic_ns);
			else
				now = t.restart_arg[3] & FUTEX_F_CLOCKRT ?
					ktime_get_real_ns() : ktime_get_ns();
			rb->futex.flags |= CRCTL_FLAGS_HAS_TIMEOUT;
			rb->futex.time = now + t.restart_left_ns;
		}
		rb->fn = (restart_fn)crctl_symbols.futex_wait_restart;
		break;
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Timers and pending signals, in one and the same moment: clocks go on while the
 * tasks are stopped, and what expires turns from the one into the other. Saved one
 * after the other, the signal of a timer that expires in between would be lost.
 */
#include "crctl.h"

static int make_room(struct crctl_moment *m)
{
	if (m->nr_pending > m->pending_room) {
		kvfree(m->pending);
		m->pending_room = m->nr_pending + 8;
		m->pending = kvcalloc(m->pending_room, sizeof(*m->pending), GFP_KERNEL_ACCOUNT);
		if (!m->pending)
			return -ENOMEM;
	}
	if (m->nr_timers > m->timers_room) {
		kvfree(m->timers);
		m->timers_room = m->nr_timers;
		m->timers = kvcalloc(m->timers_room, sizeof(*m->timers), GFP_KERNEL_ACCOUNT);
		if (!m->timers)
			return -ENOMEM;
	}
	return 0;
}

/* More may arrive between counting and collecting: go round. */
static int collect(struct crctl_group *g, struct crctl_moment *m)
{
	unsigned long flags;
	int ret;

	for (;;) {
		m->nr_pending = 0;
		m->nr_timers = 0;
		if (!crctl_lock_sighand(g->leader, &flags))
			return -ESRCH;
		crctl_itimers_collect(g, m);
		crctl_timers_collect(g, m);
		crctl_pending_collect(g, m);
		unlock_task_sighand(g->leader, &flags);
		if (m->nr_pending <= m->pending_room && m->nr_timers <= m->timers_room)
			return 0;
		if (m->nr_timers > CRCTL_MAX_TIMERS)
			return -E2BIG;
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = make_room(m);
		if (ret)
			return ret;
	}
}

/**
 * crctl_moment_dump() - append the PROCESS, SIGACTION, SIGPENDING and TIMER notes
 * @g: the group
 * @n: the notes
 *
 * Return: 0 or a negative errno.
 */
int crctl_moment_dump(struct crctl_group *g, struct crctl_notes *n)
{
	struct crctl_moment m = { };
	int ret = collect(g, &m) ?:
		  crctl_process_dump(g, &m, n) ?:
		  crctl_signals_dump(g, &m, n) ?:
		  crctl_timers_dump(g, &m, n);

	kvfree(m.pending);
	kvfree(m.timers);
	return ret;
}

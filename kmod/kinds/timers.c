// SPDX-License-Identifier: GPL-2.0
/*
 * Interval timers and POSIX timers. Saved with the time that is left; set again
 * relative to the moment of the resumption.
 */
#include <linux/hrtimer.h>
#include <linux/sort.h>
#include <linux/time64.h>
#include <linux/uaccess.h>

#include "compat/timers.h"
#include "restore/restore.h"

#define MAX_TIMERS	65536u

/* ---- dump ---- */

static void cpu_itimer(const struct cpu_itimer *it, u64 now, u64 *value, u64 *interval)
{
	*interval = it->incr;
	if (it->expires)
		*value = it->expires > now ? it->expires - now : 1;
}

void crctl_itimers_dump(struct crctl_group *g, struct crctl_process *out)
{
	struct signal_struct *sig = g->leader->signal;
	struct hrtimer *real = &sig->real_timer;
	unsigned long flags;
	u64 utime, stime;

	if (!crctl_lock_sighand(g->leader, &flags))
		return;
	out->itimer[0].interval_ns = ktime_to_ns(sig->it_real_incr);
	if (hrtimer_active(real))
		out->itimer[0].value_ns = max_t(s64, 1, ktime_to_ns(hrtimer_get_remaining(real)));
	/* kept up to date by the tick for as long as a CPU timer is armed */
	utime = atomic64_read(&sig->cputimer.cputime_atomic.utime);
	stime = atomic64_read(&sig->cputimer.cputime_atomic.stime);
	cpu_itimer(&sig->it[CPUCLOCK_VIRT], utime,
		   &out->itimer[1].value_ns, &out->itimer[1].interval_ns);
	cpu_itimer(&sig->it[CPUCLOCK_PROF], utime + stime,
		   &out->itimer[2].value_ns, &out->itimer[2].interval_ns);
	unlock_task_sighand(g->leader, &flags);
}

static bool known_clock(clockid_t id)
{
	return id == CLOCK_REALTIME || id == CLOCK_MONOTONIC ||
	       id == CLOCK_BOOTTIME || id == CLOCK_TAI;
}

static u32 thread_index(struct crctl_group *g, struct pid *pid)
{
	unsigned int i;

	for (i = 0; i < g->nr_threads; i++)
		if (g->pids[i] == pid)
			return i + 1;
	return 0;
}

/*
 * The time to the next expiry. A periodic timer whose signal is pending is not
 * queued; it would be set anew when the signal is taken. The signal itself is
 * saved with the pending ones, so only the next period is wanted here.
 */
static u64 timer_left(const struct k_itimer *kt)
{
	const struct hrtimer *t = &kt->it.real.timer;
	/* with the lock of its base: the base may be changing, if the process has been woken */
	s64 left = ktime_to_ns(__hrtimer_get_remaining(t, false));
	s64 interval = ktime_to_ns(kt->it_interval);
	u64 periods;

	if (left > 0 && (hrtimer_active(t) || kt->it_sigev_notify == SIGEV_NONE))
		return left;
	if (!interval)
		return hrtimer_active(t) ? 1 : 0;
	if (left > 0)
		return left;	/* the clock was set back since */
	periods = div64_u64(-left, interval) + 1;
	return left + periods * interval;
}

static void dump_timer(struct crctl_group *g, const struct k_itimer *kt,
		       struct crctl_timer *out)
{
	const struct kernel_siginfo *info = crctl_timer_info(kt);

	out->id = kt->it_id;
	out->clock_id = kt->it_clock;
	out->notify = kt->it_sigev_notify;
	out->signo = info->si_signo;
	out->sigev_value = (unsigned long)info->si_value.sival_ptr;
	if (kt->it_sigev_notify & SIGEV_THREAD_ID)
		out->target = thread_index(g, kt->it_pid);
	out->interval_ns = ktime_to_ns(kt->it_interval);
	out->left_ns = known_clock(kt->it_clock) ? timer_left(kt) : 0;
}

static int by_id(const void *a, const void *b)
{
	return ((const struct crctl_timer *)a)->id - ((const struct crctl_timer *)b)->id;
}

int crctl_timers_dump(struct crctl_group *g, struct crctl_notes *n)
{
	struct crctl_timer *recs = NULL;
	struct k_itimer *kt;
	unsigned long flags;
	u32 count, size = 0, i;
	int ret = 0;

	for (;;) {
		count = 0;
		if (!crctl_lock_sighand(g->leader, &flags)) {
			ret = -ESRCH;
			break;
		}
		crctl_for_each_timer(kt, g->leader->signal) {
			if (count < size)
				dump_timer(g, kt, &recs[count]);
			count++;
		}
		unlock_task_sighand(g->leader, &flags);
		if (count <= size || count > MAX_TIMERS)
			break;
		kvfree(recs);
		size = count;
		recs = kvcalloc(size, sizeof(*recs), GFP_KERNEL_ACCOUNT);
		if (!recs)
			return -ENOMEM;
	}
	if (!ret && count > MAX_TIMERS) {
		ret = -E2BIG;
	} else if (!ret && count) {
		for (i = 0; i < count; i++)
			if (!known_clock(recs[i].clock_id))
				crctl_refuse(n, CRCTL_REFUSE_TIMER,
					     task_pid_nr_ns(g->leader, g->ns), 0,
					     recs[i].id,
					     "POSIX timer %d is on clock %d, which is not saved",
					     recs[i].id, recs[i].clock_id);
		sort(recs, count, sizeof(*recs), by_id, NULL);
		ret = crctl_note_records(n, CRCTL_NT_TIMER, recs, sizeof(*recs),
					 count, NULL, 0);
	}
	kvfree(recs);
	return ret;
}

/* ---- restore ---- */

static int create_timer(struct crctl_restore *r, const struct crctl_timer *tm)
{
	struct {
		struct sigevent ev;
		timer_t id;
	} __user *page = (void __user *)r->scratch;
	struct sigevent ev = {
		.sigev_notify = tm->notify,
		.sigev_signo = tm->signo,
		.sigev_value.sival_ptr = (void __user *)(unsigned long)tm->sigev_value,
	};
	timer_t id;
	long ret;

	if (tm->notify & SIGEV_THREAD_ID) {
		if (!tm->target)
			return -EINVAL;
		/* the leader, which we are, may have another id than it had */
		ev._sigev_un._tid = tm->target == 1 ? task_pid_vnr(current) :
						      r->threads[tm->target - 1].set_tid;
	}
	if (copy_to_user(&page->ev, &ev, sizeof(ev)))
		return -EFAULT;
	/* the kernel gives out ids in order: let it start at the old one */
	crctl_set_next_timer_id(current->signal, tm->id);
	ret = CRCTL_SYS(timer_create, tm->clock_id, &page->ev, &page->id);
	if (ret)
		return ret;
	if (get_user(id, &page->id))
		return -EFAULT;
	return id == tm->id ? 0 : -EEXIST;
}

int crctl_timers_restore(struct crctl_restore *r)
{
	struct crctl_timer tm;
	u32 i;
	int ret;

	for (i = 0; i < r->img.timer.count; i++) {
		crctl_rec(&r->img.timer, i, &tm, sizeof(tm));
		ret = crctl_fault(RESTORE_TIMERS) ?: create_timer(r, &tm);
		if (ret)
			return crctl_restore_fail(r, ret, "timers", tm.id,
						  "cannot create timer %d", tm.id);
	}
	crctl_set_next_timer_id(current->signal, r->img.process.next_timer_id);
	return 0;
}

/*
 * A periodic ITIMER_REAL whose SIGALRM is pending is not queued: taking the
 * signal starts it again, if it has an interval. setitimer(2) cannot say that.
 */
static void set_real_interval(u64 ns)
{
	spin_lock_irq(&crctl_sighand(current)->siglock);
	current->signal->it_real_incr = ns_to_ktime(ns);
	spin_unlock_irq(&crctl_sighand(current)->siglock);
}

/* The last thing before the program runs on. Failure would be a bug of the parser. */
int crctl_timers_arm(struct crctl_restore *r)
{
	void __user *page = (void __user *)r->scratch;
	struct crctl_timer tm;
	long ret = 0;
	u32 i;

	for (i = 0; i < r->img.timer.count && !ret; i++) {
		struct __kernel_itimerspec its = { };

		crctl_rec(&r->img.timer, i, &tm, sizeof(tm));
		if (!tm.left_ns)
			continue;
		its.it_value.tv_sec = tm.left_ns / NSEC_PER_SEC;
		its.it_value.tv_nsec = tm.left_ns % NSEC_PER_SEC;
		its.it_interval.tv_sec = tm.interval_ns / NSEC_PER_SEC;
		its.it_interval.tv_nsec = tm.interval_ns % NSEC_PER_SEC;
		if (copy_to_user(page, &its, sizeof(its)))
			return -EFAULT;
		ret = CRCTL_SYS(timer_settime, tm.id, 0, page, NULL);
	}
	for (i = 0; i < 3 && !ret; i++) {
		u64 value = r->img.process.itimer[i].value_ns;
		u64 interval = r->img.process.itimer[i].interval_ns;
		struct __kernel_old_itimerval it = { };

		if (!value) {
			if (!i)
				set_real_interval(interval);
			continue;
		}
		value = DIV_ROUND_UP(value, NSEC_PER_USEC);
		interval /= NSEC_PER_USEC;
		it.it_value.tv_sec = value / USEC_PER_SEC;
		it.it_value.tv_usec = value % USEC_PER_SEC;
		it.it_interval.tv_sec = interval / USEC_PER_SEC;
		it.it_interval.tv_usec = interval % USEC_PER_SEC;
		if (copy_to_user(page, &it, sizeof(it)))
			return -EFAULT;
		ret = CRCTL_SYS(setitimer, i, page, NULL);
	}
	return ret;
}

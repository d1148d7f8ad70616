// SPDX-License-Identifier: GPL-2.0
/*
 * Interval timers and POSIX timers. Saved with the time that is left; set again
 * relative to the moment of the resumption. Timers of processors' time have
 * that much left of the time that is used.
 */
#include <linux/alarmtimer.h>
#include <linux/hrtimer.h>
#include <linux/sort.h>
#include <linux/time64.h>
#include <linux/uaccess.h>

#include "compat/timers.h"
#include "restore/restore.h"

/* "Never" is some other time that is far away: sums with it must not overflow. */
#define LONGEST	((1ull << 62) - 1)

/* ---- dump ---- */

static void cpu_itimer(const struct cpu_itimer *it, u64 now, u64 *value, u64 *interval)
{
	*interval = it->incr;
	if (it->expires)
		*value = it->expires > now ? it->expires - now : 1;
}

/* With the lock of the group's signals. */
void crctl_itimers_collect(struct crctl_group *g, struct crctl_moment *out)
{
	struct signal_struct *sig = g->leader->signal;
	struct hrtimer *real = &sig->real_timer;
	u64 utime, stime;
	unsigned int i;

	memset(out->itimer, 0, sizeof(out->itimer));
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
	for (i = 0; i < ARRAY_SIZE(out->itimer); i++) {
		out->itimer[i].value_ns = min_t(u64, out->itimer[i].value_ns, LONGEST);
		out->itimer[i].interval_ns = min_t(u64, out->itimer[i].interval_ns, LONGEST);
	}
}

static bool is_cpu_clock(clockid_t id)
{
	return id < 0 && CPUCLOCK_WHICH(id) < CPUCLOCK_MAX;
}

static bool is_alarm_clock(clockid_t id)
{
	return id == CLOCK_REALTIME_ALARM || id == CLOCK_BOOTTIME_ALARM;
}

static bool is_hrtimer_clock(clockid_t id)
{
	return id == CLOCK_REALTIME || id == CLOCK_MONOTONIC ||
	       id == CLOCK_BOOTTIME || id == CLOCK_TAI;
}

/* As the image names clocks. */
static bool is_saved(const struct crctl_timer *tm)
{
	if (is_cpu_clock(tm->clock_id))
		return CPUCLOCK_PID(tm->clock_id) == 0 &&
		       CPUCLOCK_PERTHREAD(tm->clock_id) == !!tm->clock_thread;
	return is_hrtimer_clock(tm->clock_id) || is_alarm_clock(tm->clock_id);
}

static u32 thread_index(struct crctl_group *g, struct pid *pid)
{
	unsigned int i;

	for (i = 0; i < g->nr_threads; i++)
		if (g->pids[i] == pid)
			return i + 1;
	return 0;
}

/* The first expiry of a period that is still to come, where one was @late ago. */
static u64 next_period(u64 late, u64 interval)
{
	return interval - late % interval;
}

/*
 * The time to the next expiry. A periodic timer whose signal is pending is not
 * queued; it would be set anew when the signal is taken. The signal itself is
 * saved with the pending ones, so only the next period is wanted here. One that
 * is queued is due, and has sent nothing yet.
 */
static u64 left_of(const struct k_itimer *kt, s64 left, bool queued)
{
	u64 interval = ktime_to_ns(kt->it_interval);

	/* those that notify nobody need not be queued; the clock may have been set back since */
	if (left > 0)
		return queued || interval || kt->it_sigev_notify == SIGEV_NONE ? left : 0;
	if (queued)
		return 1;
	return interval ? next_period(-left, interval) : 0;
}

static u64 hrtimer_left(const struct k_itimer *kt)
{
	const struct hrtimer *t = &kt->it.real.timer;

	/* with the lock of its base: the base may be changing, if the process has been woken */
	return left_of(kt, ktime_to_ns(__hrtimer_get_remaining(t, false)), hrtimer_active(t));
}

static u64 alarm_left(const struct k_itimer *kt)
{
	const struct alarm *alarm = &kt->it.alarm.alarmtimer;
	bool of_day = kt->it_clock == CLOCK_REALTIME_ALARM;
	ktime_t now = of_day ? ktime_get_real() : ktime_get_boottime();

	return left_of(kt, ktime_to_ns(ktime_sub(alarm->node.expires, now)),
		       alarm->state & ALARMTIMER_STATE_ENQUEUED);
}

struct cpu_times {
	u64 utime, stime, runtime;
};

static void add_times(struct cpu_times *sum, const struct task_struct *t)
{
	sum->utime += t->utime;
	sum->stime += t->stime;
	sum->runtime += t->se.sum_exec_runtime;
}

/* With the lock of the group's signals. The threads do not run: what they have used is known. */
static u64 cpu_time(struct crctl_group *g, clockid_t clock, u32 thread)
{
	const struct signal_struct *sig = g->leader->signal;
	struct cpu_times sum = { };
	unsigned int i;

	if (thread) {
		add_times(&sum, g->threads[thread - 1]);
	} else {
		sum = (struct cpu_times){ sig->utime, sig->stime, sig->sum_sched_runtime };
		for (i = 0; i < g->nr_threads; i++)
			add_times(&sum, g->threads[i]);
	}
	switch (CPUCLOCK_WHICH(clock)) {
	case CPUCLOCK_PROF:
		return sum.utime + sum.stime;
	case CPUCLOCK_VIRT:
		return sum.utime;
	default:
		return sum.runtime;
	}
}

/* The kernel looks at these by ticks, so that one may be over and queued. */
static u64 cpu_left(struct crctl_group *g, const struct k_itimer *kt, u32 thread)
{
	u64 expires = kt->it.cpu.node.expires;
	s64 left = expires - cpu_time(g, kt->it_clock, thread);

	if (!expires)
		return 0;
	return left > 0 ? left : left_of(kt, left, kt->it.cpu.head);
}

/*
 * The clock as it is named in the image, with what its timer has left. It stays
 * as it is if the image has nobody whose time it is.
 */
static void dump_cpu_clock(struct crctl_group *g, const struct k_itimer *kt,
			   struct crctl_timer *out)
{
	u32 thread = thread_index(g, kt->it.cpu.pid);

	if (CPUCLOCK_PERTHREAD(kt->it_clock)) {
		if (!thread)
			return;
		out->clock_thread = thread;
		out->clock_id = make_thread_cpuclock(0, CPUCLOCK_WHICH(kt->it_clock));
	} else {
		if (thread != 1)
			return;
		thread = 0;
		out->clock_id = make_process_cpuclock(0, CPUCLOCK_WHICH(kt->it_clock));
	}
	out->left_ns = cpu_left(g, kt, thread);
}

static void dump_timer(struct crctl_group *g, const struct k_itimer *kt,
		       struct crctl_timer *out)
{
	const struct kernel_siginfo *info = crctl_timer_info(kt);

	memset(out, 0, sizeof(*out));
	out->id = kt->it_id;
	out->clock_id = kt->it_clock;
	out->notify = kt->it_sigev_notify;
	out->signo = info->si_signo;
	out->sigev_value = (unsigned long)info->si_value.sival_ptr;
	if (kt->it_sigev_notify & SIGEV_THREAD_ID)
		out->target = thread_index(g, kt->it_pid);
	out->interval_ns = ktime_to_ns(kt->it_interval);
	if (is_cpu_clock(kt->it_clock))
		dump_cpu_clock(g, kt, out);
	else if (is_alarm_clock(kt->it_clock))
		out->left_ns = alarm_left(kt);
	else if (is_hrtimer_clock(kt->it_clock))
		out->left_ns = hrtimer_left(kt);
	out->left_ns = min_t(u64, out->left_ns, LONGEST);
	out->interval_ns = min_t(u64, out->interval_ns, LONGEST);
}

static void refuse_timer(struct crctl_group *g, const struct crctl_timer *tm, struct crctl_notes *n)
{
	const char *clock = is_cpu_clock(tm->clock_id) ?
		"the time of another process or of a thread that has exited" : "not saved";

	crctl_refuse(n, CRCTL_REFUSE_TIMER, task_pid_nr_ns(g->leader, g->ns), 0, tm->id,
		     "POSIX timer %d is on clock %d, which is %s", tm->id, tm->clock_id, clock);
}

static int by_id(const void *a, const void *b)
{
	return ((const struct crctl_timer *)a)->id - ((const struct crctl_timer *)b)->id;
}

/* With the lock of the group's signals; counts on when there is no room. */
void crctl_timers_collect(struct crctl_group *g, struct crctl_moment *m)
{
	struct k_itimer *kt;

	crctl_for_each_timer(kt, g->leader->signal) {
		if (m->nr_timers < m->timers_room)
			dump_timer(g, kt, &m->timers[m->nr_timers]);
		m->nr_timers++;
	}
}

int crctl_timers_dump(struct crctl_group *g, struct crctl_moment *m, struct crctl_notes *n)
{
	u32 i;

	if (!m->nr_timers)
		return 0;
	for (i = 0; i < m->nr_timers; i++)
		if (!is_saved(&m->timers[i]))
			refuse_timer(g, &m->timers[i], n);
	sort(m->timers, m->nr_timers, sizeof(*m->timers), by_id, NULL);
	return crctl_note_records(n, CRCTL_NT_TIMER, m->timers, sizeof(*m->timers),
				  m->nr_timers, NULL, 0);
}

/* ---- restore ---- */

/* The leader, which we are, may have another id than it had. */
static pid_t own_tid(struct crctl_restore *r, u32 thread)
{
	return thread == 1 ? task_pid_vnr(current) : r->threads[thread - 1].set_tid;
}

static int create_timer(struct crctl_restore *r, const struct crctl_timer *tm)
{
	clockid_t clock = tm->clock_id;
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
		ev._sigev_un._tid = own_tid(r, tm->target);
	}
	/* as it is, a thread's clock is the leader's own */
	if (tm->clock_thread > 1)
		clock = make_thread_cpuclock(own_tid(r, tm->clock_thread), CPUCLOCK_WHICH(clock));
	if (copy_to_user(&page->ev, &ev, sizeof(ev)))
		return -EFAULT;
	/* the kernel gives out ids in order: let it start at the old one */
	crctl_set_next_timer_id(current->signal, tm->id);
	ret = CRCTL_SYS(timer_create, clock, &page->ev, &page->id);
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

// SPDX-License-Identifier: GPL-2.0-only
/* What each thread has of its own: capabilities, user ids, CPU affinity, policy, nice, timer slack, name, I/O priority. */
#include "test.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct settings {
	char name[16];
	struct __user_cap_data_struct caps[2];
	uid_t uid[3];
	long affinity, policy, nice, slack, ioprio;
};

static struct thread {
	void (*set_up)(void);
	struct settings before;
	pthread_t id;
} threads[];

static pthread_barrier_t barrier;

static struct settings look(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct settings s;
	cpu_set_t set;

	memset(&s, 0, sizeof(s));
	TRY(prctl(PR_GET_NAME, s.name));
	TRY(syscall(SYS_capget, &header, s.caps));
	TRY(syscall(SYS_getresuid, &s.uid[0], &s.uid[1], &s.uid[2]));
	TRY(sched_getaffinity(0, sizeof(set), &set));
	s.affinity = CPU_ISSET(0, &set) | CPU_ISSET(1, &set) << 1;
	s.policy = sched_getscheduler(0);
	s.nice = getpriority(PRIO_PROCESS, 0);
	s.slack = prctl(PR_GET_TIMERSLACK);
	s.ioprio = syscall(SYS_ioprio_get, 1, 0);
	return s;
}

static void verify(const struct settings *before)
{
	struct settings now = look();

	CHECK(strcmp(now.name, before->name) == 0, "the thread's name is %s, not %s", now.name, before->name);
	CHECK(memcmp(now.caps, before->caps, sizeof(now.caps)) == 0, "%s: capabilities %#x of %#x, not %#x of %#x", now.name,
	      now.caps[0].effective, now.caps[0].permitted, before->caps[0].effective, before->caps[0].permitted);
	CHECK(memcmp(now.uid, before->uid, sizeof(now.uid)) == 0, "%s: user ids %d %d %d", now.name, now.uid[0], now.uid[1],
	      now.uid[2]);
	CHECK(now.affinity == before->affinity, "%s: affinity %#lx, not %#lx", now.name, now.affinity, before->affinity);
	CHECK(now.policy == before->policy, "%s: policy %ld, not %ld", now.name, now.policy, before->policy);
	CHECK(now.nice == before->nice, "%s: nice %ld, not %ld", now.name, now.nice, before->nice);
	CHECK(now.slack == before->slack, "%s: timer slack %ld, not %ld", now.name, now.slack, before->slack);
	CHECK(now.ioprio == before->ioprio, "%s: I/O priority %#lx, not %#lx", now.name, now.ioprio, before->ioprio);
}

static void weak(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = {
		{ .effective = 1 << CAP_KILL, .permitted = 1 << CAP_KILL | 1 << CAP_SETUID },
	};

	TRY(prctl(PR_SET_NAME, "weak"));
	TRY(syscall(SYS_capset, &header, caps));
}

static void other_user(void)
{
	TRY(prctl(PR_SET_NAME, "other user"));
	/* The system call changes this thread alone; glibc's setresuid() all of them. */
	TRY(syscall(SYS_setresuid, 5001, 5002, 0));
}

static void pinned(void)
{
	cpu_set_t set;

	TRY(prctl(PR_SET_NAME, "pinned"));
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	TRY(sched_setaffinity(0, sizeof(set), &set));
	TRY(prctl(PR_SET_TIMERSLACK, 77777));
}

static void idle(void)
{
	struct sched_param param = { 0 };

	TRY(prctl(PR_SET_NAME, "idle"));
	TRY(sched_setscheduler(0, SCHED_IDLE, &param));
	TRY(setpriority(PRIO_PROCESS, 0, 11));
	TRY(syscall(SYS_ioprio_set, 1, 0, 3 << 13));	/* IOPRIO_CLASS_IDLE */
}

static void urgent(void)
{
	struct sched_param param = { .sched_priority = 3 };

	TRY(prctl(PR_SET_NAME, "urgent"));
	TRY(sched_setscheduler(0, SCHED_RR, &param));
}

static struct thread threads[] = { { .set_up = weak }, { .set_up = other_user }, { .set_up = pinned },
				   { .set_up = idle }, { .set_up = urgent } };

static void *run(void *arg)
{
	struct thread *self = arg;

	self->set_up();
	self->before = look();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	verify(&self->before);
	return NULL;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	TRY0(pthread_barrier_init(&barrier, NULL, COUNT(threads) + 1));
	do {
		for (size_t i = 0; i < COUNT(threads); i++)
			TRY0(pthread_create(&threads[i].id, NULL, run, &threads[i]));
		struct settings mine = look();
		pthread_barrier_wait(&barrier);
		test_ready();
		test_wait();

		verify(&mine);
		pthread_barrier_wait(&barrier);
		for (size_t i = 0; i < COUNT(threads); i++)
			TRY0(pthread_join(threads[i].id, NULL));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restartable sequences: glibc registers them for every thread, and without
 * the registration sched_getcpu() answers with one CPU for ever. Needs two CPUs.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

static const volatile struct rseq *area(void)
{
	return (const volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static void follow_cpus(const char *who)
{
	for (int turn = 0; turn < 6; turn++) {
		unsigned int cpu = turn % 2, real;
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		TRY(sched_setaffinity(0, sizeof(set), &set));
		TRY(syscall(SYS_getcpu, &real, NULL, NULL));
		CHECK(real == cpu, "%s: not moved to CPU %u", who, cpu);
		CHECK(sched_getcpu() == (int)cpu, "%s: sched_getcpu() says %d on CPU %u", who, sched_getcpu(), cpu);
		SAME(area()->cpu_id, cpu);
	}
	/* A second registration of what is registered already is refused with EBUSY; of what is not, it succeeds. */
	CHECK(syscall(SYS_rseq, area(), __rseq_size < 32 ? 32 : __rseq_size, 0, RSEQ_SIG) == -1 && errno == EBUSY,
	      "%s: rseq() again gives %s", who, strerror(errno));
}

static pthread_barrier_t barrier;

static void *thread(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	follow_cpus("thread");
	return arg;
}

int main(int argc, char **argv)
{
	cpu_set_t all;

	test_init(argc, argv);
	CHECK(__rseq_size > 0, "glibc has not registered rseq");
	TRY(sched_getaffinity(0, sizeof(all), &all));
	CHECK(CPU_COUNT(&all) >= 2, "this test needs two CPUs");
	TRY0(pthread_barrier_init(&barrier, NULL, 2));
	do {
		pthread_t id;

		TRY0(pthread_create(&id, NULL, thread, NULL));
		pthread_barrier_wait(&barrier);
		test_ready();
		test_wait();

		pthread_barrier_wait(&barrier);
		TRY0(pthread_join(id, NULL));
		follow_cpus("main thread");
		TRY(sched_setaffinity(0, sizeof(all), &all));
	} while (test_pass());
	return 0;
}

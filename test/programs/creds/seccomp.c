// SPDX-License-Identifier: GPL-2.0-only
/* Seccomp filters, stacked and of one thread only: each still answers as it did, and none got lost. */
#include "test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* The system call `nr` is answered with `error`; all others are let through. */
static void refuse(long nr, int error, unsigned int flags)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(filter), filter };

	TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

static int answer(long nr)
{
	/* No argument does any harm: ids and limits that are only asked for. */
	return syscall(nr, 0, 0, 0, 0, 0, 0) == -1 ? errno : 0;
}

static pthread_barrier_t barrier;

static void *thread(void *arg)
{
	refuse(SYS_getsid, 99, 0);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	SAME(answer(SYS_getsid), 99);
	SAME(answer(SYS_getpgid), 77);
	SAME(prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
	return arg;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	/* The newer filter of two that refuse the same call with an error decides; the third is about another one. */
	refuse(SYS_getpgid, 66, 0);
	refuse(SYS_getpgid, 77, SECCOMP_FILTER_FLAG_LOG);
	refuse(SYS_getpriority, 88, 0);
	/* As a filter would that was written for what the program does. */
	refuse(SYS_execve, 5, 0);
	TRY0(pthread_barrier_init(&barrier, NULL, 2));
	do {
		pthread_t id;
		char filters[64];

		TRY0(pthread_create(&id, NULL, thread, NULL));
		pthread_barrier_wait(&barrier);
		snprintf(filters, sizeof(filters), "%s", proc_field("/proc/self/status", "Seccomp_filters"));
		test_ready();
		test_wait();

		SAME(answer(SYS_getpgid), 77);
		SAME(answer(SYS_getpriority), 88);
		SAME(answer(SYS_execve), 5);
		SAME(answer(SYS_getsid), 0);
		SAME(prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
		const char *now = proc_field("/proc/self/status", "Seccomp_filters");
		CHECK(strcmp(now, filters) == 0, "%s filters, not %s", now, filters);
		pthread_barrier_wait(&barrier);
		TRY0(pthread_join(id, NULL));
	} while (test_pass());
	return 0;
}

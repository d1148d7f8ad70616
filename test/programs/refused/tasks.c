// SPDX-License-Identifier: GPL-2.0-only
/* The part of refused.c that is about properties of tasks. */
#include "refused.h"
#include "test.h"

#include <asm/ldt.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static pid_t helper;

static void end_helper(void)
{
	test_finish(helper);
}

static void local_descriptors(void)
{
	struct user_desc segment = { .entry_number = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1 };

	TRY(syscall(SYS_modify_ldt, 1, &segment, sizeof(segment)));
}

/* set_thread_area(2), which only 32-bit system calls have: the argument lies where those reach. */
static void local_storage(void)
{
	struct user_desc *segment = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
	int result;

	*segment = (struct user_desc){
		.entry_number = -1, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1,
	};
	asm volatile("int $0x80" : "=a"(result) : "0"(243), "b"(segment) : "memory");
	SAME(result, 0);
}

static void bind_to_first_node(void *area, size_t size)
{
	unsigned long node = 1;

	TRY(syscall(SYS_mbind, area, size, 2, &node, 8, 0));	/* MPOL_BIND to node 0 */
}

static void shared_policy(void)
{
	bind_to_first_node(TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), PAGE);
}

/* No page of it is touched: none is needed. */
static void huge_policy(void)
{
	const size_t size = 2 << 20;

	bind_to_first_node(TRY(mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0)), size);
}

/* It is the file's, and stays when nobody maps that. */
static void memfd_policy(void)
{
	int fd = TRY(memfd_create("with a policy", 0));
	void *area;

	TRY(ftruncate(fd, PAGE));
	area = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	bind_to_first_node(area, PAGE);
	TRY(munmap(area, PAGE));
}

static void io_ports(void) { TRY(ioperm(0x80, 1, 1)); }

static void syscall_dispatch(void)
{
	static char selector;	/* SYSCALL_DISPATCH_FILTER_ALLOW */

	TRY(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector));
}

/* It counts the time of somebody else. */
static void cpu_timer(void)
{
	clockid_t clock;
	timer_t timer;

	TRY0(clock_getcpuclockid(getppid(), &clock));
	TRY(timer_create(clock, NULL, &timer));
}

static void *sleeps_on_cpu_clock(void *arg)
{
	struct timespec t = { .tv_sec = 1000 };

	*(volatile pid_t *)arg = gettid();
	clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL);
	return arg;
}

static void cpu_sleep(void)
{
	static volatile pid_t tid;
	pthread_t thread;

	TRY0(pthread_create(&thread, NULL, sleeps_on_cpu_clock, (void *)&tid));
	WAIT_FOR(tid);
	proc_wait_syscall(tid, SYS_clock_nanosleep);
}

static void vforking(void *arg)
{
	(void)arg;
	/* Its parent waits in vfork() while it waits to be told; both end well. */
	pid_t pid = vfork();
	if (pid == 0) {
		test_child_ready();
		test_wait();
		_exit(0);
	}
	test_reap(pid);
}

static void end_vfork(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", helper, helper);
	TRY(kill(atoi(proc_read(0, path)), SIGUSR1));
	test_reap(helper);
}

static void in_vfork(void) { helper = test_fork(vforking, NULL); }

static int run_cloned(void *arg)
{
	*(volatile bool *)arg = true;
	syscall(SYS_pause);
	return 0;
}

static void cloned(void *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	volatile bool *up = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	int flags = (intptr_t)arg;
	int status;

	/* On a stack of its own also where memory is not shared: it is a copy then. */
	pid_t pid = TRY(clone(run_cloned, stack + sizeof(stack), flags | SIGCHLD, (void *)up));
	WAIT_FOR(*up);
	test_child_ready();
	test_wait();
	TRY(kill(pid, SIGKILL));
	SAME(TRY(TEMP_FAILURE_RETRY(waitpid(pid, &status, 0))), pid);
	SAME(status, SIGKILL);
}

static void cloned_memory(void) { helper = test_fork(cloned, (void *)CLONE_VM); }
static void cloned_files(void) { helper = test_fork(cloned, (void *)CLONE_FILES); }
static void cloned_fs(void) { helper = test_fork(cloned, (void *)CLONE_FS); }
static void cloned_sighand(void) { helper = test_fork(cloned, (void *)(CLONE_VM | CLONE_SIGHAND)); }

static void cloned_undo(void) { helper = test_fork(cloned, (void *)CLONE_SYSVSEM); }

static void *undoes_alone(void *arg)
{
	struct sembuf op = { 0, 1, SEM_UNDO };
	volatile int *set = arg;

	TRY(unshare(CLONE_SYSVSEM));
	TRY(semop(*set, &op, 1));
	*set = -1;
	pause();
	return NULL;
}

static void has_other_undo(void *arg)
{
	int set = TRY(semget(IPC_PRIVATE, 1, 0600));
	volatile int in_thread = set;
	pthread_t thread;

	(void)arg;
	TRY0(pthread_create(&thread, NULL, undoes_alone, (void *)&in_thread));
	WAIT_FOR(in_thread < 0);
	test_child_ready();
	test_wait();
	TRY(semctl(set, 0, IPC_RMID));
}

static void other_undo(void) { helper = test_fork(has_other_undo, NULL); }

static void unshares(void *arg)
{
	TRY(unshare((intptr_t)arg));
	test_child_ready();
	test_wait();
}

static void user_namespace(void) { helper = test_fork(unshares, (void *)CLONE_NEWUSER); }
static void uts_namespace(void) { helper = test_fork(unshares, (void *)CLONE_NEWUTS); }
static void net_namespace(void) { helper = test_fork(unshares, (void *)CLONE_NEWNET); }
static void ipc_namespace(void) { helper = test_fork(unshares, (void *)CLONE_NEWIPC); }
static void mount_namespace(void) { helper = test_fork(unshares, (void *)CLONE_NEWNS); }
static void cgroup_namespace(void) { helper = test_fork(unshares, (void *)CLONE_NEWCGROUP); }
/* These two are for children to be born: the task itself stays where it is. */
static void pid_namespace_for_children(void) { helper = test_fork(unshares, (void *)CLONE_NEWPID); }
static void time_namespace_for_children(void) { helper = test_fork(unshares, (void *)CLONE_NEWTIME); }

static void *outlives_leader(void *arg)
{
	proc_wait_state(getpid(), 'Z');
	test_child_ready();
	test_wait();
	_exit(0);
	return arg;
}

/* A filter of system calls kills a thread alone: by the signal SIGSYS. */
static void is_killed_as_leader(void *arg)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = COUNT(insns), .filter = insns };
	pthread_t thread;

	TRY0(pthread_create(&thread, NULL, outlives_leader, arg));
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
	getppid();
	FAIL("the first thread lives");
}

static void leader_killed(void) { helper = test_fork(is_killed_as_leader, NULL); }

static void wants_signal(void *arg)
{
	TRY(prctl(PR_SET_PDEATHSIG, SIGTERM));
	test_child_ready();
	test_wait();
	(void)arg;
}

static void *outlives_with_child(void *arg)
{
	proc_wait_state(getpid(), 'Z');
	pid_t child = test_fork(wants_signal, NULL);
	test_child_ready();
	test_wait();
	test_finish(child);
	_exit(0);
	return arg;
}

static void ends_as_leader(void *arg)
{
	pthread_t thread;

	TRY0(pthread_create(&thread, NULL, outlives_with_child, arg));
	syscall(SYS_exit, 0);
}

static void death_signal(void) { helper = test_fork(ends_as_leader, NULL); }

static void is_traced(void *arg)
{
	TRY(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	test_child_ready();
	(void)arg;
	/* A tracee's SIGUSR1 would first stop it for its tracer. */
	for (;;)
		pause();
}

static void traced(void) { helper = test_fork(is_traced, NULL); }

static void end_killed(void)
{
	int status;

	TRY(kill(helper, SIGKILL));
	SAME(TRY(TEMP_FAILURE_RETRY(waitpid(helper, &status, 0))), helper);
	SAME(status, SIGKILL);
}

static void becomes_ia32(void *arg)
{
	static char path[4200];
	ssize_t length = TRY(readlink("/proc/self/exe", path, sizeof(path) - 10));

	(void)arg;
	path[length] = '\0';
	strcpy(strrchr(path, '/'), "/ia32");
	test_child_ready();
	TRY(execl(path, path, NULL));
}

/* It is one when its parent cannot tell it from other programs by the name any more. */
static void ia32(void)
{
	char name[64] = "";
	char path[32];

	helper = test_fork(becomes_ia32, NULL);
	snprintf(path, sizeof(path), "/proc/%d/comm", helper);
	while (strcmp(name, "ia32\n") != 0) {
		int fd = TRY(open(path, O_RDONLY));

		name[TRY(read(fd, name, sizeof(name) - 1))] = '\0';
		close(fd);
	}
}

const struct refused_kind refused_tasks[] = {
	{ "ldt", local_descriptors, NULL }, { "tls-segment", local_storage, NULL },
	{ "shared-policy", shared_policy, NULL }, { "memfd-policy", memfd_policy, NULL }, { "huge-policy", huge_policy, NULL }, { "ioperm", io_ports, NULL }, { "syscall-dispatch", syscall_dispatch, NULL },
	{ "cpu-timer", cpu_timer, NULL }, { "cpu-sleep", cpu_sleep, NULL },
	{ "vfork", in_vfork, end_vfork }, { "clone-vm", cloned_memory, end_helper },
	{ "clone-files", cloned_files, end_helper }, { "clone-fs", cloned_fs, end_helper },
	{ "clone-sighand", cloned_sighand, end_helper }, { "clone-sysvsem", cloned_undo, end_helper },
	{ "undo-of-thread", other_undo, end_helper },
	{ "user-ns", user_namespace, end_helper }, { "uts-ns", uts_namespace, end_helper },
	{ "net-ns", net_namespace, end_helper }, { "ipc-ns", ipc_namespace, end_helper },
	{ "mount-ns", mount_namespace, end_helper }, { "cgroup-ns", cgroup_namespace, end_helper },
	{ "pid-ns-for-children", pid_namespace_for_children, end_helper },
	{ "time-ns-for-children", time_namespace_for_children, end_helper },
	{ "leader-killed", leader_killed, end_helper }, { "death-signal", death_signal, end_helper }, { "traced", traced, end_killed }, { "ia32", ia32, end_killed }, { NULL, NULL, NULL },
};

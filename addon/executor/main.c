// SPDX-License-Identifier: GPL-2.0-only
/*
 * crctl-executor: carries out a restore plan (plan.h). It is started by the
 * controller with the plan, a status pipe and the image directory as
 * descriptors 3, 4 and 5, makes every object, forks the tree, sees it loaded,
 * and opens the gate. Whatever fails, nothing of the tree is left.
 *
 * Two lines of defence if this process itself is killed before that: tasks
 * that have executed their image read end of file at the gate, tasks that have
 * not get their death signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor.h"
#include "sys.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2)
#endif

/* Exit statuses; the controller goes by the status pipe, these are for people. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_AGAIN = 75 };

/* Everything that is not handed over closes; everything that is shall close in the tasks' exec. */
static int tidy_descriptors(const struct executor *ex, struct error *error)
{
	unsigned int end = PLAN_FD_INHERIT + ex->plan->nr_inherited;

	if (sys_close_range(end, UINT_MAX, 0) < 0)
		return failed(error, errno, "close_range (Linux 5.9 or later is needed)");
	/* CLOSE_RANGE_CLOEXEC came with 5.11 */
	if (sys_close_range(0, end - 1, CLOSE_RANGE_CLOEXEC) < 0)
		for (unsigned int fd = 0; fd < end; fd++)
			fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* The number that an operation puts a descriptor under for a moment; 0 if it does not. */
static uint64_t borrowed_by(const struct plan_op *op)
{
	switch (op->type) {
	case PLAN_OP_EPOLL_ADD:
		return op->a;
	case PLAN_OP_LOCK:
		return op->arg == PLAN_LOCK_LEASE ? op->b : 0;
	case PLAN_OP_OWNER:
		return op->b >> 32;
	default:
		return 0;
	}
}

/* One more than the highest descriptor that we or a task will have. */
static rlim_t descriptors_needed(const struct executor *ex)
{
	rlim_t terminals = 0, need = ex->plan->slot_base + ex->plan->nr_slots + PLAN_OWN_SLOTS;

	for (uint32_t i = 0; i < ex->plan->nr_ops; i++) {
		const struct plan_op *op = &ex->ops[i];
		uint64_t borrowed = borrowed_by(op);

		if (op->type == PLAN_OP_DUP && op->arg >= 0 && (rlim_t)op->arg >= need)
			need = (rlim_t)op->arg + 1;
		/* and two above it */
		if (borrowed <= PLAN_MAX_NUMBER && borrowed + 2 >= need)
			need = borrowed + 3;
		/* all that have a lower number, for a moment */
		if (op->type == PLAN_OP_PTY && op->arg > 0 && (rlim_t)op->arg > terminals)
			terminals = (rlim_t)op->arg;
	}
	return need + terminals;
}

/* Limits of ours that stand in the way. Tasks get their own when they are loaded. */
static int raise_limits(const struct executor *ex, struct error *error)
{
	static const int resources[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_NPROC, RLIMIT_SIGPENDING };
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	rlim_t need = descriptors_needed(ex);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return failed(error, errno, "getrlimit");
	if (limit.rlim_cur < need) {
		limit.rlim_cur = need;
		if (limit.rlim_max < need)
			limit.rlim_max = need;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return failed(error, errno, "raising RLIMIT_NOFILE");
	}
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
		/* with privilege a program may have had more than is ours */
		if (setrlimit(resources[i], &none) == 0 || getrlimit(resources[i], &limit) < 0 ||
		    limit.rlim_cur == limit.rlim_max)
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(resources[i], &limit);
	}
	return 0;
}

/* Our own descriptors lie behind the slots: then everything below is free for the tasks' own. */
static int own_fd(const struct executor *ex, int fd, unsigned int n, struct error *error)
{
	int number = slot_fd(ex, (int)(ex->plan->nr_slots + n));

	if (dup3(fd, number, O_CLOEXEC) < 0)
		return failed(error, errno, "dup3");
	close(fd);
	return number;
}

static int open_gate(struct executor *ex, struct error *error)
{
	int gate[2], report[2];

	if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
		return failed(error, errno, "pipe2");
	if (place_slot(ex, gate[0], (int)ex->plan->gate_slot, error) < 0 ||
	    place_slot(ex, report[1], (int)ex->plan->report_slot, error) < 0)
		return -1;
	ex->gate_fd = own_fd(ex, gate[1], 2, error);
	ex->report_fd = own_fd(ex, report[0], 3, error);
	if (ex->gate_fd < 0 || ex->report_fd < 0)
		return -1;
	if (fcntl(ex->report_fd, F_SETFL, O_NONBLOCK) < 0)
		return failed(error, errno, "F_SETFL");
	return 0;
}

static int prepare(struct executor *ex, struct error *error)
{
	sigset_t all;
	pid_t controller = getppid();
	int proc;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Node ignores SIGPIPE, and children of Node may inherit that. */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	/* A controller that dies takes a restore in progress with it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return failed(error, errno, "PR_SET_PDEATHSIG");
	ex->controller_pid = controller;
	if (getppid() != controller)
		return failed(error, ESRCH, "the controller has ended");
	/* Whatever loses its parent while we work comes to us, so that cleaning up misses nobody. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return failed(error, errno, "PR_SET_CHILD_SUBREAPER");

	if (plan_load(ex, PLAN_FD_PLAN, error) < 0 || tidy_descriptors(ex, error) < 0 ||
	    raise_limits(ex, error) < 0 || shared_create(ex, error) < 0)
		return -1;
	close(PLAN_FD_PLAN);
	ex->image_fd = own_fd(ex, PLAN_FD_IMAGE, 0, error);
	if (ex->image_fd < 0)
		return -1;
	ex->status_fd = own_fd(ex, PLAN_FD_STATUS, 1, error);
	if (ex->status_fd < 0)
		return -1;
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return failed(error, errno, "opening /proc");
	ex->proc_fd = own_fd(ex, proc, 4, error);
	if (ex->proc_fd < 0)
		return -1;
	return open_gate(ex, error);
}

static int run_parent_ops(struct executor *ex, struct plan_range range, uint32_t stage)
{
	struct error error;
	uint32_t op;

	if (run_ops(ex, range, &op, &error) == 0)
		return 0;
	fail_stage(ex, 0, stage, op, &error);
	return -1;
}

/* One byte for each task that waits. */
static int let_go(struct executor *ex)
{
	static const char bytes[4096];
	uint32_t left = ex->plan->nr_live;

	/*
	 * Ends of pipes that we hold would keep readers from their end of file.
	 * The gate's read end too: should a task be killed now, its byte is lost
	 * and nobody minds.
	 */
	sys_close_range(ex->plan->slot_base, (unsigned int)slot_fd(ex, (int)ex->plan->nr_slots) - 1, 0);
	while (left > 0) {
		ssize_t written = write(ex->gate_fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		if (written < 0) {
			struct error error = { errno, "opening the gate" };

			fail_stage(ex, 0, STAGE_FINISH, NO_OP, &error);
			return -1;
		}
		left -= (uint32_t)written;
	}
	close(ex->gate_fd);
	return 0;
}

static int strike_parent(struct executor *ex, enum plan_fault at, uint32_t stage)
{
	struct error error;

	if (strike(ex, at, 0, &error) == 0)
		return 0;
	fail_stage(ex, 0, stage, NO_OP, &error);
	return -1;
}

static int restore(struct executor *ex)
{
	if (strike_parent(ex, PLAN_FAULT_READY, STAGE_CREATE) < 0 ||
	    run_parent_ops(ex, ex->plan->create, STAGE_CREATE) < 0 ||
	    run_parent_ops(ex, ex->plan->fork, PLAN_STAGE_FORK) < 0)
		return -1;
	for (int stage = PLAN_STAGE_FORK; stage < PLAN_STAGE_FINAL; stage++)
		if (barrier_await_all(ex, (enum plan_stage)stage) < 0)
			return -1;
	if (strike_parent(ex, PLAN_FAULT_FORKED, PLAN_STAGE_FINAL) < 0 ||
	    run_parent_ops(ex, ex->plan->settle, PLAN_STAGE_FINAL) < 0)
		return -1;
	if (await_ready(ex) < 0 || strike_parent(ex, PLAN_FAULT_LOADED, STAGE_LOAD) < 0)
		return -1;
	if (run_parent_ops(ex, ex->plan->finish, STAGE_FINISH) < 0 ||
	    strike_parent(ex, PLAN_FAULT_GATE, STAGE_FINISH) < 0)
		return -1;
	if (!ex->released && interrupted()) {
		/* the last moment at which a controller that has changed its mind is heard */
		struct error error = { EINTR, "opening the gate" };

		fail_stage(ex, 0, STAGE_FINISH, NO_OP, &error);
		return -1;
	}
	return let_go(ex);
}

/*
 * Ends everything that was started. A task may be forking right now, and a
 * task whose parent dies becomes our child: until wait(2) says that there are
 * no children at all, we are not done.
 */
static void clear_up(struct executor *ex)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	close(ex->gate_fd);
	/* those at a barrier see the failure and end by themselves */
	atomic_store(&ex->shared->done, PLAN_STAGES);
	sys_futex_wake(&ex->shared->done, INT_MAX);
	for (;;) {
		pid_t pid;

		for (uint32_t i = 0; i < ex->plan->nr_procs; i++) {
			pid = atomic_load(&ex->shared->pids[i]);
			if (pid > 0)
				kill(pid, SIGKILL);
		}
		/* its id may soon be somebody else's */
		while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
			for (uint32_t i = 0; i < ex->plan->nr_procs; i++)
				if (atomic_load(&ex->shared->pids[i]) == pid)
					atomic_store(&ex->shared->pids[i], 0);
		if (pid < 0 && errno == ECHILD)
			return;
		nanosleep(&pause, NULL);
	}
}

static int stay_as_parent(struct executor *ex)
{
	pid_t root = actual_pid(ex, ex->procs[ex->plan->root].pid);
	int status;

	/* From now on the tree's orphans are init's, as everybody's. */
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	if (ex->plan->flags & PLAN_F_DETACH)
		return EXIT_OK;
	prctl(PR_SET_PDEATHSIG, 0);
	for (;;) {
		if (waitpid(root, &status, __WALL | WUNTRACED) < 0) {
			if (errno == EINTR)
				continue;
			return EXIT_FAILED;
		}
		if (!WIFSTOPPED(status))
			break;
		stop_with(ex, root);
	}
	take_foreground_back(ex);
	status_line(ex, "exit %d", status);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct executor ex = {
		.self = PLAN_NO_PROC, .parent_pid = getpid(),
		.status_fd = PLAN_FD_STATUS, .image_fd = PLAN_FD_IMAGE, .gate_fd = -1, .report_fd = -1,
	};
	struct error error;

	(void)argv;
	if (argc != 1 || fcntl(PLAN_FD_PLAN, F_GETFD) < 0 || fcntl(PLAN_FD_STATUS, F_GETFD) < 0) {
		fputs("crctl-executor is a part of crctl: `crctl restore` runs it\n", stderr);
		return EXIT_USAGE;
	}
	if (prepare(&ex, &error) < 0) {
		status_line(&ex, "error %d 0 %d -1 %s", STAGE_PLAN, error.err, error.what);
		status_line(&ex, "cleared");
		return EXIT_FAILED;
	}
	if (plan_names_pid(&ex, ex.parent_pid)) {
		status_line(&ex, "again");
		return EXIT_AGAIN;
	}
	if (restore(&ex) < 0) {
		clear_up(&ex);
		remove_socket_files(&ex);
		clear_sysv(&ex);
		clear_mqueues(&ex);
		take_foreground_back(&ex);
		status_failure(&ex);
		status_line(&ex, "cleared");
		return EXIT_FAILED;
	}
	/* nothing can fail any more: only an end is asked for here */
	strike(&ex, PLAN_FAULT_RUNNING, 0, &error);
	status_line(&ex, "running %d", actual_pid(&ex, ex.procs[ex.plan->root].pid));
	return stay_as_parent(&ex);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Processes: forked with their old pids, put into sessions and groups, given their descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor.h"
#include "sys.h"

static _Noreturn void give_up(struct executor *ex, uint32_t stage, uint32_t op, const struct error *error)
{
	fail_stage(ex, getpid(), stage, op, error);
	_exit(1);
}

static pid_t expected_parent(const struct executor *ex)
{
	uint32_t parent = ex->procs[ex->self].parent;

	return parent == PLAN_NO_PROC ? ex->parent_pid : atomic_load(&ex->shared->pids[parent]);
}

/* The creator of an orphan ends, and then the kernel gives the orphan to the nearest subreaper. */
static void await_adoption(pid_t creator)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 };

	while (getppid() == creator)
		nanosleep(&pause, NULL);
}

static void settle_in(struct executor *ex, pid_t creator_of_orphan)
{
	struct error error;

	atomic_store(&ex->shared->pids[ex->self], getpid());
	if (has_failed(ex))
		_exit(1);

	/*
	 * Only the executor's own process may hold the gate's write end: when that
	 * process dies, the end of file there kills every task that is loaded, and
	 * the death signal every one that is not. Exec keeps the death signal, so
	 * it is taken back before; the image brings its own.
	 */
	if (ex->gate_fd >= 0) {
		close(ex->gate_fd);
		close(ex->report_fd);
		close(ex->status_fd);
		ex->gate_fd = ex->report_fd = ex->status_fd = -1;
	}
	if (creator_of_orphan)
		await_adoption(creator_of_orphan);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		failed(&error, errno, "PR_SET_PDEATHSIG");
		give_up(ex, PLAN_STAGE_FORK, NO_OP, &error);
	}
	if (getppid() != expected_parent(ex)) {
		failed(&error, ESRCH, "it has another parent than it should");
		give_up(ex, PLAN_STAGE_FORK, NO_OP, &error);
	}
}

static _Noreturn void live(struct executor *ex, uint32_t index, pid_t creator_of_orphan)
{
	const struct plan_proc *proc = &ex->procs[index];
	struct error error;
	uint32_t op;

	ex->self = index;
	settle_in(ex, creator_of_orphan);
	if (strike(ex, PLAN_FAULT_BORN, index, &error) < 0)
		give_up(ex, PLAN_STAGE_FORK, NO_OP, &error);
	for (int stage = 0; stage < PLAN_STAGES; stage++) {
		if (run_ops(ex, proc->stage[stage], &op, &error) < 0)
			give_up(ex, (uint32_t)stage, op, &error);
		if (stage < PLAN_STAGE_FINAL)
			barrier_arrive(ex, (enum plan_stage)stage);
	}
	if (proc->kind != PLAN_PROC_HELPER) {
		failed(&error, EPROTO, "the plan does not end this process");
		give_up(ex, PLAN_STAGE_FINAL, NO_OP, &error);
	}
	_exit(0);
}

static const char *clone_error(int err)
{
	switch (err) {
	case EEXIST:
		return "clone3: the pid is in use";
	case EPERM:
		return "clone3 with a chosen pid needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN";
	case EINVAL:
		return "clone3: the pid is not below kernel.pid_max";
	case EAGAIN:
		return "clone3: a limit on the number of processes is reached";
	default:
		return "clone3";
	}
}

static int fork_process(struct executor *ex, const struct plan_op *op, struct error *error)
{
	uint32_t index = (uint32_t)op->arg;
	const struct plan_proc *proc = &ex->procs[index];
	/* A sibling takes over our own exit signal; clone3 refuses another one. */
	bool sibling = op->type == PLAN_OP_FORK_SIBLING;
	pid_t pid = sys_clone(sibling ? CLONE_PARENT : 0, sibling ? 0 : (int)proc->exit_signal, wanted_pid(ex, index));

	if (pid == 0)
		live(ex, index, 0);
	if (pid < 0)
		return failed(error, errno, clone_error(errno));
	atomic_store(&ex->shared->pids[index], pid);
	return 0;
}

/*
 * A child with a pid that nobody in the plan wants. Leaving the choice to the
 * kernel could take one that has not been restored yet.
 */
static pid_t clone_unnamed(const struct executor *ex)
{
	static pid_t candidate;
	int tries = 100000;

	if (ex->plan->flags & PLAN_F_NEW_PIDS)
		return sys_clone(0, SIGCHLD, 0);
	if (candidate == 0)
		candidate = getpid();
	while (tries-- > 0) {
		pid_t pid;

		/* the smallest pid_max that the kernel allows on 64 bits is 301, the default at least 32768 */
		candidate = candidate < 32767 ? candidate + 1 : 301;
		if (plan_names_pid(ex, candidate))
			continue;
		pid = sys_clone(0, SIGCHLD, candidate);
		if (pid >= 0 || errno != EEXIST)
			return pid;
	}
	errno = EAGAIN;
	return -1;
}

static int fork_orphan(struct executor *ex, const struct plan_op *op, struct error *error)
{
	uint32_t index = (uint32_t)op->arg;
	const struct plan_proc *proc = &ex->procs[index];
	pid_t middle = clone_unnamed(ex);
	int status;

	if (middle < 0)
		return failed(error, errno, clone_error(errno));
	if (middle == 0) {
		pid_t self = getpid();
		pid_t pid = sys_clone(0, (int)proc->exit_signal, wanted_pid(ex, index));

		if (pid == 0)
			live(ex, index, self);
		_exit(pid < 0 ? errno : 0);
	}
	if (waitpid(middle, &status, 0) < 0)
		return failed(error, errno, "waitpid");
	if (!WIFEXITED(status))
		return failed(error, EINTR, "an intermediate process was killed");
	if (WEXITSTATUS(status) != 0)
		return failed(error, WEXITSTATUS(status), clone_error(WEXITSTATUS(status)));
	return 0;
}

static int reap(struct executor *ex, const struct plan_op *op, struct error *error)
{
	pid_t pid = atomic_load(&ex->shared->pids[op->arg]);
	int status;

	if (waitpid(pid, &status, __WALL) < 0)
		return failed(error, errno, "waitpid for a helper process");
	/* the number may be somebody else's from now on */
	atomic_store(&ex->shared->pids[op->arg], 0);
	if (status != 0)
		return failed(error, ECHILD, "a helper process was killed");
	return 0;
}

/* Whether a process has ended as its last operation says. */
static bool ended_as_planned(const struct executor *ex, uint32_t index, const siginfo_t *info)
{
	struct plan_range last = ex->procs[index].stage[PLAN_STAGE_FINAL];
	int status;

	if (last.count == 0 || ex->ops[last.first + last.count - 1].type != PLAN_OP_DIE)
		return false;
	status = ex->ops[last.first + last.count - 1].arg;
	if (WIFEXITED(status))
		return info->si_code == CLD_EXITED && info->si_status == WEXITSTATUS(status);
	return info->si_code != CLD_EXITED && info->si_status == WTERMSIG(status);
}

static int await_zombie(struct executor *ex, const struct plan_op *op, struct error *error)
{
	pid_t pid = atomic_load(&ex->shared->pids[op->arg]);
	siginfo_t info;

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL) < 0)
		return failed(error, errno, "waitid for a child that has ended");
	if (!ended_as_planned(ex, (uint32_t)op->arg, &info))
		return failed(error, ECHILD, "a process that is to be a zombie ended in another way");
	return 0;
}

static int change_directory(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const char *path = op_data(ex, op);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return failed(error, errno, "opening the working directory");
	if (check_identity(fd, op, error) < 0)
		ret = -1;
	else if (fchdir(fd) < 0)
		ret = failed(error, errno, "fchdir");
	close(fd);
	return ret;
}

/* Ends as the task that is a zombie ended, so that wait(2) tells its parent the same. */
static int die(const struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct rlimit none = { 0, 0 };
	sigset_t set;
	int signo;

	/* its name is all that is to be seen of a zombie */
	prctl(PR_SET_NAME, ex->procs[ex->self].comm);
	if (WIFEXITED(op->arg))
		_exit(WEXITSTATUS(op->arg));

	/* No core file: neither one on disk nor a run of the handler in core_pattern, which ignores the limit. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	signo = WTERMSIG(op->arg);
	if (signo != SIGKILL && signal(signo, SIG_DFL) == SIG_ERR)
		return failed(error, errno, "signal");
	kill(getpid(), signo);
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return failed(error, EINVAL, "the signal that a zombie died of does not kill");
}

int op_process(struct executor *ex, const struct plan_op *op, struct error *error)
{
	switch (op->type) {
	case PLAN_OP_FORK:
	case PLAN_OP_FORK_SIBLING:
		return fork_process(ex, op, error);
	case PLAN_OP_FORK_ORPHAN:
		return fork_orphan(ex, op, error);
	case PLAN_OP_SUBREAPER:
		if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
			return failed(error, errno, "PR_SET_CHILD_SUBREAPER");
		return 0;
	case PLAN_OP_SETSID:
		if (setsid() < 0)
			return failed(error, errno, "setsid");
		return 0;
	case PLAN_OP_SETPGID:
		if (setpgid(0, op->arg == 0 || op->a == 1 ? op->arg : actual_pid(ex, op->arg)) < 0)
			return failed(error, errno, "setpgid");
		return 0;
	case PLAN_OP_REAP:
		return reap(ex, op, error);
	case PLAN_OP_AWAIT_ZOMBIE:
		return await_zombie(ex, op, error);
	case PLAN_OP_CHDIR:
		return change_directory(ex, op, error);
	case PLAN_OP_CHROOT:
		if (chroot(op_data(ex, op)) < 0)
			return failed(error, errno, "chroot");
		return 0;
	case PLAN_OP_UMASK:
		umask((mode_t)op->a);
		return 0;
	case PLAN_OP_DUP:
		if (dup2(slot_fd(ex, op->slot), op->arg) < 0)
			return failed(error, errno, "dup2");
		return 0;
	default:
		return die(ex, op, error);
	}
}

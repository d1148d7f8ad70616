// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is set from outside, while the tasks wait at the gate: a limit or a
 * scheduling class that came earlier would hamper the restore itself. Tasks
 * inherited our own values, so what is the same needs no call.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "executor.h"
#include "sys.h"

#define NR_RLIMITS	16

static int set_rlimits(struct executor *ex, pid_t pid, const struct plan_op *op, struct error *error)
{
	static struct rlimit64 own[NR_RLIMITS];
	static bool known;
	struct rlimit64 wanted[NR_RLIMITS];
	size_t count = op->data_len / sizeof(wanted[0]);

	if (!known) {
		for (int i = 0; i < NR_RLIMITS; i++)
			if (prlimit64(0, i, NULL, &own[i]) < 0)
				return failed(error, errno, "prlimit");
		known = true;
	}
	if (count > NR_RLIMITS)
		return failed(error, EINVAL, "an unknown resource limit");
	memcpy(wanted, op_data(ex, op), count * sizeof(wanted[0]));
	for (size_t i = 0; i < count; i++) {
		if (wanted[i].rlim_cur == own[i].rlim_cur && wanted[i].rlim_max == own[i].rlim_max)
			continue;
		if (prlimit64(pid, (int)i, &wanted[i], NULL) < 0)
			return failed(error, errno, "prlimit");
	}
	return 0;
}

static int set_sched(struct executor *ex, pid_t tid, const struct plan_op *op, struct error *error)
{
	static struct crctl_sched_attr own;
	struct crctl_sched_attr wanted;

	if (op->data_len != sizeof(wanted))
		return failed(error, EINVAL, "sched_setattr");
	memcpy(&wanted, op_data(ex, op), sizeof(wanted));
	if (own.size == 0 && sys_sched_getattr(0, &own) < 0)
		return failed(error, errno, "sched_getattr");
	own.size = wanted.size;
	if (memcmp(&own, &wanted, sizeof(own)) == 0)
		return 0;
	/* a real-time task keeps a nice value for later, which sched_setattr(2) does not touch */
	if (wanted.sched_nice != 0 && setpriority(PRIO_PROCESS, (id_t)tid, wanted.sched_nice) < 0)
		return failed(error, errno, "setpriority");
	if (sys_sched_setattr(tid, &wanted) < 0)
		return failed(error, errno, "sched_setattr");
	return 0;
}

static int set_affinity(struct executor *ex, pid_t tid, const struct plan_op *op, struct error *error)
{
	static uint8_t own[1024];
	static long own_len;
	uint8_t wanted[sizeof(own)] = { 0 };

	if (own_len == 0) {
		/* the system call itself: it tells how long the kernel's masks are */
		own_len = syscall(SYS_sched_getaffinity, 0, sizeof(own), own);
		if (own_len < 0)
			return failed(error, errno, "sched_getaffinity");
	}
	if (op->data_len > sizeof(wanted))
		return failed(error, EINVAL, "sched_setaffinity");
	memcpy(wanted, op_data(ex, op), op->data_len);
	if (memcmp(own, wanted, sizeof(own)) == 0)
		return 0;
	if (sched_setaffinity(tid, sizeof(wanted), (const cpu_set_t *)wanted) < 0)
		return failed(error, errno, "sched_setaffinity (are its CPUs there?)");
	return 0;
}

static int set_ioprio(pid_t tid, const struct plan_op *op, struct error *error)
{
	static int own = -1;

	if (own < 0) {
		own = sys_ioprio_get(0);
		if (own < 0)
			return failed(error, errno, "ioprio_get");
	}
	if (own != (int)op->a && sys_ioprio_set(tid, (int)op->a) < 0)
		return failed(error, errno, "ioprio_set");
	return 0;
}

static int write_text(const char *path, const char *text, struct error *error, const char *what)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return failed(error, errno, what);
	if (write(fd, text, strlen(text)) < 0)
		ret = failed(error, errno, what);
	close(fd);
	return ret;
}

static int write_proc_file(const struct executor *ex, pid_t pid, const struct plan_op *op,
			   struct error *error)
{
	const char *name = op_data(ex, op);
	char path[80];

	if (strlen(name) >= op->data_len)
		return failed(error, EINVAL, "writing to a file of /proc");
	snprintf(path, sizeof(path), "/proc/%d/%.32s", pid, name);
	return write_text(path, name + strlen(name) + 1, error, "writing to a file of /proc");
}

static int join_cgroup(const struct executor *ex, pid_t pid, const struct plan_op *op, struct error *error)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return write_text(op_data(ex, op), text, error, "moving it to its cgroup");
}

/* If we have the terminal, as a shell's foreground job, that group gets it. */
static int give_foreground(struct executor *ex, pid_t group)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	int ret = 0;

	if (tty < 0)
		return 0;
	if (tcgetpgrp(tty) == getpgrp()) {
		/* SIGTTOU is blocked, so the call works from whatever group */
		ret = tcsetpgrp(tty, group);
		ex->foreground = ret == 0;
	}
	close(tty);
	return ret;
}

void take_foreground_back(struct executor *ex)
{
	int tty;

	if (!ex->foreground)
		return;
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (tty < 0)
		return;
	tcsetpgrp(tty, getpgrp());
	close(tty);
	ex->foreground = false;
}

/*
 * The tree's root was stopped, by ^Z as a rule: the shell that started us waits
 * for us, so we stop with it, and go on with it when the shell says so.
 */
void stop_with(struct executor *ex, pid_t root)
{
	if (!ex->foreground)
		return;
	take_foreground_back(ex);
	kill(0, SIGSTOP);
	give_foreground(ex, getpgid(root));
	kill(-getpgid(root), SIGCONT);
}

int op_attribute(struct executor *ex, const struct plan_op *op, struct error *error)
{
	pid_t pid = actual_pid(ex, op->arg);

	switch (op->type) {
	case PLAN_OP_RLIMITS:
		return set_rlimits(ex, pid, op, error);
	case PLAN_OP_SCHED:
		return set_sched(ex, pid, op, error);
	case PLAN_OP_AFFINITY:
		return set_affinity(ex, pid, op, error);
	case PLAN_OP_IOPRIO:
		return set_ioprio(pid, op, error);
	case PLAN_OP_PROCFILE:
		return write_proc_file(ex, pid, op, error);
	case PLAN_OP_CGROUP:
		return join_cgroup(ex, pid, op, error);
	case PLAN_OP_STOP:
		if (kill(pid, SIGSTOP) < 0)
			return failed(error, errno, "kill with SIGSTOP");
		return 0;
	default:
		if (give_foreground(ex, pid) < 0)
			return failed(error, errno, "tcsetpgrp");
		return 0;
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* Carrying out a run of operations. */
#include <errno.h>

#include "executor.h"

int failed(struct error *error, int err, const char *what)
{
	error->err = err;
	error->what = what;
	return -1;
}

static int run_op(struct executor *ex, const struct plan_op *op, struct error *error)
{
	switch ((enum plan_op_type)op->type) {
	case PLAN_OP_OPEN:
	case PLAN_OP_REOPEN:
	case PLAN_OP_SEEK:
	case PLAN_OP_SETFL:
	case PLAN_OP_CLOSE:
	case PLAN_OP_TAKE:
	case PLAN_OP_PIPE:
	case PLAN_OP_FIFO_EMPTY:
	case PLAN_OP_PIPE_SIZE:
	case PLAN_OP_WRITE:
	case PLAN_OP_GHOST:
	case PLAN_OP_MEMFD:
	case PLAN_OP_SHMEM:
	case PLAN_OP_FILL:
	case PLAN_OP_TIMES:
	case PLAN_OP_SEAL:
	case PLAN_OP_OWNER:
	case PLAN_OP_CHOWN:
		return op_object(ex, op, error);
	case PLAN_OP_EVENTFD:
	case PLAN_OP_SIGNALFD:
	case PLAN_OP_TIMERFD:
	case PLAN_OP_TIMERFD_SET:
	case PLAN_OP_TIMERFD_TICKS:
		return op_counter(ex, op, error);
	case PLAN_OP_EPOLL:
	case PLAN_OP_EPOLL_ADD:
	case PLAN_OP_EPOLL_DRAIN:
		return op_epoll(ex, op, error);
	case PLAN_OP_SOCKET:
	case PLAN_OP_SOCKETPAIR:
	case PLAN_OP_BIND:
	case PLAN_OP_SOCKET_FILE:
	case PLAN_OP_UNLINK:
	case PLAN_OP_LISTEN:
	case PLAN_OP_CONNECT:
	case PLAN_OP_ACCEPT:
	case PLAN_OP_SOCKOPT:
	case PLAN_OP_FILTER:
	case PLAN_OP_SEND:
	case PLAN_OP_SHUTDOWN:
	case PLAN_OP_BIND_ADDRESS:
	case PLAN_OP_RENAME:
	case PLAN_OP_CONNECT_ADDRESS:
		return op_socket(ex, op, error);
	case PLAN_OP_TCP_REPAIR:
	case PLAN_OP_TCP_OPEN:
	case PLAN_OP_TCP_SEND:
	case PLAN_OP_TCP_ENDED:
	case PLAN_OP_TCP_FILL:
		return op_tcp(ex, op, error);
	case PLAN_OP_TCP_HOLD:
	case PLAN_OP_TCP_END:
	case PLAN_OP_TCP_RELEASE:
		return op_held(ex, op, error);
	case PLAN_OP_DATAGRAM:
		return op_datagram(ex, op, error);
	case PLAN_OP_PTY:
	case PLAN_OP_PTY_SLAVE:
	case PLAN_OP_PTY_SET:
	case PLAN_OP_TTY_CONTROL:
	case PLAN_OP_TTY_FOREGROUND:
	case PLAN_OP_TTY_LEAVE:
		return op_terminal(ex, op, error);
	case PLAN_OP_SEGMENT:
	case PLAN_OP_SEGMENT_FILL:
	case PLAN_OP_SEGMENT_SET:
		return op_segment(ex, op, error);
	case PLAN_OP_SEMAPHORES:
	case PLAN_OP_SEMAPHORES_ADJUST:
	case PLAN_OP_SEMAPHORES_SET:
		return op_semaphores(ex, op, error);
	case PLAN_OP_QUEUE:
	case PLAN_OP_QUEUE_MARK:
	case PLAN_OP_QUEUE_SET:
		return op_queue(ex, op, error);
	case PLAN_OP_MQUEUE:
	case PLAN_OP_MQUEUE_OPEN:
	case PLAN_OP_MQUEUE_UNLINK:
		return op_mqueue(ex, op, error);
	case PLAN_OP_CLOCKS:
		return op_clocks(ex, op, error);
	case PLAN_OP_LOCK:
		return op_lock(ex, op, error);
	case PLAN_OP_INOTIFY:
	case PLAN_OP_INOTIFY_ADD:
		return op_inotify(ex, op, error);
	case PLAN_OP_PIDFD:
	case PLAN_OP_PIDFD_GIVE:
	case PLAN_OP_PIDFD_TAKE:
	case PLAN_OP_PROC_GIVE:
		return op_pidfd(ex, op, error);
	case PLAN_OP_FORK:
	case PLAN_OP_FORK_SIBLING:
	case PLAN_OP_FORK_ORPHAN:
	case PLAN_OP_SUBREAPER:
	case PLAN_OP_SETSID:
	case PLAN_OP_SETPGID:
	case PLAN_OP_REAP:
	case PLAN_OP_AWAIT_ZOMBIE:
	case PLAN_OP_CHDIR:
	case PLAN_OP_CHROOT:
	case PLAN_OP_UMASK:
	case PLAN_OP_DUP:
	case PLAN_OP_DIE:
		return op_process(ex, op, error);
	case PLAN_OP_EXEC:
		return op_exec(ex, op, error);
	case PLAN_OP_PROGRAM:
		return op_program(ex, op, error);
	case PLAN_OP_RLIMITS:
	case PLAN_OP_SCHED:
	case PLAN_OP_AFFINITY:
	case PLAN_OP_IOPRIO:
	case PLAN_OP_PROCFILE:
	case PLAN_OP_CGROUP:
	case PLAN_OP_STOP:
	case PLAN_OP_FOREGROUND:
		return op_attribute(ex, op, error);
	}
	return failed(error, EPROTO, "an unknown operation");
}

/* On failure *op is the index of the operation. */
int run_ops(struct executor *ex, struct plan_range range, uint32_t *op, struct error *error)
{
	for (uint32_t i = range.first; i < range.first + range.count; i++) {
		*op = i;
		if (strike(ex, PLAN_FAULT_OP, i, error) < 0 || run_op(ex, &ex->ops[i], error) < 0)
			return -1;
	}
	*op = NO_OP;
	return 0;
}

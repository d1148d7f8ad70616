// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a plan: map it, then check every number in it that the rest of the
 * program uses as an index, an offset or a length.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "executor.h"

enum arg_rule { ANY, SLOT, PROC };
enum data_rule { NONE, STRING, BYTES };

struct op_rule {
	bool known;
	bool slot;
	enum arg_rule arg;
	enum data_rule data;
};

static const struct op_rule rules[] = {
	[PLAN_OP_OPEN]		= { true, true, ANY, STRING },
	[PLAN_OP_REOPEN]	= { true, true, SLOT, NONE },
	[PLAN_OP_SEEK]		= { true, true, ANY, NONE },
	[PLAN_OP_SETFL]		= { true, true, ANY, NONE },
	[PLAN_OP_CLOSE]		= { true, true, ANY, NONE },
	[PLAN_OP_TAKE]		= { true, true, ANY, NONE },
	[PLAN_OP_PIPE]		= { true, true, SLOT, NONE },
	[PLAN_OP_FIFO_EMPTY]	= { true, true, ANY, NONE },
	[PLAN_OP_PIPE_SIZE]	= { true, true, ANY, NONE },
	[PLAN_OP_WRITE]		= { true, true, ANY, BYTES },
	[PLAN_OP_GHOST]		= { true, true, ANY, STRING },
	[PLAN_OP_MEMFD]		= { true, true, ANY, STRING },
	[PLAN_OP_SHMEM]		= { true, true, ANY, NONE },
	[PLAN_OP_FILL]		= { true, true, ANY, STRING },
	[PLAN_OP_TIMES]		= { true, true, ANY, NONE },
	[PLAN_OP_SEAL]		= { true, true, ANY, NONE },
	[PLAN_OP_OWNER]		= { true, true, ANY, NONE },
	[PLAN_OP_CHOWN]		= { true, true, ANY, NONE },
	[PLAN_OP_EVENTFD]	= { true, true, ANY, NONE },
	[PLAN_OP_SIGNALFD]	= { true, true, ANY, NONE },
	[PLAN_OP_TIMERFD]	= { true, true, ANY, NONE },
	[PLAN_OP_TIMERFD_SET]	= { true, true, ANY, NONE },
	[PLAN_OP_TIMERFD_TICKS]	= { true, true, ANY, NONE },
	[PLAN_OP_EPOLL]		= { true, true, ANY, NONE },
	[PLAN_OP_EPOLL_ADD]	= { true, true, SLOT, NONE },
	[PLAN_OP_EPOLL_DRAIN]	= { true, true, ANY, NONE },
	[PLAN_OP_PTY]		= { true, true, ANY, STRING },
	[PLAN_OP_PTY_SLAVE]	= { true, true, SLOT, NONE },
	[PLAN_OP_LOCK]		= { true, true, ANY, NONE },
	[PLAN_OP_PIDFD]		= { true, true, SLOT, NONE },
	[PLAN_OP_INOTIFY]	= { true, true, ANY, NONE },
	[PLAN_OP_FORK]		= { true, false, PROC, NONE },
	[PLAN_OP_FORK_SIBLING]	= { true, false, PROC, NONE },
	[PLAN_OP_FORK_ORPHAN]	= { true, false, PROC, NONE },
	[PLAN_OP_SUBREAPER]	= { true, false, ANY, NONE },
	[PLAN_OP_SETSID]	= { true, false, ANY, NONE },
	[PLAN_OP_SETPGID]	= { true, false, ANY, NONE },
	[PLAN_OP_REAP]		= { true, false, PROC, NONE },
	[PLAN_OP_AWAIT_ZOMBIE]	= { true, false, PROC, NONE },
	[PLAN_OP_CHDIR]		= { true, false, ANY, STRING },
	[PLAN_OP_CHROOT]	= { true, false, ANY, STRING },
	[PLAN_OP_UMASK]		= { true, false, ANY, NONE },
	[PLAN_OP_DUP]		= { true, true, ANY, NONE },
	[PLAN_OP_EXEC]		= { true, false, ANY, BYTES },
	[PLAN_OP_PROGRAM]	= { true, false, ANY, STRING },
	[PLAN_OP_DIE]		= { true, false, ANY, NONE },
	[PLAN_OP_PIDFD_GIVE]	= { true, true, ANY, NONE },
	[PLAN_OP_PIDFD_TAKE]	= { true, true, ANY, NONE },
	[PLAN_OP_PROC_GIVE]	= { true, true, SLOT, STRING },
	[PLAN_OP_TTY_CONTROL]	= { true, true, ANY, NONE },
	[PLAN_OP_TTY_FOREGROUND] = { true, true, ANY, NONE },
	[PLAN_OP_TTY_LEAVE]	= { true, true, ANY, NONE },
	[PLAN_OP_RLIMITS]	= { true, false, ANY, BYTES },
	[PLAN_OP_SCHED]		= { true, false, ANY, BYTES },
	[PLAN_OP_AFFINITY]	= { true, false, ANY, BYTES },
	[PLAN_OP_IOPRIO]	= { true, false, ANY, NONE },
	[PLAN_OP_PROCFILE]	= { true, false, ANY, STRING },
	[PLAN_OP_CGROUP]	= { true, false, ANY, STRING },
	[PLAN_OP_STOP]		= { true, false, ANY, NONE },
	[PLAN_OP_FOREGROUND]	= { true, false, ANY, NONE },
	[PLAN_OP_SOCKET]		= { true, true, ANY, NONE },
	[PLAN_OP_SOCKETPAIR]	= { true, true, SLOT, NONE },
	[PLAN_OP_BIND]		= { true, true, ANY, BYTES },
	[PLAN_OP_SOCKET_FILE]	= { true, false, ANY, STRING },
	[PLAN_OP_UNLINK]		= { true, false, ANY, STRING },
	[PLAN_OP_LISTEN]		= { true, true, ANY, NONE },
	[PLAN_OP_CONNECT]		= { true, true, ANY, BYTES },
	[PLAN_OP_ACCEPT]		= { true, true, SLOT, NONE },
	[PLAN_OP_SOCKOPT]		= { true, true, ANY, BYTES },
	[PLAN_OP_FILTER]	= { true, true, ANY, BYTES },
	[PLAN_OP_SEND]		= { true, true, ANY, BYTES },
	[PLAN_OP_SHUTDOWN]	= { true, true, ANY, NONE },
	[PLAN_OP_BIND_ADDRESS]	= { true, true, ANY, BYTES },
	[PLAN_OP_RENAME]	= { true, false, ANY, BYTES },
	[PLAN_OP_CONNECT_ADDRESS]	= { true, true, ANY, BYTES },
	[PLAN_OP_TCP_REPAIR]	= { true, true, ANY, BYTES },
	[PLAN_OP_TCP_OPEN]	= { true, true, ANY, NONE },
	[PLAN_OP_TCP_SEND]	= { true, true, ANY, BYTES },
	[PLAN_OP_TCP_ENDED]	= { true, true, ANY, BYTES },
	[PLAN_OP_TCP_HOLD]	= { true, true, ANY, BYTES },
	[PLAN_OP_TCP_FILL]	= { true, true, ANY, BYTES },
	[PLAN_OP_TCP_END]	= { true, true, SLOT, NONE },
	[PLAN_OP_TCP_RELEASE]	= { true, true, ANY, NONE },
	[PLAN_OP_DATAGRAM]	= { true, true, ANY, BYTES },
	[PLAN_OP_SEGMENT]	= { true, true, ANY, BYTES },
	[PLAN_OP_SEGMENT_FILL]	= { true, true, ANY, STRING },
	[PLAN_OP_SEGMENT_SET]	= { true, true, ANY, BYTES },
	[PLAN_OP_SEMAPHORES]	= { true, true, ANY, BYTES },
	[PLAN_OP_SEMAPHORES_ADJUST] = { true, true, ANY, BYTES },
	[PLAN_OP_SEMAPHORES_SET] = { true, true, ANY, BYTES },
	[PLAN_OP_QUEUE]		= { true, true, ANY, BYTES },
	[PLAN_OP_QUEUE_MARK]	= { true, true, ANY, NONE },
	[PLAN_OP_QUEUE_SET]	= { true, true, ANY, BYTES },
	[PLAN_OP_CLOCKS]	= { true, false, ANY, NONE },
	[PLAN_OP_MQUEUE]	= { true, true, ANY, BYTES },
	[PLAN_OP_MQUEUE_OPEN]	= { true, true, SLOT, NONE },
	[PLAN_OP_MQUEUE_UNLINK]	= { true, true, ANY, NONE },
	[PLAN_OP_PTY_SET]	= { true, true, ANY, BYTES },
	[PLAN_OP_INOTIFY_ADD]	= { true, true, ANY, STRING },
};

static bool range_fits(const struct plan_header *plan, struct plan_range range)
{
	return range.first <= plan->nr_ops && range.count <= plan->nr_ops - range.first;
}

static bool table_fits(const struct plan_header *plan, uint32_t off, uint32_t count, size_t size, size_t align)
{
	return off % align == 0 && off <= plan->size && count <= (plan->size - off) / size;
}

static bool check_op(const struct executor *ex, const struct plan_op *op)
{
	const struct plan_header *plan = ex->plan;
	const struct op_rule *rule;

	if (op->type >= sizeof(rules) / sizeof(rules[0]) || !rules[op->type].known)
		return false;
	rule = &rules[op->type];
	if (rule->slot && (op->slot < 0 || (uint32_t)op->slot >= plan->nr_slots))
		return false;
	if (rule->arg == SLOT && (op->arg < 0 || (uint32_t)op->arg >= plan->nr_slots))
		return false;
	if (rule->arg == PROC && (op->arg < 0 || (uint32_t)op->arg >= plan->nr_procs))
		return false;
	if (rule->data == NONE)
		return true;
	/* one more byte than the data: a string's NUL, which is always there */
	if (op->data_off >= plan->size || op->data_len >= plan->size - op->data_off)
		return false;
	return rule->data != STRING || ex->bytes[(uint64_t)op->data_off + op->data_len] == '\0';
}

static int check_header(const struct plan_header *plan, uint64_t size, struct error *error)
{
	if (plan->magic != PLAN_MAGIC || plan->version != PLAN_VERSION)
		return failed(error, EPROTO, "the plan is of another version of crctl");
	if (plan->header_size != sizeof(*plan) || plan->size != size)
		return failed(error, EPROTO, "the plan's size is wrong");
	if (plan->nr_procs == 0 || plan->nr_procs > PLAN_MAX_PROCS || plan->nr_slots > PLAN_MAX_SLOTS ||
	    plan->nr_inherited > PLAN_MAX_SLOTS || plan->root >= plan->nr_procs ||
	    plan->gate_slot >= plan->nr_slots || plan->report_slot >= plan->nr_slots ||
	    plan->slot_base < PLAN_FD_INHERIT + plan->nr_inherited + PLAN_LOW_FREE ||
	    plan->slot_base > INT32_MAX - PLAN_MAX_SLOTS - PLAN_OWN_SLOTS)
		return failed(error, EPROTO, "a number in the plan's header is out of range");
	if (!table_fits(plan, plan->procs_off, plan->nr_procs, sizeof(struct plan_proc), 8) ||
	    !table_fits(plan, plan->ops_off, plan->nr_ops, sizeof(struct plan_op), 8) ||
	    !table_fits(plan, plan->pids_off, plan->nr_pids, sizeof(int32_t), 4))
		return failed(error, EPROTO, "a table of the plan lies outside it");
	if (!range_fits(plan, plan->create) || !range_fits(plan, plan->fork) || !range_fits(plan, plan->settle) ||
	    !range_fits(plan, plan->finish))
		return failed(error, EPROTO, "a run of operations lies outside the plan");
	return 0;
}

static bool check_proc(const struct executor *ex, const struct plan_proc *proc)
{
	if (proc->kind < PLAN_PROC_LIVE || proc->kind > PLAN_PROC_HELPER || proc->pid < 0)
		return false;
	if (proc->parent != PLAN_NO_PROC && proc->parent >= ex->plan->nr_procs)
		return false;
	if (proc->exit_signal > 64 || proc->comm[sizeof(proc->comm) - 1] != '\0')
		return false;
	for (int stage = 0; stage < PLAN_STAGES; stage++)
		if (!range_fits(ex->plan, proc->stage[stage]))
			return false;
	return true;
}

int plan_load(struct executor *ex, int fd, struct error *error)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return failed(error, errno, "the plan's descriptor");
	if (st.st_size < (off_t)sizeof(struct plan_header))
		return failed(error, EPROTO, "the plan is too short");
	/* Shared: forks neither copy it nor its page tables. */
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return failed(error, errno, "mapping the plan");

	ex->bytes = map;
	ex->plan = map;
	if (check_header(ex->plan, (uint64_t)st.st_size, error) < 0)
		return -1;
	ex->procs = (const void *)(ex->bytes + ex->plan->procs_off);
	ex->ops = (const void *)(ex->bytes + ex->plan->ops_off);
	ex->pids = (const void *)(ex->bytes + ex->plan->pids_off);

	for (uint32_t i = 0; i < ex->plan->nr_ops; i++)
		if (!check_op(ex, &ex->ops[i]))
			return failed(error, EPROTO, "an operation of the plan is malformed");
	for (uint32_t i = 0; i < ex->plan->nr_procs; i++)
		if (!check_proc(ex, &ex->procs[i]))
			return failed(error, EPROTO, "a process of the plan is malformed");
	return 0;
}

bool plan_names_pid(const struct executor *ex, pid_t pid)
{
	uint32_t low = 0, high = ex->plan->nr_pids;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ex->pids[middle] == pid)
			return true;
		if (ex->pids[middle] < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

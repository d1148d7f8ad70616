/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The restore plan: everything that the executor does, as data.
 *
 * The controller builds it (src/restore/plan.ts describes the same records, a
 * unit test compares the two), the executor maps it read-only and checks every
 * offset, index and count before it does anything. There are no pointers in
 * it, only offsets from its first byte.
 *
 *	header | processes | operations | pids | bytes (strings, data, manifests)
 *
 * An operation is one step of one process: "open this path", "fork process 3",
 * "make descriptor 5 of slot 7", "execute this manifest". Each process has a
 * run of operations for each stage; the executor's own process (the parent of
 * the tree's root) has its runs in the header.
 *
 * *Slots* are descriptors of the executor that its children inherit: slot n is
 * descriptor slot_base + n. The controller chooses slot_base so that no slot
 * has the number of a descriptor of a restored task: then descriptors can be
 * put into place in any order, and a manifest can name the slot's number. The
 * executor keeps its own descriptors right behind the slots, out of the way.
 */
#ifndef CRCTL_PLAN_H
#define CRCTL_PLAN_H

#include <stdint.h>

#define PLAN_MAGIC	0x4e414c504c544352ull	/* "RCTLPLAN" */
#define PLAN_VERSION	1

#define PLAN_MAX_PROCS	4194304u	/* as PID_MAX_LIMIT */
#define PLAN_MAX_SLOTS	1048576u
#define PLAN_OWN_SLOTS	5u	/* numbers behind the slots that the executor uses itself */
#define PLAN_LOW_FREE	16u	/* numbers below slot_base, behind the inherited ones, for passing use */

/* Descriptors that the controller hands over. Inherited ones follow. */
enum plan_fd {
	PLAN_FD_PLAN	= 3,
	PLAN_FD_STATUS	= 4,	/* lines for the controller, see status.c */
	PLAN_FD_IMAGE	= 5,	/* the image directory */
	PLAN_FD_INHERIT	= 6,	/* the first of header.nr_inherited */
};

/*
 * The stages of a restored process. FORK and GROUP end with a barrier that all
 * processes reach, where the plan asks for one: a plan without group joins,
 * zombies and helpers needs none, and then a child may execute its image while
 * its parent still forks.
 */
enum plan_stage {
	PLAN_STAGE_FORK		= 0,	/* session, own group, children */
	PLAN_STAGE_GROUP	= 1,	/* join a group that another process made */
	PLAN_STAGE_MOVE		= 2,	/* a leader that left its own group */
	PLAN_STAGE_FINAL	= 3,	/* everything else; ends in exec or exit */
	PLAN_STAGES		= 4,
};

struct plan_range {
	uint32_t first;		/* index of an operation */
	uint32_t count;
};

enum plan_flag {
	PLAN_F_DETACH	= 1u << 0,	/* end when the tree runs */
	PLAN_F_PROGRESS	= 1u << 1,	/* tell how far it is */
	/*
	 * Processes get whatever ids the kernel gives. The ids in the plan are the
	 * old ones, by which it names its processes; those of others are meant
	 * as they are.
	 */
	PLAN_F_NEW_PIDS	= 1u << 2,
};

struct plan_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t size;			/* bytes of the whole plan */
	uint32_t flags;			/* enum plan_flag */
	uint32_t barriers;		/* bit n: stage n ends with a barrier */
	uint32_t slot_base;
	uint32_t nr_slots;
	uint32_t nr_inherited;		/* descriptors from PLAN_FD_INHERIT on */
	uint32_t root;			/* index of the tree's root process */
	uint32_t nr_live;		/* processes that report "ready" */
	uint32_t gate_slot;		/* read end of the gate */
	uint32_t report_slot;		/* write end of the report pipe */
	uint32_t nr_procs;
	uint32_t procs_off;
	uint32_t nr_ops;
	uint32_t ops_off;
	uint32_t nr_pids;		/* sorted: every pid and tid of the tree */
	uint32_t pids_off;
	uint32_t fault;			/* enum plan_fault */
	uint32_t fault_index;		/* of the operation or process it is about */
	uint32_t fault_action;		/* enum plan_fault_action */
	/* what the executor's own process does */
	struct plan_range create;	/* objects, before the first fork */
	struct plan_range fork;
	struct plan_range settle;	/* after the last barrier */
	struct plan_range finish;	/* all tasks are loaded and wait at the gate */
};

/* A fault on demand, for tests: src/fault.ts says what these places are. */
enum plan_fault {
	PLAN_FAULT_NONE		= 0,
	PLAN_FAULT_OP		= 1,	/* instead of operation fault_index */
	PLAN_FAULT_BORN		= 2,	/* process fault_index has been forked */
	PLAN_FAULT_READY	= 3,
	PLAN_FAULT_FORKED	= 4,
	PLAN_FAULT_LOADED	= 5,
	PLAN_FAULT_GATE		= 6,
	PLAN_FAULT_RUNNING	= 7,
};

enum plan_fault_action {
	PLAN_FAULT_ACTION_FAIL	= 1,
	PLAN_FAULT_ACTION_KILL	= 2,	/* the controller */
	PLAN_FAULT_ACTION_DIE	= 3,	/* the process at that place */
	PLAN_FAULT_ACTION_STOP	= 4,	/* the same */
};

enum plan_proc_kind {
	PLAN_PROC_LIVE		= 1,	/* ends in PLAN_OP_EXEC or PLAN_OP_PROGRAM */
	PLAN_PROC_ZOMBIE	= 2,	/* ends in PLAN_OP_DIE, stays unreaped */
	PLAN_PROC_HELPER	= 3,	/* stands in for a dead leader, reaped by its parent */
};

#define PLAN_NO_PROC	0xffffffffu

struct plan_proc {
	int32_t  pid;
	uint32_t kind;			/* enum plan_proc_kind */
	uint32_t parent;		/* index, or PLAN_NO_PROC: the executor */
	uint32_t exit_signal;
	char	 comm[16];
	struct plan_range stage[PLAN_STAGES];
};

/*
 * An operation that fails is reported by its index: the controller knows what
 * object and which task it was for.
 */
struct plan_op {
	uint32_t type;			/* enum plan_op_type */
	uint32_t flags;
	int32_t  slot;
	int32_t  arg;
	uint64_t a, b;
	uint32_t data_off, data_len;	/* strings have a NUL behind them, not counted */
};

enum plan_op_type {
	/*
	 * Objects. `flags` are those of open(2) where a descriptor is made; it is
	 * always made with O_CLOEXEC, so that exec closes every slot.
	 */
	PLAN_OP_OPEN		= 1,	/* data: path; a: inode number or 0, b: st_dev or 0;
					 * arg: PLAN_AT_* */
	PLAN_OP_REOPEN		= 2,	/* slot: another description of slot `arg` */
	PLAN_OP_SEEK		= 3,	/* a: position */
	PLAN_OP_SETFL		= 4,	/* flags: F_SETFL */
	PLAN_OP_CLOSE		= 5,
	PLAN_OP_TAKE		= 6,	/* slot: descriptor `arg` as handed over */
	PLAN_OP_PIPE		= 7,	/* slot: read end, arg: slot of the write end,
					 * a: capacity; both are O_NONBLOCK */
	PLAN_OP_FIFO_EMPTY	= 8,	/* fails if there are unread bytes */
	PLAN_OP_PIPE_SIZE	= 9,	/* a: capacity */
	PLAN_OP_WRITE		= 10,	/* data: one write(2), all of it */
	PLAN_OP_GHOST		= 11,	/* data: path; a file without a name */
	PLAN_OP_MEMFD		= 12,	/* data: name; flags: MFD_* */
	PLAN_OP_SHMEM		= 13,	/* shared anonymous memory; a: size */
	PLAN_OP_FILL		= 14,	/* data: name of the image's file; a: size */
	PLAN_OP_TIMES		= 15,	/* a: modification time, ns */
	PLAN_OP_SEAL		= 16,	/* flags: F_SEAL_* */
	PLAN_OP_OWNER		= 17,	/* arg: pid, a: F_OWNER_*, b: signal, flags: F_SETFL */
	PLAN_OP_CHOWN		= 18,	/* a: user id, b: group id, flags: mode */

	/* Processes. */
	PLAN_OP_FORK		= 32,	/* arg: process */
	PLAN_OP_FORK_SIBLING	= 33,	/* arg: process; it gets our parent */
	PLAN_OP_FORK_ORPHAN	= 34,	/* arg: process; goes to the nearest subreaper */
	PLAN_OP_SUBREAPER	= 35,
	PLAN_OP_SETSID		= 36,
	PLAN_OP_SETPGID		= 37,	/* arg: group, 0: a group of our own; a: 1 if it is no
					 * group of the plan's */
	PLAN_OP_REAP		= 38,	/* arg: process, a helper that is our child */
	PLAN_OP_AWAIT_ZOMBIE	= 39,	/* arg: process; wait for it to die, leave it */
	PLAN_OP_CHDIR		= 40,	/* data: path; a: inode number or 0, b: st_dev or 0 */
	PLAN_OP_CHROOT		= 41,	/* data: path */
	PLAN_OP_UMASK		= 42,	/* a */
	PLAN_OP_DUP		= 43,	/* descriptor `arg` is a duplicate of `slot`, without
					 * FD_CLOEXEC: the manifest sets that later */
	PLAN_OP_EXEC		= 44,	/* data: exec manifest */
	PLAN_OP_PROGRAM		= 45,	/* data: path and arguments, each with a NUL: for tests
					 * of the executor where no manifest can be executed */
	PLAN_OP_DIE		= 46,	/* arg: wait status */

	/* From outside, on processes that wait at the gate. Values that the
	 * executor has itself, and so handed on, are left alone. */
	PLAN_OP_RLIMITS		= 64,	/* arg: pid; data: pairs of uint64_t, soft and hard */
	PLAN_OP_SCHED		= 65,	/* arg: tid; data: struct sched_attr */
	PLAN_OP_AFFINITY	= 66,	/* arg: tid; data: CPU mask */
	PLAN_OP_IOPRIO		= 67,	/* arg: tid; a: value */
	PLAN_OP_PROCFILE	= 68,	/* arg: pid; data: name, NUL, value: /proc/<pid>/<name> */
	PLAN_OP_CGROUP		= 69,	/* arg: pid; data: path of a cgroup.procs */
	PLAN_OP_STOP		= 70,	/* arg: pid */
	PLAN_OP_FOREGROUND	= 71,	/* arg: group that the terminal is given to, if it is ours */
};

/* plan_op.arg of PLAN_OP_OPEN */
enum plan_at {
	PLAN_AT_CWD	= 0,	/* as the controller sees it */
	PLAN_AT_IMAGE	= 1,	/* relative to the image directory */
};

#endif /* CRCTL_PLAN_H */

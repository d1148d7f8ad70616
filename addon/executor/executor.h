/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The executor of restore plans. It runs in one thread, allocates nothing
 * after its start, and its children are plain forks of it until they execute
 * their images.
 */
#ifndef CRCTL_EXECUTOR_H
#define CRCTL_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "plan.h"

#define NO_OP	0xffffffffu

/* Why something failed: `what` says what was tried. */
struct error {
	int err;		/* errno */
	const char *what;	/* a constant */
};

/* Fills in the error; returns -1, so that it ends a function. */
int failed(struct error *error, int err, const char *what);

/*
 * Memory that the executor and all its children share. Children are forks of
 * this very program, so a pointer to a constant means the same in all of them.
 */
struct failure {
	pid_t pid;
	uint32_t stage;		/* enum plan_stage, or STAGE_* below */
	uint32_t op;
	struct error error;
};

struct shared {
	_Atomic uint32_t done;		/* barriers passed: stage n is over when done > n */
	_Atomic uint32_t arrived;	/* processes that reached the barrier in front */
	_Atomic uint32_t failed;	/* 1: somebody is writing `failure`, 2: it is there */
	struct failure failure;
	_Atomic int32_t pids[];		/* by process index; 0: not forked, or reaped */
};

/* What a failure's stage says beyond enum plan_stage. */
enum {
	STAGE_PLAN	= 16,	/* reading and checking the plan */
	STAGE_CREATE	= 17,	/* creating objects */
	STAGE_LOAD	= 18,	/* waiting for images to be loaded */
	STAGE_FINISH	= 19,	/* setting attributes from outside */
};

struct executor {
	const uint8_t *bytes;		/* the plan */
	const struct plan_header *plan;
	const struct plan_proc *procs;
	const struct plan_op *ops;
	const int32_t *pids;		/* sorted */
	struct shared *shared;
	uint32_t self;			/* our process index, or PLAN_NO_PROC */
	pid_t parent_pid;		/* of the executor's own process */
	pid_t controller_pid;
	int status_fd, image_fd, gate_fd, report_fd;	/* our own ends */
	int proc_fd;			/* /proc: a task that has changed its root does not see it */
	bool foreground;		/* we gave the terminal away */
	bool released;			/* connections out of the tree go on: there is no way back */
	const struct plan_op *last_file; /* the last operation on a socket's file that was made */
	struct sysv *sysv;		/* System V objects, by slot; NULL: none yet */
	struct mqueue *mqueues;		/* POSIX message queues, the same */
	char line[512];			/* of the report pipe, not yet complete */
	size_t line_len;
};

/* plan.c */
int plan_load(struct executor *ex, int fd, struct error *error);
bool plan_names_pid(const struct executor *ex, pid_t pid);

static inline const char *op_data(const struct executor *ex, const struct plan_op *op)
{
	return (const char *)ex->bytes + op->data_off;
}

static inline int slot_fd(const struct executor *ex, int slot)
{
	return (int)ex->plan->slot_base + slot;
}

/* ids.c */
pid_t wanted_pid(const struct executor *ex, uint32_t index);
pid_t actual_pid(const struct executor *ex, pid_t planned);
pid_t planned_pid(const struct executor *ex, pid_t actual);

/* fault.c */
int strike(struct executor *ex, enum plan_fault at, uint32_t index, struct error *error);

/* ops.c */
int run_ops(struct executor *ex, struct plan_range range, uint32_t *op, struct error *error);

/* objects.c, fill.c: PLAN_OP_OPEN to PLAN_OP_OWNER */
int op_object(struct executor *ex, const struct plan_op *op, struct error *error);
int fill_from_image(struct executor *ex, const struct plan_op *op, struct error *error);
int place_slot(struct executor *ex, int fd, int slot, struct error *error);
int open_mapping(const void *map, uint64_t size);
int check_identity(int fd, const struct plan_op *op, struct error *error);

/* huge.c: PLAN_OP_FILL and PLAN_OP_SEGMENT_FILL of huge pages; taken: of what was there already */
int fill_huge(struct executor *ex, const struct plan_op *op, bool taken, struct error *error);
uint32_t huge_shift_of(int fd);	/* 0: a file of ordinary pages */

/* numbers.c */
struct borrowed {
	int number, flags, aside;
};
int borrow_number(struct borrowed *borrowed, int fd, uint64_t number, struct error *error);
void give_number_back(const struct borrowed *borrowed);

/* counters.c: PLAN_OP_EVENTFD to PLAN_OP_TIMERFD_TICKS */
int op_counter(struct executor *ex, const struct plan_op *op, struct error *error);

/* epoll.c: PLAN_OP_EPOLL to PLAN_OP_EPOLL_DRAIN; in the executor and in restored tasks */
int op_epoll(struct executor *ex, const struct plan_op *op, struct error *error);

/* sockets.c: PLAN_OP_SOCKET to PLAN_OP_CONNECT_ADDRESS */
int op_socket(struct executor *ex, const struct plan_op *op, struct error *error);
void remove_socket_files(struct executor *ex);
int connect_now(int fd, const void *address, socklen_t len, struct error *error);
bool enlarge_buffer(int fd, int name, int force);	/* tcp.c */
bool tcp_is_over(int err);				/* the same */

/* tcp.c: PLAN_OP_TCP_REPAIR to PLAN_OP_TCP_ENDED, PLAN_OP_TCP_FILL */
int op_tcp(struct executor *ex, const struct plan_op *op, struct error *error);

/* held.c: PLAN_OP_TCP_HOLD to PLAN_OP_TCP_RELEASE */
int op_held(struct executor *ex, const struct plan_op *op, struct error *error);

/* udp.c: PLAN_OP_DATAGRAM */
int op_datagram(struct executor *ex, const struct plan_op *op, struct error *error);

/* terminal.c: PLAN_OP_PTY, PLAN_OP_PTY_SLAVE, PLAN_OP_PTY_SET; in restored tasks PLAN_OP_TTY_CONTROL to PLAN_OP_TTY_LEAVE */
int op_terminal(struct executor *ex, const struct plan_op *op, struct error *error);

/* sysv.c */
struct sysv;
void clear_sysv(struct executor *ex);

/* sysv_shm.c: PLAN_OP_SEGMENT to PLAN_OP_SEGMENT_SET */
int op_segment(struct executor *ex, const struct plan_op *op, struct error *error);

/* sysv_sem.c: PLAN_OP_SEMAPHORES to PLAN_OP_SEMAPHORES_SET; in restored tasks PLAN_OP_SEMAPHORES_ADJUST */
int op_semaphores(struct executor *ex, const struct plan_op *op, struct error *error);

/* sysv_msg.c: PLAN_OP_QUEUE to PLAN_OP_QUEUE_SET; in restored tasks PLAN_OP_QUEUE_MARK */
int op_queue(struct executor *ex, const struct plan_op *op, struct error *error);

/* mqueue.c: PLAN_OP_MQUEUE to PLAN_OP_MQUEUE_UNLINK */
int op_mqueue(struct executor *ex, const struct plan_op *op, struct error *error);
void clear_mqueues(struct executor *ex);

/* clocks.c: PLAN_OP_CLOCKS */
int op_clocks(struct executor *ex, const struct plan_op *op, struct error *error);

/* locks.c: PLAN_OP_LOCK */
int op_lock(struct executor *ex, const struct plan_op *op, struct error *error);

/* inotify.c: PLAN_OP_INOTIFY, PLAN_OP_INOTIFY_ADD */
int op_inotify(struct executor *ex, const struct plan_op *op, struct error *error);

/* pidfd.c: PLAN_OP_PIDFD to PLAN_OP_PIDFD_TAKE */
int op_pidfd(struct executor *ex, const struct plan_op *op, struct error *error);

/* process.c: PLAN_OP_FORK to PLAN_OP_DUP, PLAN_OP_DIE */
int op_process(struct executor *ex, const struct plan_op *op, struct error *error);

/* exec.c */
int op_exec(struct executor *ex, const struct plan_op *op, struct error *error);
int op_program(struct executor *ex, const struct plan_op *op, struct error *error);

/* attributes.c: PLAN_OP_RLIMITS to PLAN_OP_FOREGROUND */
int op_attribute(struct executor *ex, const struct plan_op *op, struct error *error);
void take_foreground_back(struct executor *ex);
void stop_with(struct executor *ex, pid_t root);

/* shared.c */
int shared_create(struct executor *ex, struct error *error);
void fail_stage(struct executor *ex, pid_t pid, uint32_t stage, uint32_t op, const struct error *error);
void barrier_arrive(struct executor *ex, enum plan_stage stage);
int barrier_await_all(struct executor *ex, enum plan_stage stage);
bool has_failed(const struct executor *ex);

/* watch.c */
int watch_tasks(struct executor *ex, uint32_t stage);
int await_ready(struct executor *ex);
bool interrupted(void);

/* status.c */
void status_line(const struct executor *ex, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line that the module wrote for a task whose image it could not restore. */
void status_module_error(const struct executor *ex, const char *line);
void status_failure(const struct executor *ex);

#endif /* CRCTL_EXECUTOR_H */

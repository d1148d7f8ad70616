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
#include <sys/socket.h>

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
	PLAN_OP_SHMEM		= 13,	/* shared anonymous memory; a: size, arg: shift of its huge pages or 0 */
	PLAN_OP_FILL		= 14,	/* data: name of the image's file; a: size; flags: enum plan_fill */
	PLAN_OP_TIMES		= 15,	/* a: modification time, ns */
	PLAN_OP_SEAL		= 16,	/* flags: F_SEAL_* */
	PLAN_OP_OWNER		= 17,	/* arg: pid, a: F_OWNER_*, b: signal | the number that it names << 32,
					 * flags: F_SETFL */
	PLAN_OP_CHOWN		= 18,	/* a: user id, b: group id, flags: mode */
	PLAN_OP_EVENTFD		= 19,	/* flags: EFD_SEMAPHORE or 0 */
	PLAN_OP_SIGNALFD	= 20,	/* a: the kernel's signal mask */
	PLAN_OP_TIMERFD		= 21,	/* arg: clock */
	PLAN_OP_TIMERFD_SET	= 22,	/* flags: of timerfd_settime(2), a: value, b: interval, ns */
	PLAN_OP_TIMERFD_TICKS	= 23,	/* a: expirations not read yet */
	PLAN_OP_EPOLL		= 24,
	PLAN_OP_EPOLL_ADD	= 25,	/* arg: slot of the target, a: the number that it is added under,
					 * flags: events, b: data */
	PLAN_OP_EPOLL_DRAIN	= 26,	/* forget what is new; arg: number of targets */
	PLAN_OP_LOCK		= 27,	/* arg: PLAN_LOCK_*, flags: F_RDLCK or F_WRLCK, a: first byte,
					 * b: bytes, 0: to the end; of a lease: the number
					 * that a signal about it names */
	PLAN_OP_PIDFD		= 28,	/* slot: where tasks take it from, to have it there; arg: slot
					 * where its process leaves it. Both the same: it is made, of a
					 * process that has ended; flags: PIDFD_NONBLOCK */
	PLAN_OP_INOTIFY		= 29,

	PLAN_OP_PTY		= 30,	/* slot: master; data: path to open it by, arg: its number,
					 * a: user id | group id << 32 of the slave's file, b: its mode */
	PLAN_OP_PTY_SLAVE	= 31,	/* slot: slave of the master in slot `arg` */

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
	PLAN_OP_PIDFD_GIVE	= 47,	/* our own, into slot; flags: PIDFD_NONBLOCK */
	PLAN_OP_PIDFD_TAKE	= 48,	/* slot */
	PLAN_OP_TTY_CONTROL	= 49,	/* slot becomes the terminal of the session that we lead */
	PLAN_OP_TTY_FOREGROUND	= 50,	/* slot: our terminal, arg: group */
	PLAN_OP_TTY_LEAVE	= 51,	/* slot: our terminal, which is not to be that any more */

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
	PLAN_OP_PTY_SET		= 72,	/* slot: a side of a pseudo-terminal, arg: enum plan_pty */
	PLAN_OP_INOTIFY_ADD	= 73,	/* slot; data: path, a: inode number, b: st_dev, arg: watch
					 * descriptor, flags: mask */

	/* Sockets: objects as those above. They do not block. */
	PLAN_OP_SOCKET		= 80,	/* arg: type; a: family, b: protocol */
	PLAN_OP_SOCKETPAIR	= 81,	/* slot, arg: slot; a: type */
	PLAN_OP_BIND		= 82,	/* data: sun_path; if that is a path, the next operation is one of
					 * UNLINK, RENAME, SOCKET_FILE, with that path as seen from
					 * anywhere: the file is removed if the restore fails */
	PLAN_OP_SOCKET_FILE	= 83,	/* of the socket bound before; data: path; a: user id, b: group id,
					 * flags: mode */
	PLAN_OP_UNLINK		= 84,	/* data: path, which may be gone */
	PLAN_OP_LISTEN		= 85,	/* arg: backlog */
	PLAN_OP_CONNECT		= 86,	/* data: sun_path */
	PLAN_OP_ACCEPT		= 87,	/* arg: slot of the listening socket */
	PLAN_OP_SOCKOPT		= 88,	/* arg: level; a: option, b: one to try before it, or 0; data: value */
	PLAN_OP_SEND		= 89,	/* data: struct plan_message */
	PLAN_OP_SHUTDOWN	= 90,	/* arg: SHUT_*; flags: enum plan_tcp_flag */
	PLAN_OP_BIND_ADDRESS	= 91,	/* data: struct sockaddr of any family */
	PLAN_OP_RENAME		= 92,	/* of the socket bound before; data: path, NUL, path, NUL */
	PLAN_OP_CONNECT_ADDRESS	= 93,	/* data: struct sockaddr; waits until it is connected */
	PLAN_OP_TCP_REPAIR	= 94,	/* data: struct plan_tcp; connects without a packet */
	PLAN_OP_TCP_OPEN	= 95,	/* from here on it talks to the other end */
	PLAN_OP_TCP_SEND	= 96,	/* data: what to send; flags: enum plan_tcp_flag */
	PLAN_OP_TCP_ENDED	= 97,	/* a connection that is over; arg: family, a: PLAN_TCP_*;
					 * data: what was not read before that */
	PLAN_OP_DATAGRAM	= 98,	/* data: struct plan_datagram; for the socket in slot */

	/* System V shared memory. The slot is its file, for who fills it and for manifests to mean it by. */
	PLAN_OP_SEGMENT		= 99,	/* data: struct plan_sysv; made, or taken over, and held attached */
	PLAN_OP_SEGMENT_FILL	= 100,	/* as FILL; b: how many mappings of it the tree has, if it was
					 * taken over */
	PLAN_OP_SEGMENT_SET	= 101,	/* data: struct plan_sysv; its owner and so on, and let go of */

	/* Semaphores and message queues. Nothing is in their slots. */
	PLAN_OP_SEMAPHORES	= 102,	/* data: struct plan_sysv and values; made with them, or taken over */
	PLAN_OP_SEMAPHORES_ADJUST = 103, /* in a task; data: struct plan_adjustment[] */
	PLAN_OP_SEMAPHORES_SET	= 104,	/* data as of SEMAPHORES; owner and so on, and values of one taken over */
	PLAN_OP_QUEUE		= 105,	/* data: struct plan_sysv and messages; made with them, or taken over;
					 * a: type that no message has */
	PLAN_OP_QUEUE_MARK	= 106,	/* in a task, which then is who sent and received last; a: as above */
	PLAN_OP_QUEUE_SET	= 107,	/* data as of QUEUE; owner and so on, and messages of one taken over */
	PLAN_OP_CLOCKS		= 108,	/* children that we fork from now on have a time namespace;
					 * a, b: what it adds to CLOCK_MONOTONIC and CLOCK_BOOTTIME of the machine,
					 * ns, signed */

	/* POSIX message queues. The slot is open for reading and writing. */
	PLAN_OP_MQUEUE		= 109,	/* data: struct plan_mqueue; made with what is in it, or taken over */
	PLAN_OP_MQUEUE_OPEN	= 110,	/* arg: slot of a queue */
	PLAN_OP_MQUEUE_UNLINK	= 111,	/* slot of a queue */

	/* TCP connections whose other end is not in the tree. */
	PLAN_OP_TCP_HOLD	= 112,	/* data: struct crctl_connection[] (kmod/crctl_net.h); slot: while it
					 * is open their packets are held back */
	PLAN_OP_TCP_FILL	= 113,	/* under TCP_REPAIR; data: what was sent, and not acknowledged;
					 * flags: enum plan_tcp_flag */
	PLAN_OP_TCP_END		= 114,	/* the same; the other end has closed its stream; arg: slot of TCP_HOLD */
	PLAN_OP_TCP_RELEASE	= 115,	/* slot of TCP_HOLD */

	PLAN_OP_FILTER		= 116,	/* of a socket; data: struct sock_filter[] */
	PLAN_OP_PROC_GIVE	= 117,	/* in a task, into slot as PIDFD_GIVE; arg: slot of /proc, data: name of
					 * a file below our own directory there, flags: to open it with */
};

enum plan_fill {
	PLAN_FILL_HUGE		= 1u << 0,	/* data: struct plan_huge */
};

/* A file of huge pages. Then those that are there, struct plan_run[nr_runs], and the name of the image's file. */
struct plan_huge {
	uint32_t shift;
	uint32_t reserved;		/* 1: so are all others */
	uint32_t nr_runs, pad;
};

struct plan_run {
	uint64_t start, end;		/* bytes, the same in the image's file */
};

enum plan_mqueue_flag {
	PLAN_MQUEUE_TAKE	= 1u << 0,	/* it is there, used by nobody */
	PLAN_MQUEUE_REFILL	= 1u << 1,	/* and holds something else */
};

/* Then its name, with a NUL, and messages (struct plan_posted), all padded to 8 bytes. */
struct plan_mqueue {
	uint64_t max_messages, message_size;
	uint64_t ino, dev;		/* of one that is taken over */
	uint32_t flags;			/* enum plan_mqueue_flag */
	uint32_t name_len;
};

/* Then the message. */
struct plan_posted {
	uint32_t priority;
	uint32_t len;
};

enum plan_sysv_flag {
	PLAN_SYSV_TAKE		= 1u << 0,	/* it is there, used by nobody */
	PLAN_SYSV_MARKED	= 1u << 1,	/* a segment: for destruction */
	PLAN_SYSV_LOCKED	= 1u << 2,	/* a segment: SHM_LOCK */
	PLAN_SYSV_RESERVED	= 1u << 3,	/* a segment of huge pages: without SHM_NORESERVE */
};

/*
 * A System V object. Behind it are the values of semaphores (uint16_t), or
 * messages (struct plan_queued, each padded to 8 bytes).
 */
struct plan_sysv {
	int32_t  id, key;
	uint32_t uid, gid, cuid, cgid;
	uint32_t mode;
	uint32_t flags;			/* enum plan_sysv_flag */
	uint64_t size;			/* of a segment: bytes, of a set: semaphores, of a queue: msg_qbytes */
	uint32_t huge_shift, pad;	/* of a segment of huge pages; else 0 */
};

/* What the end of a process adds to a semaphore; 0: nothing, the process only is the last one that operated on it. */
struct plan_adjustment {
	uint16_t semaphore;
	int16_t  value;
};

struct plan_queued {
	uint64_t len;
	int64_t  type;			/* as msgsnd(2) has it: then the message */
};

/* How a connection came to its end. */
enum {
	PLAN_TCP_CLOSED,
	PLAN_TCP_RESET,
	PLAN_TCP_BROKEN,	/* reset when the other end had closed its stream */
	PLAN_TCP_REFUSED,
};

/* Then what it holds. */
struct plan_datagram {
	struct sockaddr_storage from, to;
};

enum plan_tcp_flag {
	PLAN_TCP_MAY_BE_OVER	= 1u << 0,	/* its other end is free to end it meanwhile: its program will see */
	PLAN_TCP_FILLED_END	= 1u << 1,	/* of TCP_FILL: the end of the stream was behind that */
};

enum plan_tcp_option {
	PLAN_TCP_SACK		= 1u << 0,
	PLAN_TCP_WINDOW_SCALE	= 1u << 1,
	PLAN_TCP_TIMESTAMPS	= 1u << 2,
};

/* Then struct sockaddr of this end and of the other one, and what was received and not read. */
struct plan_tcp {
	uint32_t local_len, peer_len;
	uint32_t receive_sequence, send_sequence;	/* of the first byte of each queue */
	uint32_t options;				/* enum plan_tcp_option */
	uint32_t mss, send_scale, receive_scale;
	uint32_t timestamp;
	uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;	/* struct tcp_repair_window */
};

/* Then sun_path of who it is for, slots to pass (int32_t each), and what to send. */
struct plan_message {
	uint32_t name_len;		/* 0: who it is connected to */
	uint32_t nr_slots;
	int32_t  pid;			/* SCM_CREDENTIALS; 0: none */
	uint32_t uid, gid;
	uint32_t reserved;
};

/* What is set by PLAN_OP_PTY_SET */
enum plan_pty {
	PLAN_PTY_TERMIOS	= 1,	/* data: struct termios2 */
	PLAN_PTY_WINDOW		= 2,	/* data: struct winsize */
	PLAN_PTY_PACKET		= 3,	/* a: 1 or 0 */
	PLAN_PTY_LOCK		= 4,	/* a: 1 or 0 */
	PLAN_PTY_EXCLUSIVE	= 5,
	PLAN_PTY_INPUT		= 6,	/* data: as if it were typed, byte by byte; slot: slave */
	PLAN_PTY_OUTPUT		= 7,	/* data: written; slot: slave, O_NONBLOCK */
	PLAN_PTY_STOP		= 8,	/* as by tcflow(3) */
};

/* plan_op.arg of PLAN_OP_OPEN */
enum plan_at {
	PLAN_AT_CWD	= 0,	/* as the controller sees it */
	PLAN_AT_IMAGE	= 1,	/* relative to the image directory */
};

/* The highest number that a descriptor is put under for a moment: two above it may be needed. */
#define PLAN_MAX_NUMBER	(INT32_MAX - 3)

/* plan_op.arg of PLAN_OP_LOCK */
enum plan_lock {
	PLAN_LOCK_FLOCK	= 1,	/* flock(2): of the whole file */
	PLAN_LOCK_OFD	= 2,	/* F_OFD_SETLK */
	PLAN_LOCK_LEASE	= 3,	/* F_SETLEASE */
};

#endif /* CRCTL_PLAN_H */

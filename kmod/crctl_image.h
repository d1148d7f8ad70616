/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The crctl image format: notes (owner name "CRCTL") that a Linux ELF core
 * file lacks, and the rules by which images and exec manifests are read.
 *
 * An image is an ET_CORE file, x86_64. In order, front to back:
 *
 *   Elf64_Ehdr      e_phnum is PN_XNUM when there are 65535 or more headers
 *   Elf64_Shdr[1]   always present; sh_info holds the real number of program
 *                   headers (gABI: "extended numbering")
 *   Elf64_Phdr[]    [0] is the one PT_NOTE, the others are PT_LOADs: each a
 *                   run of present private pages, p_filesz == p_memsz,
 *                   p_offset and p_vaddr page aligned, sorted by p_vaddr,
 *                   p_offset dense and ascending
 *   notes           p_align 4; the standard ones have the name "CORE" or
 *                   "LINUX" as in any core file
 *   page data
 *
 * Every "CRCTL" note starts with struct crctl_note_head, followed by `count`
 * records of `rec_size` bytes and `extra_size` bytes of strings and arrays
 * that records point into by offset from the start of the extra area.
 *
 * A reader that knows shorter records than it finds accepts them if the tail
 * it does not know is zero; one that knows longer records takes the missing
 * tail as zero (the rule of clone3(2) and openat2(2)).
 *
 * All numbers are little endian. All addresses are user virtual addresses.
 */
#ifndef CRCTL_IMAGE_H
#define CRCTL_IMAGE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <linux/types.h>
#include <stdint.h>
#endif

#define CRCTL_NOTE_NAME		"CRCTL"
#define CRCTL_IMAGE_VERSION	1

/* Bounds that a reader enforces before it allocates anything. */
#define CRCTL_MAX_NOTES_SIZE	(256u << 20)
#define CRCTL_MAX_PHDRS		(16u << 20)
#define CRCTL_MAX_THREADS	65536u
#define CRCTL_MAX_VMAS		1048576u
#define CRCTL_MAX_PID_LEVELS	32

struct crctl_note_head {
	__u32 version;		/* CRCTL_IMAGE_VERSION */
	__u32 rec_size;		/* bytes of one record */
	__u32 count;		/* records that follow */
	__u32 extra_size;	/* bytes behind the records */
};

/*
 * n_type of notes with the name "CRCTL". Exactly one unless said otherwise.
 * Debuggers look at the type alone, so it has "CR" in its upper half: no note of
 * ours is to be taken for NT_AUXV or the like.
 */
#define CRCTL_NOTE_TYPE(n)	(0x43520000u | (n))

enum crctl_note_type {
	CRCTL_NT_IMAGE		= CRCTL_NOTE_TYPE(1),	/* struct crctl_image_info, first of all notes */
	CRCTL_NT_MM		= CRCTL_NOTE_TYPE(2),	/* struct crctl_mm */
	CRCTL_NT_VMA		= CRCTL_NOTE_TYPE(3),	/* struct crctl_vma[], sorted; extra: paths */
	CRCTL_NT_PROCESS	= CRCTL_NOTE_TYPE(4),	/* struct crctl_process */
	CRCTL_NT_THREAD		= CRCTL_NOTE_TYPE(5),	/* struct crctl_thread; one note per thread, leader
					 * first, each after its NT_PRSTATUS and
					 * NT_X86_XSTATE, which one that has exited
					 * lacks; extra: pid vector (u32[]) */
	CRCTL_NT_SIGACTION	= CRCTL_NOTE_TYPE(6),	/* struct crctl_sigaction[64], signal 1 first */
	CRCTL_NT_SIGPENDING	= CRCTL_NOTE_TYPE(7),	/* struct crctl_sigpending[]; absent if none */
	CRCTL_NT_TIMER		= CRCTL_NOTE_TYPE(8),	/* struct crctl_timer[]; absent if none */
	CRCTL_NT_CREDS		= CRCTL_NOTE_TYPE(9),	/* struct crctl_creds[], one per thread, same order;
					 * extra: groups (u32[]) */
	CRCTL_NT_VDSO		= CRCTL_NOTE_TYPE(10),	/* no records; extra: the bytes of [vdso] */
	CRCTL_NT_SECCOMP	= CRCTL_NOTE_TYPE(11),	/* struct crctl_seccomp[]; extra: sock_filter[] */
	CRCTL_NT_REFUSAL	= CRCTL_NOTE_TYPE(12),	/* struct crctl_refusal[]; extra: texts. An image that
					 * has one holds no pages and is never executed */
	CRCTL_NT_DESCRIPTOR	= CRCTL_NOTE_TYPE(13),	/* struct crctl_descriptor[]; extra: data. For who
					 * restores descriptors: executing an image does not */
	CRCTL_NT_SEM_UNDO	= CRCTL_NOTE_TYPE(14),	/* struct crctl_sem_undo[]; extra: __s16[]. As above: nothing
					 * that executing an image does; absent if none */
	CRCTL_NT_COW		= CRCTL_NOTE_TYPE(15),	/* struct crctl_cow[], sorted; absent if none. A dump that has
					 * one is not whole, and not executed */
	CRCTL_NT_MEMPOLICY	= CRCTL_NOTE_TYPE(16),	/* struct crctl_mempolicy[]: of memory, sorted by address, then of
					 * threads in their order; absent if none */
	/* only in exec manifests */
	CRCTL_NT_EXTENT		= CRCTL_NOTE_TYPE(32),	/* struct crctl_extent[], sorted by vaddr */
	CRCTL_NT_CONTROL	= CRCTL_NOTE_TYPE(33),	/* struct crctl_control */
	CRCTL_NT_CLOEXEC	= CRCTL_NOTE_TYPE(34),	/* no records; extra: u32[] descriptors to mark */
	CRCTL_NT_LOCK		= CRCTL_NOTE_TYPE(35),	/* struct crctl_lock[]; absent if none */
	CRCTL_NT_PEERCRED	= CRCTL_NOTE_TYPE(36),	/* struct crctl_peercred[]; extra: groups (u32[]) */
	CRCTL_NT_NOTIFY		= CRCTL_NOTE_TYPE(37),	/* struct crctl_notify[]; absent if none */
};

enum crctl_image_kind {
	CRCTL_IMAGE_DUMP	= 1,	/* what /proc/<pid>/dump reads as */
	CRCTL_IMAGE_MANIFEST	= 2,	/* built by a controller for one restore */
};

struct crctl_image_info {
	__u32 kind;		/* enum crctl_image_kind */
	__u32 nr_threads;
	__u64 xfeatures_used;	/* union of all threads' xstate_bv, and PKRU with keys: what a CPU must have */
	__u64 realtime_ns;	/* the task's clocks when the dump was opened */
	__u64 monotonic_ns;
	__u64 boottime_ns;
	char  release[64];	/* uname release of the dumping kernel */
};

struct crctl_mm {
	__u64 start_code, end_code, start_data, end_data;
	__u64 start_brk, brk, start_stack;
	__u64 arg_start, arg_end, env_start, env_end;
	__u64 mmap_base;
	__u64 vdso;		/* start of [vdso], 0 if it has none */
	__u64 vvar;		/* start of the first [vvar*] area, 0 if none */
	__u32 vdso_size;
	__u32 vvar_size;	/* all [vvar*] areas together */
	__u32 lock_future;	/* 0, 1: mlockall(MCL_FUTURE), 2: also MCL_ONFAULT */
	__u32 dumpable;		/* 0, 1 as prctl(PR_GET_DUMPABLE); 2 reads as 0 */
	__u32 thp_disable;	/* prctl(PR_GET_THP_DISABLE) */
	__u32 coredump_filter;	/* as /proc/<pid>/coredump_filter */
	__u32 membarrier;	/* registrations: CRCTL_MEMBARRIER_* bits */
	__u32 personality;
	__s32 exe_fd;		/* manifest: descriptor of the exe file; dump: -1 */
	__u32 exe_flags;	/* CRCTL_FILE_* */
	__u32 exe_off, exe_len;	/* path of the exe, in extra, no NUL counted */
	__u32 exe_dev_major, exe_dev_minor;
	__u64 exe_ino;
	__u32 pkeys;		/* protection keys: bit n, key n is allocated; 0: as bit 0 alone */
	__u32 execute_only_pkey; /* the one of memory that may only be executed; 0: none */
};

#define CRCTL_MEMBARRIER_PRIVATE_EXPEDITED		(1u << 0)
#define CRCTL_MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE	(1u << 1)
#define CRCTL_MEMBARRIER_PRIVATE_EXPEDITED_RSEQ		(1u << 2)
#define CRCTL_MEMBARRIER_GLOBAL_EXPEDITED		(1u << 3)

enum crctl_vma_kind {
	CRCTL_VMA_ANON		= 1,	/* private anonymous */
	CRCTL_VMA_FILE_PRIVATE	= 2,	/* private mapping of a file (tmpfs and memfd too) */
	CRCTL_VMA_FILE_SHARED	= 3,	/* shared mapping of a file; shared anonymous memory
					 * has CRCTL_FILE_SHMEM_ANON set */
	CRCTL_VMA_VDSO		= 4,
	CRCTL_VMA_VVAR		= 5,
	CRCTL_VMA_HUGE		= 6,	/* private anonymous memory of huge pages (MAP_HUGETLB) */
};

/* crctl_vma.prot: PROT_READ | PROT_WRITE | PROT_EXEC. */

/* crctl_vma.flags. A vma flag of the kernel without a bit here is refused. */
#define CRCTL_VMF_GROWSDOWN	(1ull << 0)
#define CRCTL_VMF_LOCKED	(1ull << 1)
#define CRCTL_VMF_LOCKONFAULT	(1ull << 2)
#define CRCTL_VMF_DONTFORK	(1ull << 3)
#define CRCTL_VMF_DONTDUMP	(1ull << 4)
#define CRCTL_VMF_WIPEONFORK	(1ull << 5)
#define CRCTL_VMF_HUGEPAGE	(1ull << 6)
#define CRCTL_VMF_NOHUGEPAGE	(1ull << 7)
#define CRCTL_VMF_MERGEABLE	(1ull << 8)
#define CRCTL_VMF_SEQ_READ	(1ull << 9)
#define CRCTL_VMF_RAND_READ	(1ull << 10)
#define CRCTL_VMF_NORESERVE	(1ull << 11)
#define CRCTL_VMF_ACCOUNT	(1ull << 12)	/* informative: private writable memory */
#define CRCTL_VMF_MAYWRITE	(1ull << 13)	/* shared file: opened for writing */
#define CRCTL_VMF_MAYEXEC	(1ull << 14)	/* informative */
#define CRCTL_VMF_SYNC		(1ull << 15)	/* MAP_SYNC: refused today */
#define CRCTL_VMF_DROPPABLE	(1ull << 16)	/* MAP_DROPPABLE: no pages are saved */
#define CRCTL_PKEY_SHIFT	32		/* four bits: the protection key */
#define CRCTL_VMF_PKEY		(15ull << CRCTL_PKEY_SHIFT)

/* crctl_vma.file_flags and crctl_mm.exe_flags */
#define CRCTL_FILE_DELETED	(1u << 0)	/* the link is gone (name ends in no suffix) */
#define CRCTL_FILE_SHMEM_ANON	(1u << 1)	/* MAP_SHARED|MAP_ANONYMOUS memory */
#define CRCTL_FILE_MEMFD	(1u << 2)
#define CRCTL_FILE_SYSV		(1u << 3)	/* System V shared memory; ino is its id */

struct crctl_vma {
	__u64 start, end;
	__u64 offset;		/* bytes into the file */
	__u64 flags;		/* CRCTL_VMF_* */
	__u32 kind;		/* enum crctl_vma_kind */
	__u32 prot;
	__u32 dev_major, dev_minor;	/* of the file's inode (i_sb->s_dev) */
	__u64 ino;
	__s32 fd;		/* manifest: the descriptor to map; dump: -1 */
	__u32 file_flags;	/* CRCTL_FILE_* */
	__u32 name_off, name_len;	/* path of the file, in extra */
	__u32 attachment;	/* System V: n, a part of the shmat(2) that the n-th record, from 1,
				 * is the first of; 0: it is the first itself. Else 0 */
	__u32 huge_shift;	/* log2 of the size of its huge pages; 0: it has ordinary ones */
};

struct crctl_process {
	__s32 exit_signal;	/* what the parent gets at the end; SIGCHLD as a rule */
	__u32 child_subreaper;
	__u32 stop_signal;	/* nonzero: the group is stopped by this signal */
	__s32 next_timer_id;	/* the id that the next timer_create(2) would get */
	struct {
		__u64 value_ns;		/* time left, 0: disarmed */
		__u64 interval_ns;
	} itimer[3];		/* ITIMER_REAL, _VIRTUAL, _PROF */
};

enum crctl_restart_kind {
	CRCTL_RESTART_NONE	= 0,
	CRCTL_RESTART_NANOSLEEP	= 1,
	CRCTL_RESTART_POLL	= 2,
	CRCTL_RESTART_FUTEX	= 3,
	CRCTL_RESTART_CPU_NANOSLEEP = 4,
	CRCTL_RESTART_ALARM_NANOSLEEP = 5,
};

/* Meaning of crctl_thread.restart_arg[] by kind (times are in restart_left_ns):
 *   NANOSLEEP, CPU_NANOSLEEP, ALARM_NANOSLEEP:
 *	[0] clock id, [1] user address of the remaining time or 0,
 *	[2] 0 none, 1 struct __kernel_timespec, 2 struct old_timespec32
 *   POLL:  [0] user address of the pollfds, [1] their number, [2] has a timeout
 *   FUTEX: [0] user address, [1] value, [2] bitset,
 *	[3] 1 shared between processes, 2 on CLOCK_REALTIME, 4 the timeout is
 *	    a point in time: it keeps its place on the clock
 *	[4] has a timeout
 */
struct crctl_thread {
	__u32 nr_pids;		/* entries of the pid vector in extra: [0] the id in the
				 * reader's pid namespace, the last the task's own */
	__u32 pids_off;
	char  comm[16];
	__u64 sigmask;
	__u64 sas_sp, sas_size;
	__u32 sas_flags;	/* SS_DISABLE, SS_AUTODISARM */
	__u32 pdeath_signal;
	__u64 robust_list;
	__u64 clear_child_tid;
	__u64 rseq;
	__u32 rseq_len, rseq_sig;
	__u64 timer_slack_ns;
	__u32 settings;		/* CRCTL_SETTING_* */
	__u32 restart_kind;
	__u64 restart_arg[6];
	__u64 restart_left_ns;	/* time left of its timeout when the dump was opened */
	__u32 seccomp_mode;	/* 0, 1 strict, 2 filter */
	__u32 in_syscall;	/* orig_rax is a system call number */
	__u32 exited;		/* 1: the leader, which others have outlived; what is above from sigmask
				 * on is 0 then */
	__u32 exit_status;	/* what it passed to exit(2) then, 0 to 255; else 0 */
};

/* crctl_thread.settings, of prctl(2) and arch_prctl(2) */
#define CRCTL_SETTING_NO_NEW_PRIVS	(1u << 0)
#define CRCTL_SETTING_NO_TSC		(1u << 1)	/* PR_TSC_SIGSEGV */
#define CRCTL_SETTING_NO_CPUID		(1u << 2)	/* ARCH_SET_CPUID 0 */
#define CRCTL_SETTING_SSB_DISABLE	(1u << 3)	/* PR_SPEC_STORE_BYPASS */
#define CRCTL_SETTING_SSB_FORCE_DISABLE	(1u << 4)
#define CRCTL_SETTING_SSB_NOEXEC	(1u << 5)
#define CRCTL_SETTING_IB_DISABLE	(1u << 6)	/* PR_SPEC_INDIRECT_BRANCH */
#define CRCTL_SETTING_IB_FORCE_DISABLE	(1u << 7)
#define CRCTL_SETTING_MCE_EARLY		(1u << 8)	/* PR_MCE_KILL_SET */
#define CRCTL_SETTING_MCE_LATE		(1u << 9)
#define CRCTL_SETTING_IO_FLUSHER	(1u << 10)
#define CRCTL_SETTINGS			((1u << 11) - 1)

struct crctl_sigaction {
	__u64 handler, flags, restorer, mask;	/* as rt_sigaction(2) */
};

struct crctl_sigpending {
	__u32 target;		/* 0: the thread group, n: n-th thread of the image */
	__u32 signo;
	__u8  info[128];	/* siginfo_t */
};

/*
 * A POSIX timer. clock ids are those of timer_create(2). Those of processors'
 * time name no process or thread (as for pid 0): it is the image's process, or
 * the thread that clock_thread tells.
 */
struct crctl_timer {
	__s32 id;
	__s32 clock_id;
	__s32 notify;		/* SIGEV_* */
	__s32 signo;
	__u64 sigev_value;
	__u32 target;		/* SIGEV_THREAD_ID: n-th thread of the image, else 0 */
	__u32 clock_thread;	/* a thread's own time: n-th thread of the image, else 0 */
	__u64 left_ns;		/* 0: disarmed */
	__u64 interval_ns;
};

/* crctl_mempolicy.mode, as get_mempolicy(2) tells it: one of these, and flags */
enum crctl_policy {
	CRCTL_POLICY_PREFERRED	= 1,
	CRCTL_POLICY_BIND	= 2,
	CRCTL_POLICY_INTERLEAVE	= 3,
	CRCTL_POLICY_LOCAL	= 4,
	CRCTL_POLICY_PREFERRED_MANY = 5,
	CRCTL_POLICY_WEIGHTED_INTERLEAVE = 6,
};

#define CRCTL_POLICY_LAST		CRCTL_POLICY_WEIGHTED_INTERLEAVE
#define CRCTL_POLICY_NUMA_BALANCING	(1u << 13)
#define CRCTL_POLICY_RELATIVE_NODES	(1u << 14)
#define CRCTL_POLICY_STATIC_NODES	(1u << 15)
#define CRCTL_POLICY_FLAGS		(7u << 13)

#define CRCTL_POLICY_NODES	1024

/* Where memory is to lie. Nodes that a machine does not have count for nothing. */
struct crctl_mempolicy {
	__u64 start, end;	/* page aligned, within one mapping; 0: a thread's */
	__u32 thread;		/* n-th thread of the image, 0: that of memory */
	__u32 mode;		/* enum crctl_policy | CRCTL_POLICY_* flags */
	__s32 home_node;	/* set_mempolicy_home_node(2), -1: none */
	__u32 pad;
	__u64 nodes[CRCTL_POLICY_NODES / 64];	/* node n: bit n % 64 of word n / 64 */
};

/*
 * Manifest: who the other end of a socket of AF_UNIX was when the two were connected.
 * It takes CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID in the first user namespace
 * to say so; for others it is who connected it.
 */
struct crctl_peercred {
	__u32 fd;
	__s32 pid;		/* 0: nobody that is there */
	__u32 uid, gid;
	__u32 nr_groups, groups_off;
};

/* What /proc/<pid>/fdinfo of the dumping kernel does not tell of a descriptor. */
struct crctl_descriptor {
	__u32 fd;
	__u32 what;		/* enum crctl_descriptor_what */
	__u64 value;		/* of those with data: offset in extra | length << 32 */
};

enum crctl_descriptor_what {
	CRCTL_DESCRIPTOR_SEMAPHORE	= 1,	/* an eventfd has EFD_SEMAPHORE; value: 1 */
	/* of the master of a pseudo-terminal: one TERMINAL, and what is there of the rest */
	CRCTL_DESCRIPTOR_TERMINAL	= 2,	/* value: enum crctl_terminal_flag */
	CRCTL_DESCRIPTOR_INPUT		= 3,	/* data: processed for the slave, not read */
	CRCTL_DESCRIPTOR_ENDS		= 4,	/* data: u16[], offsets in INPUT where lines end */
	CRCTL_DESCRIPTOR_OUTPUT		= 5,	/* data: not read at the master */
	CRCTL_DESCRIPTOR_TCP		= 6,	/* data: struct crctl_tcp */
	CRCTL_DESCRIPTOR_UNSENT		= 7,	/* data: not acknowledged by the other end, or not sent */
	CRCTL_DESCRIPTOR_UDP		= 8,	/* value: enum crctl_udp_flag | how many are unread << 32; absent: 0 */
	CRCTL_DESCRIPTOR_NETLINK	= 9,	/* value: enum crctl_netlink_flag; absent: 0 */
	/* of the first of all descriptors that a process has of a POSIX message queue */
	CRCTL_DESCRIPTOR_MQUEUE		= 10,	/* data: struct crctl_mqueue, messages */
};

enum crctl_mqueue_flag {
	CRCTL_MQUEUE_ELSEWHERE	= 1u << 0,	/* it is of another ipc namespace than the reader */
	CRCTL_MQUEUE_WAITED	= 1u << 1,	/* somebody sleeps in mq_send(3) or mq_receive(3) */
	CRCTL_MQUEUE_NOTIFY	= 1u << 2,	/* a process has asked to be notified */
	CRCTL_MQUEUE_DEAF	= 1u << 3,	/* it executes another program now, and gets no signal */
	CRCTL_MQUEUE_UNTOLD	= 1u << 4,	/* it holds too much to be told, or could not be read */
};

/* Then its messages in the order in which they will be received, each struct crctl_mqueue_message. */
struct crctl_mqueue {
	__u32 flags;		/* enum crctl_mqueue_flag */
	__u32 opened;		/* how often it is open, by whomever */
	__u64 max_messages, message_size;	/* mq_maxmsg, mq_msgsize */
	__u64 bytes;		/* in all messages */
	__u32 messages;
	/* of mq_notify(3), if there is one */
	__s32 notify;		/* SIGEV_* */
	__s32 notify_pid;	/* 0: nobody that the reader can see */
	__s32 notify_signal;
	__u64 notify_value;
};

/* Right behind it are its bytes. */
struct crctl_mqueue_message {
	__u32 priority;
	__u32 size;
};

enum crctl_netlink_flag {
	CRCTL_NETLINK_UNREAD	= 1u << 0,	/* messages were not read, or an error not told */
	CRCTL_NETLINK_ELSEWHERE	= 1u << 1,	/* it is of another network namespace than the reader */
};

enum crctl_udp_flag {
	CRCTL_UDP_PENDING	= 1u << 0,	/* a datagram is being put together (MSG_MORE, UDP_CORK) */
	CRCTL_UDP_MULTICAST	= 1u << 1,	/* it is a member of groups */
	CRCTL_UDP_TAKEN		= 1u << 2,	/* a tunnel, or another part of the kernel has it */
	CRCTL_UDP_NO_RECEIVING	= 1u << 3,	/* shutdown(SHUT_RD) */
	CRCTL_UDP_NO_SENDING	= 1u << 4,	/* shutdown(SHUT_WR) */
	CRCTL_UDP_CHOSEN	= 1u << 5,	/* a program chooses between it and others of its address */
	CRCTL_UDP_ELSEWHERE	= 1u << 6,	/* it is of another network namespace than the reader */
};

enum crctl_tcp_flag {
	CRCTL_TCP_BUSY		= 1u << 0,	/* what it has not sent could not be read */
	CRCTL_TCP_URGENT	= 1u << 1,	/* urgent data are on their way */
	CRCTL_TCP_TAKEN		= 1u << 2,	/* TLS or another part of the kernel has it */
	CRCTL_TCP_SIGNED	= 1u << 3,	/* TCP_MD5SIG, TCP-AO */
	CRCTL_TCP_REPAIR	= 1u << 4,	/* somebody has set TCP_REPAIR */
	CRCTL_TCP_ENDED		= 1u << 5,	/* the other end has closed its stream */
	CRCTL_TCP_FIN		= 1u << 6,	/* this end has: write_seq counts that as a byte */
	CRCTL_TCP_CHOSEN	= 1u << 7,	/* a program chooses between it and others of its address */
	CRCTL_TCP_ELSEWHERE	= 1u << 8,	/* it is of another network namespace than the reader */
};

/* Of tcp_sock; sequence numbers and windows are 0 where there is no connection. */
struct crctl_tcp {
	__u32 state;		/* TCP_ESTABLISHED and so on */
	__u32 shutdown;		/* RCV_SHUTDOWN, SEND_SHUTDOWN */
	__u32 error;		/* errno that the next call returns */
	__u32 flags;		/* enum crctl_tcp_flag */
	__u32 rcv_nxt, copied_seq, rcv_wup, rcv_wnd;
	__u32 snd_una, snd_nxt, write_seq, snd_wl1, snd_wnd, max_window;
	__u32 mss_clamp;
	__u32 pad;
};

/*
 * A set of System V semaphores in the namespace of the process that processes
 * have operations on which are undone at their ends (SEM_UNDO).
 */
struct crctl_sem_undo {
	__s32 id;
	__u32 lists;		/* how many have some that are not 0: with their threads, as a rule, processes */
	__u32 nr_adjustments;	/* of the process itself: one for each semaphore, or 0 */
	__u32 adjustments_off;	/* bytes into extra: what its end adds to each value */
};

enum crctl_terminal_flag {
	CRCTL_TERMINAL_BUSY	= 1u << 0,	/* it holds more than is told */
	CRCTL_TERMINAL_STOPPED	= 1u << 1,	/* the slave's output, by a stop character or tcflow(3) */
	CRCTL_TERMINAL_FLOW_OFF	= 1u << 2,	/* by tcflow(3) */
};

struct crctl_creds {
	__u32 uid, euid, suid, fsuid;
	__u32 gid, egid, sgid, fsgid;
	__u64 cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	__u32 securebits;
	__u32 nr_groups;
	__u32 groups_off;	/* u32[] in extra */
	__u32 pad;
};

struct crctl_seccomp {
	__u32 thread;		/* n-th thread of the image, from 1 */
	__u32 flags;		/* SECCOMP_FILTER_FLAG_* that took part in installing it */
	__u32 nr_insns;
	__u32 insns_off;	/* struct sock_filter[] in extra */
};

enum crctl_refusal_code {
	CRCTL_REFUSE_VMA_FLAG	= 1,	/* addr: vma start, value: the unknown bits */
	CRCTL_REFUSE_VMA_KIND	= 2,	/* a special or device mapping */
	CRCTL_REFUSE_PAGE	= 3,	/* a page marker (guard, poison, device memory) */
	CRCTL_REFUSE_PKEY	= 4,
	CRCTL_REFUSE_LDT	= 5,
	CRCTL_REFUSE_MEMPOLICY	= 6,	/* of shared memory, or of unknown kind */
	CRCTL_REFUSE_XFEATURE	= 7,	/* shadow stack, AMX: value: the feature bits */
	CRCTL_REFUSE_SHARED_MM	= 8,	/* memory shared with a task that is no thread */
	CRCTL_REFUSE_SHARED_FILES = 9,	/* descriptor table or fs shared that way */
	CRCTL_REFUSE_COMPAT	= 10,	/* a 32-bit task */
	CRCTL_REFUSE_USERFAULTFD = 11,
	CRCTL_REFUSE_AIO	= 12,
	CRCTL_REFUSE_IOPERM	= 13,
	CRCTL_REFUSE_SYSCALL_DISPATCH = 14,
	CRCTL_REFUSE_RESTART	= 15,	/* a restart block of unknown kind */
	CRCTL_REFUSE_TIMER	= 16,
	CRCTL_REFUSE_HUGETLB	= 17,
	CRCTL_REFUSE_IO_URING	= 18,
	CRCTL_REFUSE_DEBUGREG	= 19,	/* hardware breakpoints in use */
	CRCTL_REFUSE_UPROBE	= 20,
	CRCTL_REFUSE_LEADER	= 21,	/* the leader was ended by a signal of its own */
	CRCTL_REFUSE_THREAD	= 22,	/* other state of a thread; see the text */
	CRCTL_REFUSE_LANDLOCK	= 23,
	CRCTL_REFUSE_SEM_UNDO	= 24,	/* a list of System V semaphores that is not shared as usual, or not known */
};

struct crctl_refusal {
	__u32 code;		/* enum crctl_refusal_code */
	__s32 tid;		/* in the reader's pid namespace, 0: the whole process */
	__u64 addr;		/* 0: none */
	__u64 value;
	__u32 text_off, text_len;	/* a sentence in English, in extra */
};

enum crctl_extent_source {
	CRCTL_EXTENT_FILE	= 0,	/* pread from fd at offset */
	CRCTL_EXTENT_PARENT	= 1,	/* in the parent image (reserved) */
	CRCTL_EXTENT_PIPE	= 2,	/* next bytes of fd, in order (reserved) */
	CRCTL_EXTENT_ABSENT	= 3,	/* supplied on fault (reserved) */
};

struct crctl_extent {
	__u64 vaddr, len;	/* page aligned; in huge pages, to these */
	__u64 offset;		/* bytes into fd's file */
	__s32 fd;
	__u32 source;		/* enum crctl_extent_source */
};

/*
 * Pages that another process has, too, copy-on-write since a fork(2): they are in
 * its image alone (CRCTL_DUMP_LEAVE_OUT, crctl_ioctl.h). In a manifest, those of the process
 * that control.source tells.
 */
struct crctl_cow {
	__u64 start, len;	/* page aligned, within one private mapping */
};

/*
 * A lock of fcntl(F_SETLK), which belongs to the process: its end, and closing
 * any descriptor of the file, which execve() may do, take it away.
 */
struct crctl_lock {
	__u32 fd;
	__u32 write;		/* 1: F_WRLCK, 0: F_RDLCK */
	__u64 start;
	__u64 len;		/* bytes; 0: to the end of the file, wherever that is */
};

/*
 * What mq_notify(3) is asked for: as a lock does it belongs to the process, and goes
 * when that closes any descriptor of the queue.
 */
struct crctl_notify {
	__u32 fd;
	__s32 notify;		/* SIGEV_SIGNAL, SIGEV_NONE */
	__s32 signal;		/* 0: none is sent */
	__u32 pad;
	__u64 value;		/* sigev_value */
};

/*
 * How a controller steers a restore. After it has set up everything the task
 * writes one line to report_fd and then reads one byte from gate_fd before it
 * runs a single instruction of the program: a byte lets it go, end of file or
 * an error kills it. Both descriptors must be FD_CLOEXEC. Lines:
 *	"ready <pid>\n"
 *	"error <pid> <errno> <stage> <hex address> <what, one word or more>\n"
 */
struct crctl_control {
	__s32 gate_fd;		/* -1: do not wait */
	__s32 report_fd;	/* -1: do not report */
	__u32 flags;		/* 0 */
	__u32 id;		/* by which others of the same report pipe find it; 0: none does */
	__u32 source;		/* id of the process that the pages of CRCTL_NT_COW are taken from */
	__u32 pad;
};

#endif /* CRCTL_IMAGE_H */

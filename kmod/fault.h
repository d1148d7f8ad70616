/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults on demand, for tests: only in a module built with FAULTS=1, which
 * has the parameter "fault". Writing POINT[:NTH] to it makes the step at that
 * point fail, the NTH time that any task gets there, with the error of its
 * line here; then nothing more fails until it is written again. Empty: none.
 */
#ifndef CRCTL_FAULT_H
#define CRCTL_FAULT_H

/* name in C, name for people, the error that such a step may really meet */
#define CRCTL_FAULT_POINTS(X) \
	X(DUMP_OPEN, "dump.open", ENOMEM)	/* dump has been opened */ \
	X(DUMP_GROUP, "dump.group", ENOMEM)	/* threads are taken hold of */ \
	X(DUMP_THREAD, "dump.thread", ENOMEM)	/* a thread's state is saved */ \
	X(DUMP_NOTE, "dump.note", ENOMEM)	/* a note is added */ \
	X(DUMP_DESCRIPTORS, "dump.descriptors", ENOMEM)	/* room for what is told of descriptors */ \
	X(DUMP_EXTRA, "dump.extra", ENOMEM) /* room for what a terminal or the like holds */ \
	X(DUMP_SEMAPHORES, "dump.semaphores", ENOMEM) /* room for what is to be undone */ \
	X(DUMP_POLICY, "dump.policy", ENOMEM)	/* room for memory policies */ \
	X(DUMP_PAGES, "dump.pages", ENOMEM)	/* present pages are looked for */ \
	X(DUMP_COW, "dump.cow", ENOMEM)		/* pages that others have are looked for */ \
	X(DUMP_HEADER, "dump.header", ENOMEM)	/* what comes before the pages is read */ \
	X(DUMP_READ, "dump.read", EIO)		/* some pages are read */ \
	X(DUMP_SPLICE, "dump.splice", EIO)	/* some pages are spliced */ \
	X(MFD_LOOKUP, "mfd.lookup", ENOMEM)	/* a link in mfd/ is looked up */ \
	X(NET_OPEN, "net.open", ENOMEM)		/* /proc/net/crctl is opened */ \
	X(NET_HOLD, "net.hold", ENOMEM)		/* a connection is held back */ \
	/* an image is executed: up to here an error is just an errno */ \
	X(LOAD_ALLOC, "load.alloc", ENOMEM) \
	X(LOAD_READ, "load.read", EIO)		/* a part of the image is read */ \
	X(LOAD_FILES, "load.files", ENOMEM)	/* files are taken hold of */ \
	X(LOAD_CHECKED, "load.checked", ENOMEM)	/* all is checked */ \
	/* past the point of no return */ \
	X(RESTORE_CLEAR, "restore.clear", ENOMEM) \
	X(RESTORE_VDSO, "restore.vdso", ENOMEM) \
	X(RESTORE_MAP, "restore.map", ENOMEM)	/* an area is mapped */ \
	X(RESTORE_COW, "restore.cow", ENOMEM)	/* pages are taken from another task */ \
	X(RESTORE_ATTACH, "restore.attach", ENOMEM) /* System V shared memory is attached */ \
	X(RESTORE_POLICY, "restore.policy", ENOMEM) /* a memory policy is set */ \
	X(RESTORE_ADVISE, "restore.advise", ENOMEM) \
	X(RESTORE_FILL, "restore.fill", EIO)	/* some pages are filled */ \
	X(RESTORE_KEYS, "restore.keys", ENOMEM)	/* an area gets its protection key */ \
	X(RESTORE_EXE, "restore.exe", ENOMEM) \
	X(RESTORE_LANDING, "restore.landing", ENOMEM) \
	/* as task work, outside of execve() */ \
	X(RESTORE_LANDED, "restore.landed", ENOMEM) \
	X(RESTORE_CLONE, "restore.clone", EAGAIN) /* a thread is made */ \
	X(RESTORE_THREAD, "restore.thread", ENOMEM) /* a thread takes up its state */ \
	X(RESTORE_REGS, "restore.regs", ENOMEM) \
	X(RESTORE_TIMERS, "restore.timers", EAGAIN) \
	X(RESTORE_PROCESS, "restore.process", ENOMEM) \
	X(RESTORE_PEERS, "restore.peers", ENOMEM) /* a socket is told who its peer is */ \
	X(RESTORE_LOCKS, "restore.locks", EAGAIN) \
	X(RESTORE_NOTIFY, "restore.notify", EBUSY) /* a message queue is to notify it */ \
	X(RESTORE_MET, "restore.met", ENOMEM)	/* all threads are ready */ \
	X(RESTORE_GATE, "restore.gate", EIO)	/* the leader waits at the gate */

enum crctl_fault_point {
#define CRCTL_FAULT_ENUM(id, name, err) CRCTL_FAULT_##id,
	CRCTL_FAULT_POINTS(CRCTL_FAULT_ENUM)
#undef CRCTL_FAULT_ENUM
	CRCTL_NR_FAULTS
};

#ifdef CRCTL_FAULTS
int __crctl_fault(enum crctl_fault_point point);
#define crctl_fault(id) __crctl_fault(CRCTL_FAULT_##id)
#else
#define crctl_fault(id) 0
#endif

#endif /* CRCTL_FAULT_H */

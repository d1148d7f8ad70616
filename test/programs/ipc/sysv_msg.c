// SPDX-License-Identifier: GPL-2.0-only
/* System V message queues: messages in order, limits, owners; a process that waits for a message, one that waits for room. */
#include "test.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/syscall.h>

enum { LARGE = 8192, NOBODY = 65534 };

struct message {
	long type;
	char text[LARGE];
};

static int keyed, waited, full, foreign;
static struct msqid_ds was[4];

static struct msqid_ds stat_of(int id)
{
	struct msqid_ds is;

	TRY(msgctl(id, IPC_STAT, &is));
	return is;
}

static void compare(int id, const struct msqid_ds *was_so)
{
	struct msqid_ds is = stat_of(id);

	SAME(is.msg_perm.__key, was_so->msg_perm.__key);
	SAME(is.msg_perm.uid, was_so->msg_perm.uid);
	SAME(is.msg_perm.gid, was_so->msg_perm.gid);
	SAME(is.msg_perm.cuid, was_so->msg_perm.cuid);
	SAME(is.msg_perm.cgid, was_so->msg_perm.cgid);
	SAME(is.msg_perm.mode, was_so->msg_perm.mode);
	SAME(is.msg_qbytes, was_so->msg_qbytes);
	SAME(is.msg_qnum, was_so->msg_qnum);
}

static void send_to(int id, long type, size_t size, unsigned int seed)
{
	struct message message = { .type = type };

	pattern_fill(message.text, size, seed);
	TRY(msgsnd(id, &message, size, IPC_NOWAIT));
}

static void expect_from(int id, long wanted, long type, size_t size, unsigned int seed)
{
	struct message message;

	SAME(TRY(msgrcv(id, &message, LARGE, wanted, IPC_NOWAIT)), (ssize_t)size);
	SAME(message.type, type);
	pattern_check(message.text, size, seed, "a message");
}

static void receiver(void *arg)
{
	struct message message;

	(void)arg;
	test_child_ready();
	/* goes on by itself */
	SAME(TRY(syscall(SYS_msgrcv, waited, &message, LARGE, 77, 0)), 16);
	pattern_check(message.text, 16, 9, "a message that was waited for");
}

static void sender(void *arg)
{
	struct message message = { .type = 5 };

	(void)arg;
	test_child_ready();
	pattern_fill(message.text, 100, 12);
	TRY(syscall(SYS_msgsnd, full, &message, 100, 0));
}

static void make(void)
{
	struct msqid_ds set;

	keyed = TRY(msgget(0x434d0000 + getpid(), IPC_CREAT | IPC_EXCL | 0600));
	waited = TRY(msgget(IPC_PRIVATE, 0600));
	full = TRY(msgget(IPC_PRIVATE, 0600));
	TRY(seteuid(NOBODY));
	foreign = TRY(msgget(IPC_PRIVATE, 0400));
	TRY(seteuid(0));
	set = stat_of(keyed);
	set.msg_perm.uid = 1234;
	set.msg_perm.gid = 4321;
	set.msg_perm.mode = 0624;
	/* more than kernel.msgmnb */
	set.msg_qbytes = 40000;
	TRY(msgctl(keyed, IPC_SET, &set));
	send_to(keyed, 3, LARGE, 1);
	send_to(keyed, 1, 0, 2);
	send_to(keyed, 0x7fffffffffffffff, 100, 3);
	send_to(keyed, 1, 7, 4);
	send_to(keyed, 2, LARGE, 5);
	send_to(keyed, 9, LARGE, 6);
	expect_from(keyed, 9, 9, LARGE, 6);
	send_to(foreign, 4, 12, 7);
	/* another type than is waited for */
	send_to(waited, 78, 5, 8);
	send_to(full, 5, 300, 10);
	send_to(full, 6, 200, 11);
	/* less than it holds */
	set = stat_of(full);
	set.msg_qbytes = 400;
	TRY(msgctl(full, IPC_SET, &set));
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		make();
		pid_t receives = test_fork(receiver, NULL), sends = test_fork(sender, NULL);

		proc_wait_syscall(receives, SYS_msgrcv);
		proc_wait_syscall(sends, SYS_msgsnd);
		was[0] = stat_of(keyed);
		was[1] = stat_of(waited);
		was[2] = stat_of(full);
		was[3] = stat_of(foreign);
		test_ready();
		test_wait();

		compare(keyed, &was[0]);
		compare(waited, &was[1]);
		compare(full, &was[2]);
		compare(foreign, &was[3]);
		SAME(TRY(msgget(0x434d0000 + getpid(), 0)), keyed);
		SAME(stat_of(keyed).msg_lspid, getpid());
		SAME(stat_of(keyed).msg_lrpid, getpid());
		expect_from(keyed, 1, 1, 0, 2);
		expect_from(keyed, 0, 3, LARGE, 1);
		expect_from(keyed, 0, 0x7fffffffffffffff, 100, 3);
		expect_from(keyed, 0, 1, 7, 4);
		expect_from(keyed, 0, 2, LARGE, 5);
		expect_from(foreign, 0, 4, 12, 7);
		send_to(waited, 77, 16, 9);
		test_reap(receives);
		expect_from(waited, 0, 78, 5, 8);
		expect_from(full, 0, 5, 300, 10);
		test_reap(sends);
		expect_from(full, 0, 6, 200, 11);
		expect_from(full, 0, 5, 100, 12);
		TRY(msgctl(keyed, IPC_RMID, NULL));
		TRY(msgctl(waited, IPC_RMID, NULL));
		TRY(msgctl(full, IPC_RMID, NULL));
		TRY(msgctl(foreign, IPC_RMID, NULL));
	} while (test_pass());
	return 0;
}

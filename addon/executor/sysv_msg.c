// SPDX-License-Identifier: GPL-2.0-only
/* System V message queues: what is in them, and what they may hold. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>

#include "sysv.h"

#ifndef MSG_COPY
#define MSG_COPY	040000
#endif

static int get(const struct plan_sysv *want, int flags)
{
	return msgget(want->key, flags);
}

static int remove_id(int id)
{
	return msgctl(id, IPC_RMID, NULL);
}

static void take_mark(int id, long type)
{
	struct { long type; char byte; } ours;

	while (msgrcv(id, &ours, 0, type, IPC_NOWAIT | MSG_NOERROR) >= 0)
		;
}

static void clear(struct sysv *queue)
{
	if (queue->made)
		remove_id(queue->id);
	else if (queue->mark > 0)	/* a task may have been killed between sending and receiving it */
		take_mark(queue->id, queue->mark);
}

static const struct sysv_kind queues = {
	.name = "queue",
	.next_id = "sys/kernel/msg_next_id",
	.get = get,
	.remove = remove_id,
	.clear = clear,
	.call = "msgget",
	.as_creator = "msgget as its creator",
	.key_taken = "msgget: another message queue has its key",
	.id_taken = "msgget: another message queue has its id, or a place that its id needs",
	.too_large = "msgget",
	.no_room = "msgget: is kernel.msgmni too small?",
};

/* Messages of the plan, one after the other. */
struct cursor {
	const char *at, *end;
};

static struct cursor messages_of(const struct executor *ex, const struct plan_op *op)
{
	const char *data = op_data(ex, op);

	return (struct cursor){ data + sizeof(struct plan_sysv), data + op->data_len };
}

/* NULL: there is none any more; short of the end, if what follows is malformed. */
static const struct plan_queued *next_message(struct cursor *cursor)
{
	size_t room = (size_t)(cursor->end - cursor->at);
	const struct plan_queued *message = (const void *)cursor->at;
	size_t size;

	if (room < sizeof(*message) || message->len > room - sizeof(*message))
		return NULL;
	size = sizeof(*message) + ((message->len + 7) & ~7ull);
	if (size > room)
		return NULL;
	cursor->at += size;
	return message;
}

static int check_end(const struct cursor *cursor, struct error *error)
{
	if (cursor->at != cursor->end)
		return failed(error, EPROTO, "a message of the plan is malformed");
	return 0;
}

/* Room for all that comes, and a mark. */
static int make_room(const struct executor *ex, const struct plan_op *op, int id, struct error *error)
{
	struct cursor cursor = messages_of(ex, op);
	uint64_t bytes = 0, count = 0;
	struct msqid_ds is;
	const struct plan_queued *message;

	while ((message = next_message(&cursor))) {
		bytes += message->len;
		count++;
	}
	if (check_end(&cursor, error) < 0)
		return -1;
	if (msgctl(id, IPC_STAT, &is) < 0)
		return failed(error, errno, "IPC_STAT");
	/* it may have been made to hold less than it held */
	if (bytes < count + 1)
		bytes = count + 1;
	if (is.msg_qbytes >= bytes)
		return 0;
	is.msg_qbytes = bytes;
	if (msgctl(id, IPC_SET, &is) < 0)
		return failed(error, errno, "IPC_SET: what it holds is more than kernel.msgmnb, which takes CAP_SYS_RESOURCE");
	return 0;
}

static int send_all(const struct executor *ex, const struct plan_op *op, int id, struct error *error)
{
	struct cursor cursor = messages_of(ex, op);
	const struct plan_queued *message;

	/* which also looks whether they are what they should be */
	if (make_room(ex, op, id, error) < 0)
		return -1;
	while ((message = next_message(&cursor))) {
		if (msgsnd(id, &message->type, message->len, IPC_NOWAIT) == 0)
			continue;
		if (errno == EINVAL)
			return failed(error, errno, "msgsnd: is kernel.msgmax too small for a message?");
		return failed(error, errno == EAGAIN ? EBUSY : errno, "msgsnd");
	}
	return 0;
}

static int check_unused(const struct plan_sysv *want, struct msqid_ds *is, struct error *error)
{
	if (msgctl(want->id, IPC_STAT, is) < 0)
		return failed(error, errno == EINVAL || errno == EIDRM ? EBUSY : errno, "the queue that was there");
	if (!sysv_is_same(&is->msg_perm, want))
		return failed(error, EBUSY, "another message queue has its id");
	return 0;
}

static int get_queue(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct plan_sysv want;
	struct msqid_ds is;
	bool take;

	if (sysv_want(ex, op, &want, error) < 0)
		return -1;
	take = want.flags & PLAN_SYSV_TAKE;
	if (take && check_unused(&want, &is, error) < 0)
		return -1;
	if (sysv_get(ex, op, &queues, &want, error) < 0)
		return -1;
	sysv_of(ex, op)->mark = (long)op->a;
	return take ? 0 : send_all(ex, op, want.id, error);
}

/* In a queue that is full there is no room for it: who used it last is then told wrong. */
static int leave_mark(const struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct { long type; char byte; } ours = { (long)op->a, 0 };
	int id = sysv_of(ex, op)->id;

	if (msgsnd(id, &ours, 0, IPC_NOWAIT) < 0)
		return errno == EAGAIN ? 0 : failed(error, errno, "msgsnd");
	take_mark(id, ours.type);
	return 0;
}

/* Whether it holds what it has to hold; nothing is changed by looking. */
static int has_all(const struct executor *ex, const struct plan_op *op, int id, bool *same, struct error *error)
{
	struct cursor cursor = messages_of(ex, op);
	size_t room = sizeof(long) + op->data_len;
	char *own = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct msqid_ds is;
	uint64_t count = 0;
	const struct plan_queued *message = NULL;

	if (own == MAP_FAILED)
		return failed(error, errno, "mmap");
	*same = true;
	while (*same && (message = next_message(&cursor))) {
		ssize_t len = msgrcv(id, own, op->data_len, (long)count++, MSG_COPY | IPC_NOWAIT);

		/* the type is right before the bytes, here and there */
		*same = len >= 0 && (uint64_t)len == message->len &&
			memcmp(own, &message->type, sizeof(long) + (size_t)len) == 0;
	}
	munmap(own, room);
	if (*same && check_end(&cursor, error) < 0)
		return -1;
	if (msgctl(id, IPC_STAT, &is) < 0)
		return failed(error, errno, "IPC_STAT");
	*same = *same && is.msg_qnum == count;
	return 0;
}

static int change_messages(const struct executor *ex, const struct plan_op *op, int id, struct error *error)
{
	struct { long type; char byte; } gone;
	bool same = false;

	if (has_all(ex, op, id, &same, error) < 0)
		return -1;
	if (same)
		return 0;
	if (make_room(ex, op, id, error) < 0)
		return -1;
	while (msgrcv(id, &gone, 0, 0, IPC_NOWAIT | MSG_NOERROR) >= 0)
		;
	if (errno != ENOMSG)
		return failed(error, errno, "msgrcv");
	return send_all(ex, op, id, error);
}

/* All tasks are there. */
static int set_queue(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct sysv *queue = sysv_of(ex, op);
	struct plan_sysv want;
	struct msqid_ds is;
	bool set;

	if (sysv_want(ex, op, &want, error) < 0)
		return -1;
	if (!queue->made && change_messages(ex, op, queue->id, error) < 0)
		return -1;
	if (msgctl(queue->id, IPC_STAT, &is) < 0)
		return failed(error, errno, "IPC_STAT");
	set = sysv_set_perm(&is.msg_perm, &want);
	if (!set && is.msg_qbytes == want.size)
		return 0;
	is.msg_qbytes = want.size;
	if (msgctl(queue->id, IPC_SET, &is) < 0)
		return failed(error, errno, "IPC_SET: is msg_qbytes more than kernel.msgmnb? That takes CAP_SYS_RESOURCE");
	return 0;
}

int op_queue(struct executor *ex, const struct plan_op *op, struct error *error)
{
	if (op->type == PLAN_OP_QUEUE)
		return get_queue(ex, op, error);
	if (!ex->sysv || sysv_of(ex, op)->kind != &queues)
		return failed(error, EPROTO, "a message queue that was not made");
	return op->type == PLAN_OP_QUEUE_SET ? set_queue(ex, op, error) : leave_mark(ex, op, error);
}

// SPDX-License-Identifier: GPL-2.0-only
/* POSIX message queues: made with what is in them, or taken over if they are still there. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "executor.h"

/* By slot. */
struct mqueue {
	const struct plan_op *op;	/* NULL: not yet there */
	uint64_t ino;
	bool made;			/* by us: a restore that fails takes it away */
	/* what was in one that was taken over: a restore that fails puts that back */
	char *was;
	size_t was_len;
};

/* Messages one after the other, each padded to 8 bytes. */
struct cursor {
	const char *at, *end;
};

/* As the kernel has them: names without their slash. */
static int open_queue(const char *name, int flags, const struct mq_attr *attr)
{
	return (int)syscall(SYS_mq_open, name, flags, 0600, attr);
}

static int send_message(int fd, const struct plan_posted *message)
{
	return (int)syscall(SYS_mq_timedsend, fd, message + 1, message->len, message->priority, NULL);
}

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static struct mqueue *queue_of(const struct executor *ex, int slot)
{
	return ex->mqueues ? &ex->mqueues[slot] : NULL;
}

static int make_table(struct executor *ex, struct error *error)
{
	void *map;

	if (ex->mqueues)
		return 0;
	map = mmap(NULL, ex->plan->nr_slots * sizeof(struct mqueue), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return failed(error, errno, "mmap");
	ex->mqueues = map;
	return 0;
}

static const struct plan_mqueue *want_of(const struct executor *ex, const struct plan_op *op)
{
	return (const void *)op_data(ex, op);
}

static const char *name_of(const struct executor *ex, const struct plan_op *op)
{
	return (const char *)(want_of(ex, op) + 1);
}

static struct cursor messages_of(const struct executor *ex, const struct plan_op *op)
{
	const char *data = op_data(ex, op);

	return (struct cursor){
		data + sizeof(struct plan_mqueue) + padded(want_of(ex, op)->name_len + 1), data + op->data_len
	};
}

static bool is_well_formed(const struct executor *ex, const struct plan_op *op)
{
	size_t room = op->data_len, name;

	if (op->data_off % 8 || room < sizeof(struct plan_mqueue))
		return false;
	room -= sizeof(struct plan_mqueue);
	name = want_of(ex, op)->name_len;
	return name > 0 && name < room && padded(name + 1) <= room && strnlen(name_of(ex, op), room) == name;
}

/* NULL: there is none any more; short of the end, if what follows is malformed. */
static const struct plan_posted *next_message(struct cursor *cursor)
{
	size_t room = (size_t)(cursor->end - cursor->at);
	const struct plan_posted *message = (const void *)cursor->at;

	if (room < sizeof(*message) || padded(message->len) > room - sizeof(*message))
		return NULL;
	cursor->at += sizeof(*message) + padded(message->len);
	return message;
}

static int send_all(int fd, struct cursor cursor, struct error *error)
{
	const struct plan_posted *message;

	while ((message = next_message(&cursor)))
		if (send_message(fd, message) < 0)
			return failed(error, errno == EAGAIN ? EBUSY : errno, "mq_send");
	if (cursor.at != cursor.end)
		return failed(error, EPROTO, "a message of the plan is malformed");
	return 0;
}

/* Its size counts against a limit of ours, which the program's own may be above. */
static int create(const struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct plan_mqueue *want = want_of(ex, op);
	const struct mq_attr attr = {
		.mq_maxmsg = (long)want->max_messages, .mq_msgsize = (long)want->message_size,
	};
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit own;
	bool raised;
	int fd, err;

	if (getrlimit(RLIMIT_MSGQUEUE, &own) < 0)
		return failed(error, errno, "getrlimit");
	raised = setrlimit(RLIMIT_MSGQUEUE, &none) == 0;
	fd = open_queue(name_of(ex, op), O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, &attr);
	err = errno;
	if (raised && setrlimit(RLIMIT_MSGQUEUE, &own) < 0)
		return failed(error, errno, "setrlimit");
	if (fd >= 0)
		return fd;
	switch (err) {
	case EEXIST:
		return failed(error, err, "mq_open: another message queue has its name");
	case EMFILE:
		return failed(error, err, "mq_open: is RLIMIT_MSGQUEUE or RLIMIT_NOFILE too small?");
	case EINVAL:
		return failed(error, err, "mq_open: are fs.mqueue.msg_max and msgsize_max too small?");
	case ENOSPC:
		return failed(error, err, "mq_open: is fs.mqueue.queues_max too small?");
	default:
		return failed(error, err, "mq_open");
	}
}

static int take_over(const struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct plan_mqueue *want = want_of(ex, op);
	int fd = open_queue(name_of(ex, op), O_RDWR | O_NONBLOCK, NULL);
	struct stat st;

	if (fd < 0)
		return failed(error, errno == ENOENT ? EBUSY : errno, "mq_open of the message queue that was there");
	if (fstat(fd, &st) < 0 || st.st_ino != want->ino || st.st_dev != want->dev) {
		close(fd);
		return failed(error, EBUSY, "mq_open: another message queue has its name");
	}
	return fd;
}

/* What is in it goes, and is remembered. */
static int empty(struct mqueue *queue, int fd, struct error *error)
{
	struct mq_attr attr;
	size_t each, room;
	char *map;

	if (syscall(SYS_mq_getsetattr, fd, NULL, &attr) < 0)
		return failed(error, errno, "mq_getattr");
	each = sizeof(struct plan_posted) + padded((size_t)attr.mq_msgsize);
	room = each * (size_t)(attr.mq_curmsgs + 1);
	map = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return failed(error, errno, "mmap");
	queue->was = map;
	while (room - queue->was_len >= each) {
		struct plan_posted *message = (void *)(map + queue->was_len);
		ssize_t len = syscall(SYS_mq_timedreceive, fd, message + 1, attr.mq_msgsize, &message->priority, NULL);

		if (len < 0)
			return errno == EAGAIN ? 0 : failed(error, errno, "mq_receive");
		message->len = (uint32_t)len;
		queue->was_len += sizeof(*message) + padded((size_t)len);
	}
	return failed(error, EBUSY, "mq_receive: somebody uses the message queue");
}

static int get_queue(struct executor *ex, const struct plan_op *op, struct error *error)
{
	uint32_t flags;
	struct mqueue *queue;
	struct stat st;
	bool take;
	int fd;

	if (!is_well_formed(ex, op))
		return failed(error, EPROTO, "a message queue of the plan is malformed");
	if (make_table(ex, error) < 0)
		return -1;
	queue = &ex->mqueues[op->slot];
	flags = want_of(ex, op)->flags;
	take = flags & PLAN_MQUEUE_TAKE;
	fd = take ? take_over(ex, op, error) : create(ex, op, error);
	if (fd < 0)
		return -1;
	queue->op = op;
	queue->made = !take;
	if (fstat(fd, &st) < 0) {
		failed(error, errno, "fstat");
		close(fd);
		return -1;
	}
	queue->ino = st.st_ino;
	/* should we be killed, the controller takes it away */
	if (!take)
		status_line(ex, "made mqueue %d %llu", op->slot, (unsigned long long)st.st_ino);
	if (place_slot(ex, fd, op->slot, error) < 0)
		return -1;
	fd = slot_fd(ex, op->slot);
	if (take && !(flags & PLAN_MQUEUE_REFILL))
		return 0;
	if (take && empty(queue, fd, error) < 0)
		return -1;
	return send_all(fd, messages_of(ex, op), error);
}

static bool leads_to(int fd, const struct mqueue *queue)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == queue->ino;
}

/* By its name, as its program did: a file opened otherwise has flags that this one has not. */
static int open_again(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct mqueue *queue = queue_of(ex, op->arg);
	int fd;

	if (!queue || !queue->op)
		return failed(error, EPROTO, "a message queue that was not made");
	fd = open_queue(name_of(ex, queue->op), (int)op->flags, NULL);
	if (fd < 0)
		return failed(error, errno, "mq_open");
	if (!leads_to(fd, queue)) {
		close(fd);
		return failed(error, EBUSY, "mq_open: another message queue has its name");
	}
	return place_slot(ex, fd, op->slot, error);
}

static int unlink_queue(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct mqueue *queue = queue_of(ex, op->slot);

	if (!queue || !queue->op)
		return failed(error, EPROTO, "a message queue that was not made");
	if (syscall(SYS_mq_unlink, name_of(ex, queue->op)) < 0)
		return failed(error, errno, "mq_unlink");
	queue->op = NULL;
	return 0;
}

static void clear(const struct executor *ex, const struct mqueue *queue)
{
	int fd = open_queue(name_of(ex, queue->op), O_RDWR | O_NONBLOCK, NULL);
	struct mqueue ours = { .op = NULL };
	struct error ignored;

	if (fd < 0)
		return;
	if (leads_to(fd, queue)) {
		if (queue->made)
			syscall(SYS_mq_unlink, name_of(ex, queue->op));
		else if (queue->was && empty(&ours, fd, &ignored) == 0)
			send_all(fd, (struct cursor){ queue->was, queue->was + queue->was_len }, &ignored);
	}
	close(fd);
}

/* After a failure, when no task is left. */
void clear_mqueues(struct executor *ex)
{
	for (uint32_t i = 0; ex->mqueues && i < ex->plan->nr_slots; i++)
		if (ex->mqueues[i].op)
			clear(ex, &ex->mqueues[i]);
}

int op_mqueue(struct executor *ex, const struct plan_op *op, struct error *error)
{
	switch (op->type) {
	case PLAN_OP_MQUEUE:
		return get_queue(ex, op, error);
	case PLAN_OP_MQUEUE_OPEN:
		return open_again(ex, op, error);
	default:
		return unlink_queue(ex, op, error);
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX message queues. User space can only take messages out, and has no way
 * to put them back without waking those who wait for room or for a message:
 * so what is in a queue is read from here, under its lock. User space compares
 * that with what the queue tells of itself (mq_getattr(3), its file).
 *
 * A request to be notified of a message goes with the next descriptor of the
 * queue that the process closes, as execve() does: it is made here.
 */
#include <linux/ipc_namespace.h>
#include <linux/mount.h>
#include <linux/nsproxy.h>
#include <linux/uaccess.h>

#include "compat/mqueue.h"
#include "crctl.h"
#include "restore/restore.h"

/* More is not told: a queue may be let hold a terabyte. */
#define MOST	(CRCTL_MAX_NOTES_SIZE / 4)

/* What is copied with the lock held, or one message. */
#define AT_ONCE	(64u << 10)

/* ---- dump ---- */

bool crctl_is_mqueue(const struct file *file)
{
	const struct file_operations *ops = crctl_symbols.mqueue_file_operations;

	return ops && file->f_op == ops && crctl_symbols.mqueue_inode_cachep &&
	       crctl_mqueue_fits(*crctl_symbols.mqueue_inode_cachep, crctl_mqueue_info(file));
}

/* Of all messages with their heads. */
static u64 bytes_of(const struct crctl_mqueue_info *info)
{
	return info->qsize + (u64)info->attr.mq_curmsgs * sizeof(struct crctl_mqueue_message);
}

/**
 * crctl_mqueue_room() - how much room it takes to tell of a queue
 * @file: for which crctl_is_mqueue() holds
 *
 * Return: bytes.
 */
u32 crctl_mqueue_room(const struct file *file)
{
	struct crctl_mqueue_info *info = crctl_mqueue_info(file);
	u64 bytes;

	spin_lock(&info->lock);
	bytes = bytes_of(info);
	spin_unlock(&info->lock);
	return sizeof(struct crctl_mqueue) + (bytes > MOST ? 0 : round_up((u32)bytes, 2));
}

static bool copy_bytes(const struct msg_msg *msg, u8 *to)
{
	const struct crctl_msg_segment *segment = (const void *)msg->next;
	size_t left = msg->m_ts, len = min_t(size_t, left, CRCTL_MSG_FIRST);

	memcpy(to, msg + 1, len);
	for (left -= len; left && segment; left -= len, segment = segment->next) {
		to += len;
		len = min_t(size_t, left, CRCTL_MSG_NEXT);
		memcpy(to, segment + 1, len);
	}
	return !left && !segment;
}

struct cursor {
	u32 messages;		/* that were copied, or passed over */
	u8 *at, *end;
};

/* Some of those that follow the cursor. Return: 1, 0 if that is all, -errno. */
static int copy_some(const struct crctl_mqueue_info *info, struct cursor *cursor)
{
	const struct rb_node *node;
	const u8 *start = cursor->at;
	u32 count = 0;

	for (node = info->msg_tree_rightmost; node; node = rb_prev(node)) {
		const struct crctl_mqueue_leaf *leaf;
		const struct msg_msg *msg;

		leaf = rb_entry(node, struct crctl_mqueue_leaf, node);
		list_for_each_entry(msg, &leaf->messages, m_list) {
			struct crctl_mqueue_message head = {
				.priority = leaf->priority, .size = msg->m_ts,
			};

			if (count == info->attr.mq_curmsgs || msg->m_type != leaf->priority ||
			    msg->m_ts > info->attr.mq_msgsize)
				return -EUCLEAN;
			if (count++ < cursor->messages)
				continue;
			if (cursor->at - start >= AT_ONCE)
				return 1;
			if (cursor->end - cursor->at < sizeof(head) + msg->m_ts)
				return -ENOSPC;
			memcpy(cursor->at, &head, sizeof(head));
			if (!copy_bytes(msg, cursor->at + sizeof(head)))
				return -EUCLEAN;
			cursor->at += sizeof(head) + msg->m_ts;
			cursor->messages++;
		}
	}
	return count == info->attr.mq_curmsgs ? 0 : -EUCLEAN;
}

/*
 * The tasks of the tree do not run. Should others change it meanwhile, what was copied
 * is not what the queue says that it holds.
 */
static bool copy_messages(struct crctl_mqueue_info *info, struct cursor *cursor)
{
	int ret;

	do {
		cond_resched();
		if (fatal_signal_pending(current))
			return false;
		spin_lock(&info->lock);
		ret = copy_some(info, cursor);
		spin_unlock(&info->lock);
	} while (ret > 0);
	return !ret;
}

static bool is_elsewhere(const struct file *file)
{
	return file_inode(file)->i_sb != current->nsproxy->ipc_ns->mq_mnt->mnt_sb;
}

/* One that executes another program is not signalled. With the queue's lock held. */
static bool is_deaf(const struct crctl_mqueue_info *info)
{
	const struct task_struct *task;
	bool deaf;

	if (info->notify.sigev_notify != SIGEV_SIGNAL)
		return false;
	rcu_read_lock();
	task = pid_task(info->notify_owner, PIDTYPE_TGID);
	deaf = !task || task->self_exec_id != info->notify_self_exec_id;
	rcu_read_unlock();
	return deaf;
}

static void describe(const struct file *file, const struct crctl_mqueue_info *info,
		     struct crctl_mqueue *out)
{
	u32 names = file_inode(file)->i_nlink ? 1 : 0;
	u32 refs = d_count(file->f_path.dentry);

	*out = (struct crctl_mqueue){
		.flags = is_elsewhere(file) ? CRCTL_MQUEUE_ELSEWHERE : 0,
		.opened = refs > names ? refs - names : 0,
		.max_messages = info->attr.mq_maxmsg,
		.message_size = info->attr.mq_msgsize,
		.bytes = info->qsize,
		.messages = info->attr.mq_curmsgs,
	};
	if (!list_empty(&info->e_wait_q[0].list) || !list_empty(&info->e_wait_q[1].list))
		out->flags |= CRCTL_MQUEUE_WAITED;
	if (bytes_of(info) > MOST)
		out->flags |= CRCTL_MQUEUE_UNTOLD;
	if (!info->notify_owner)
		return;
	out->flags |= CRCTL_MQUEUE_NOTIFY | (is_deaf(info) ? CRCTL_MQUEUE_DEAF : 0);
	out->notify = info->notify.sigev_notify;
	out->notify_pid = pid_vnr(info->notify_owner);
	if (info->notify.sigev_notify == SIGEV_SIGNAL) {
		out->notify_signal = info->notify.sigev_signo;
		out->notify_value = (unsigned long)info->notify.sigev_value.sival_ptr;
	}
}

/**
 * crctl_mqueue_tell() - tell what is in a queue
 * @file: for which crctl_is_mqueue() holds
 * @fd: its descriptor
 * @told: has room for it
 * @room: of crctl_mqueue_room()
 */
void crctl_mqueue_tell(const struct file *file, u32 fd, struct crctl_told *told, u32 room)
{
	struct crctl_mqueue_info *info = crctl_mqueue_info(file);
	u8 *start = told->extra + told->extra_size;
	struct crctl_mqueue head;
	struct cursor cursor = {
		.at = start + sizeof(head), .end = start + room,
	};

	spin_lock(&info->lock);
	describe(file, info, &head);
	spin_unlock(&info->lock);
	if (!(head.flags & CRCTL_MQUEUE_UNTOLD) && !copy_messages(info, &cursor)) {
		head.flags |= CRCTL_MQUEUE_UNTOLD;
		cursor.at = start + sizeof(head);
	}
	memcpy(start, &head, sizeof(head));
	crctl_tell_data(told, fd, CRCTL_DESCRIPTOR_MQUEUE, cursor.at - start);
}

/* ---- restore ---- */

static long ask(struct crctl_restore *r, const struct crctl_notify *n)
{
	struct sigevent __user *page = (void __user *)r->scratch;
	struct sigevent event = {
		.sigev_notify = n->notify,
		.sigev_signo = n->signal,
		.sigev_value.sival_ptr = (void __user *)(unsigned long)n->value,
	};

	if (copy_to_user(page, &event, sizeof(event)))
		return -EFAULT;
	return CRCTL_SYS(mq_notify, n->fd, page);
}

int crctl_notify_restore(struct crctl_restore *r, u32 idx)
{
	struct crctl_notify n;
	long ret;
	u32 i;

	for (i = 0; i < r->img.notify.count; i++) {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		crctl_rec(&r->img.notify, i, &n, sizeof(n));
		ret = crctl_fault(RESTORE_NOTIFY) ?: ask(r, &n);
		if (ret == -EBUSY)
			return crctl_restore_fail(r, ret, "notify", n.fd,
						  "a message queue notifies somebody else");
		if (ret)
			return crctl_restore_fail(r, ret, "notify", n.fd,
						  "cannot ask to be notified of messages");
	}
	return 0;
}

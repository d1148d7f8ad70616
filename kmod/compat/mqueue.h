/* SPDX-License-Identifier: GPL-2.0 */
/*
 * POSIX message queues: what ipc/mqueue.c and ipc/msgutil.c keep to themselves.
 * Nothing of it is written to but the lock.
 */
#ifndef CRCTL_COMPAT_MQUEUE_H
#define CRCTL_COMPAT_MQUEUE_H

#include <linux/fs.h>
#include <linux/mqueue.h>
#include <linux/msg.h>
#include <linux/rbtree.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

/* Where structures are shuffled at build time nothing is known of these. */
#if defined(CONFIG_POSIX_MQUEUE) && !defined(CONFIG_RANDSTRUCT) && \
	!defined(CONFIG_GCC_PLUGIN_RANDSTRUCT)
#define CRCTL_MQUEUE_LAYOUT 1
#else
#define CRCTL_MQUEUE_LAYOUT 0
#endif

/* All messages of a priority. The same from 5.10 to 7.3, as is all that follows. */
struct crctl_mqueue_leaf {
	struct rb_node node;
	struct list_head messages;
	int priority;
};

struct crctl_mqueue_waiter {
	struct task_struct *task;
	struct list_head list;
	struct msg_msg *msg;
	int state;
};

struct crctl_mqueue_info {
	spinlock_t lock;	/* protects all but vfs_inode */
	struct inode vfs_inode;
	wait_queue_head_t wait_q;
	struct rb_root msg_tree;
	struct rb_node *msg_tree_rightmost;
	struct crctl_mqueue_leaf *node_cache;
	struct mq_attr attr;
	struct sigevent notify;
	struct pid *notify_owner;
	u32 notify_self_exec_id;
	struct user_namespace *notify_user_ns;
	/* 6e52a9f0532f "Reimplement RLIMIT_MSGQUEUE on top of ucounts" (5.14): another type */
	void *accounted;
	struct sock *notify_sock;
	struct sk_buff *notify_cookie;
	struct crctl_mqueue_waiter e_wait_q[2];
	unsigned long qsize;
};

/* What does not fit into the page of a message goes on in others. */
struct crctl_msg_segment {
	struct crctl_msg_segment *next;
};

#define CRCTL_MSG_FIRST		(PAGE_SIZE - sizeof(struct msg_msg))
#define CRCTL_MSG_NEXT		(PAGE_SIZE - sizeof(struct crctl_msg_segment))

static inline struct crctl_mqueue_info *crctl_mqueue_info(const struct file *file)
{
	return container_of(file_inode(file), struct crctl_mqueue_info, vfs_inode);
}

/*
 * Whether a queue looks as it has to. @cache is that of their inodes: no other
 * structure of the same size has limits that are in range, no flags and zeroes
 * right where these are.
 */
static inline bool crctl_mqueue_fits(struct kmem_cache *cache,
				     const struct crctl_mqueue_info *info)
{
	const struct mq_attr *attr = &info->attr;

	return CRCTL_MQUEUE_LAYOUT &&
	       kmem_cache_size(cache) == sizeof(struct crctl_mqueue_info) &&
	       attr->mq_maxmsg > 0 && attr->mq_maxmsg <= HARD_MSGMAX &&
	       attr->mq_msgsize > 0 && attr->mq_msgsize <= HARD_MSGSIZEMAX &&
	       attr->mq_curmsgs >= 0 && attr->mq_curmsgs <= attr->mq_maxmsg &&
	       !attr->mq_flags && !memchr_inv(attr->__reserved, 0, sizeof(attr->__reserved));
}

#endif /* CRCTL_COMPAT_MQUEUE_H */

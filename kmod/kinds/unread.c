// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that lie unread in sockets. User space peeks at them by offset
 * (SO_PEEK_OFF), which passes those without bytes only once: the kernel marks
 * them, and passes over the marked.
 */
#include <linux/udp.h>
#include <net/af_unix.h>

#include "compat/socket.h"
#include "crctl.h"

static void unmark(struct sk_buff_head *queue)
{
	struct sk_buff *skb;
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	skb_queue_walk(queue, skb) {
		/* whoever looks at one now holds it, without the lock */
		if (!skb->len && !skb_shared(skb))
			skb->peeked = 0;
	}
	spin_unlock_irqrestore(&queue->lock, flags);
}

/**
 * crctl_unread_show() - have messages without bytes be seen by the next look
 * @file: any file
 *
 * Otherwise a look that comes to nothing would hide them from the one after
 * it. Nobody else can tell: only peeking by offset heeds the mark, and sockets
 * whose program does that are left as they are.
 */
void crctl_unread_show(struct file *file)
{
	const struct socket *sock = crctl_sock_from_file(file);
	struct sock *sk = sock ? sock->sk : NULL;

	if (!sk || READ_ONCE(sk->sk_peek_off) >= 0)
		return;
	if (sk->sk_family == AF_UNIX) {
		unmark(&sk->sk_receive_queue);
	} else if (crctl_is_udp(sk)) {
		unmark(&udp_sk(sk)->reader_queue);
		unmark(&sk->sk_receive_queue);
	}
}

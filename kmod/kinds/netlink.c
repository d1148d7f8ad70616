// SPDX-License-Identifier: GPL-2.0
/* What a netlink socket does not tell of itself. */
#include <net/sock.h>

#include "compat/socket.h"
#include "crctl.h"

/**
 * crctl_netlink_look() - what is to be known of a netlink socket
 * @file: any file
 *
 * /proc/net/netlink has only those that are bound.
 *
 * Return: enum crctl_netlink_flag; 0 if there is nothing, or it is not such a
 * socket.
 */
u64 crctl_netlink_look(struct file *file)
{
	const struct socket *sock = crctl_sock_from_file(file);
	const struct sock *sk = sock ? sock->sk : NULL;
	u64 flags = 0;

	if (!sk || sk->sk_family != AF_NETLINK)
		return 0;
	if (!skb_queue_empty_lockless(&sk->sk_receive_queue) || READ_ONCE(sk->sk_err))
		flags |= CRCTL_NETLINK_UNREAD;
	if (crctl_sock_elsewhere(sk))
		flags |= CRCTL_NETLINK_ELSEWHERE;
	return flags;
}

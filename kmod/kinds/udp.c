// SPDX-License-Identifier: GPL-2.0
/* What a UDP socket does not tell of itself. */
#include <linux/igmp.h>
#include <linux/udp.h>
#include <net/ipv6.h>

#include "compat/socket.h"
#include "crctl.h"

/* Whether the fields of struct udp_sock are there. */
bool crctl_is_udp(const struct sock *sk)
{
	return sk->sk_type == SOCK_DGRAM && sk->sk_protocol == IPPROTO_UDP &&
	       (sk->sk_family == AF_INET || sk->sk_family == AF_INET6);
}

static u32 flags_of(const struct sock *sk)
{
	u32 flags = 0;

	if (READ_ONCE(udp_sk(sk)->pending))
		flags |= CRCTL_UDP_PENDING;
	if (rcu_access_pointer(inet_sk(sk)->mc_list))
		flags |= CRCTL_UDP_MULTICAST;
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6 &&
	    (rcu_access_pointer(inet6_sk(sk)->ipv6_mc_list) || inet6_sk(sk)->ipv6_ac_list))
		flags |= CRCTL_UDP_MULTICAST;
#endif
	if (READ_ONCE(sk->sk_user_data) || READ_ONCE(udp_sk(sk)->encap_type))
		flags |= CRCTL_UDP_TAKEN;
	if (READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN)
		flags |= CRCTL_UDP_NO_RECEIVING;
	if (READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)
		flags |= CRCTL_UDP_NO_SENDING;
	if (crctl_sock_chosen(sk))
		flags |= CRCTL_UDP_CHOSEN;
	if (crctl_sock_elsewhere(sk))
		flags |= CRCTL_UDP_ELSEWHERE;
	return flags;
}

/**
 * crctl_udp_look() - what is to be known of a UDP socket
 * @file: any file
 *
 * Return: enum crctl_udp_flag, and in the upper half how many datagrams are
 * unread; 0 if there is nothing, or it is not such a socket.
 */
u64 crctl_udp_look(struct file *file)
{
	const struct socket *sock = crctl_sock_from_file(file);
	const struct sock *sk = sock ? sock->sk : NULL;

	if (!sk || !crctl_is_udp(sk))
		return 0;
	/* what the reader has taken over in one go, and what has come since */
	return (u64)(READ_ONCE(udp_sk(sk)->reader_queue.qlen) +
		     READ_ONCE(sk->sk_receive_queue.qlen)) << 32 | flags_of(sk);
}

/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets. */
#ifndef CRCTL_COMPAT_SOCKET_H
#define CRCTL_COMPAT_SOCKET_H

#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/version.h>
#include <net/sock.h>
#include <net/sock_reuseport.h>
#include <net/tcp.h>

/* dba4a9256bb4 "net: Remove the err argument from sock_from_file" (5.11) */
static inline struct socket *crctl_sock_from_file(struct file *file)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
	return sock_from_file(file);
#else
	int err;

	return sock_from_file(file, &err);
#endif
}

/* Whether its segments are signed; TCP-AO is there from 6.7 on. */
static inline bool crctl_tcp_signed(const struct tcp_sock *tp)
{
#ifdef CONFIG_TCP_MD5SIG
	if (rcu_access_pointer(tp->md5sig_info))
		return true;
#endif
#ifdef CONFIG_TCP_AO
	if (rcu_access_pointer(tp->ao_info))
		return true;
#endif
	return false;
}

/* Whether a program chooses between it and others of its address (SO_ATTACH_REUSEPORT_CBPF). */
static inline bool crctl_sock_chosen(const struct sock *sk)
{
	const struct sock_reuseport *group;
	bool chosen;

	rcu_read_lock();
	group = rcu_dereference(sk->sk_reuseport_cb);
	chosen = group && rcu_access_pointer(group->prog);
	rcu_read_unlock();
	return chosen;
}

/* Whether it was made in another network namespace than the reader's. */
static inline bool crctl_sock_elsewhere(const struct sock *sk)
{
	return !net_eq(sock_net(sk), current->nsproxy->net_ns);
}

#endif /* CRCTL_COMPAT_SOCKET_H */

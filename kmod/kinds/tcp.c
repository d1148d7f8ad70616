// SPDX-License-Identifier: GPL-2.0
/*
 * What a TCP socket does not tell of itself: where its streams are, and what it
 * has sent that may have to be sent again. TCP_REPAIR shows that too, but who
 * turns it on stops the connection until it is turned off, and may be killed
 * before that.
 */
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "compat/socket.h"
#include "crctl.h"

static const struct sock *tcp_of(struct file *file)
{
	const struct socket *sock = crctl_sock_from_file(file);
	const struct sock *sk = sock ? sock->sk : NULL;

	if (!sk || sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->sk_family != AF_INET && sk->sk_family != AF_INET6))
		return NULL;
	return sk;
}

static bool has_queues(int state)
{
	return !((1 << state) & (TCPF_LISTEN | TCPF_CLOSE | TCPF_SYN_SENT));
}

/*
 * Without any lock: who has it open outside of the tree may send meanwhile, and
 * the difference be of any size. copy_queue() finds out whether it was enough;
 * more than notes can hold is never told of.
 */
static u32 unacknowledged(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 first;

	if (!has_queues(READ_ONCE(sk->sk_state)))
		return 0;
	first = READ_ONCE(tp->snd_una);
	return min_t(u32, READ_ONCE(tp->write_seq) - first, CRCTL_MAX_NOTES_SIZE);
}

/**
 * crctl_tcp_room() - what telling of a TCP socket may take
 * @file: any file
 *
 * Returns bytes of extra area, 0 if it is not such a socket.
 */
u32 crctl_tcp_room(struct file *file)
{
	const struct sock *sk = tcp_of(file);

	return sk ? round_up(sizeof(struct crctl_tcp), 2) + round_up(unacknowledged(sk), 2) : 0;
}

/* The bytes from @start on. Returns how many there were, or -errno. */
static int copy_skb(const struct sk_buff *skb, u32 start, u8 *to, u32 room)
{
	u32 seq = TCP_SKB_CB(skb)->seq;
	u32 skip = before(seq, start) ? start - seq : 0;

	if (skip >= skb->len)
		return 0;
	if (skb->len - skip > room)
		return -EOVERFLOW;
	if (skb_copy_bits(skb, skip, to, skb->len - skip))
		return -EFAULT;
	return skb->len - skip;
}

/* What was sent and not acknowledged, then what was not sent. False: that is not all of it. */
static bool copy_queue(struct sock *sk, u8 *to, u32 room, u32 expected)
{
	u32 start = tcp_sk(sk)->snd_una, size = 0;
	struct sk_buff *skb;
	int part;

	skb_rbtree_walk(skb, &sk->tcp_rtx_queue) {
		part = copy_skb(skb, start, to + size, room - size);
		if (part < 0)
			return false;
		size += part;
	}
	skb_queue_walk(&sk->sk_write_queue, skb) {
		part = copy_skb(skb, start, to + size, room - size);
		if (part < 0)
			return false;
		size += part;
	}
	return size == expected;
}

static u32 flags_of(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 flags = 0;

	if (tp->urg_data || tp->snd_una != tp->snd_up)
		flags |= CRCTL_TCP_URGENT;
	/* TLS, sockets that BPF forwards, SMC, NFS: somebody else has a hand in it */
	if (inet_csk(sk)->icsk_ulp_ops || READ_ONCE(sk->sk_user_data))
		flags |= CRCTL_TCP_TAKEN;
	if (crctl_sock_chosen(sk))
		flags |= CRCTL_TCP_CHOSEN;
	if (crctl_sock_elsewhere(sk))
		flags |= CRCTL_TCP_ELSEWHERE;
	if (crctl_tcp_signed(tp))
		flags |= CRCTL_TCP_SIGNED;
	if (tp->repair)
		flags |= CRCTL_TCP_REPAIR;
	if (sock_flag(sk, SOCK_DONE))
		flags |= CRCTL_TCP_ENDED;
	if ((1 << sk->sk_state) & (TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSING | TCPF_LAST_ACK))
		flags |= CRCTL_TCP_FIN;
	return flags;
}

/* Returns how much of what was not acknowledged is behind @unsent now. */
static u32 look_at(struct sock *sk, struct crctl_tcp *out, u8 *unsent, u32 room)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 size;

	out->state = sk->sk_state;
	out->shutdown = sk->sk_shutdown;
	out->error = sk->sk_err;
	out->flags = flags_of(sk);
	if (!has_queues(sk->sk_state))
		return 0;
	out->rcv_nxt = tp->rcv_nxt;
	out->copied_seq = tp->copied_seq;
	out->rcv_wup = tp->rcv_wup;
	out->rcv_wnd = tp->rcv_wnd;
	out->snd_una = tp->snd_una;
	out->snd_nxt = tp->snd_nxt;
	out->write_seq = tp->write_seq;
	out->snd_wl1 = tp->snd_wl1;
	out->snd_wnd = tp->snd_wnd;
	out->max_window = tp->max_window;
	out->mss_clamp = tp->rx_opt.mss_clamp;
	size = tp->write_seq - tp->snd_una;
	/* the end of the stream counts as a byte */
	if (size && (out->flags & CRCTL_TCP_FIN))
		size--;
	if (copy_queue(sk, unsent, room, size))
		return size;
	out->flags |= CRCTL_TCP_BUSY;
	return 0;
}

/*
 * Like lock_sock(), but who has it open outside of the tree may sit in a call on
 * it for as long as it likes, at a page that does not come: then it is busy.
 */
static u32 look_when_free(struct sock *sk, struct crctl_tcp *out, u8 *unsent, u32 room)
{
	const unsigned long end = jiffies + 5 * HZ;
	bool looked;
	u32 size;

	for (;;) {
		size = 0;
		spin_lock_bh(&sk->sk_lock.slock);
		looked = !sock_owned_by_user_nocheck(sk);
		if (looked)
			size = look_at(sk, out, unsent, room);
		spin_unlock_bh(&sk->sk_lock.slock);
		if (looked)
			return size;
		if (fatal_signal_pending(current) || time_after(jiffies, end)) {
			out->flags = CRCTL_TCP_BUSY;
			return 0;
		}
		schedule_timeout_killable(1);
	}
}

/**
 * crctl_tcp_tell() - tell of a TCP socket
 * @file: one for which crctl_tcp_room() was not 0
 * @fd: its number
 * @told: has room for CRCTL_TCP_RECORDS records, and @room bytes
 * @room: what crctl_tcp_room() said; if more has been sent since, by who else has it, it is busy
 */
void crctl_tcp_tell(struct file *file, u32 fd, struct crctl_told *told, u32 room)
{
	struct sock *sk = (struct sock *)tcp_of(file);
	struct crctl_tcp out = {};
	u32 at = told->extra_size, data = at + round_up(sizeof(out), 2);
	u32 size = look_when_free(sk, &out, told->extra + data, room - (data - at));

	memcpy(told->extra + at, &out, sizeof(out));
	crctl_tell_data(told, fd, CRCTL_DESCRIPTOR_TCP, sizeof(out));
	crctl_tell_data(told, fd, CRCTL_DESCRIPTOR_UNSENT, size);
}

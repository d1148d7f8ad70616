// SPDX-License-Identifier: GPL-2.0
/*
 * The connections of a network namespace whose packets are held back: dropped
 * next to the socket, behind all address translation, so that either end takes
 * the network for slow, and sends again.
 */
#include <linux/jhash.h>
#include <linux/netfilter.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "crctl.h"
#include "net/net.h"

struct held {
	struct hlist_node node;
	struct list_head list;
	struct crctl_connection c;
	const struct crctl_net_session *by;	/* NULL: it was left */
	bool found;		/* it had been left before that */
	time64_t since;
	struct rcu_head rcu;
};

/* Who holds connections chooses their addresses: they are not to choose the bucket. */
struct crctl_held_table {
	u32 seed;
	struct hlist_head buckets[BIT(CRCTL_HELD_BITS)];
};

static struct hlist_head *bucket(struct crctl_held_table *table, const struct crctl_connection *c)
{
	return &table->buckets[jhash(c, sizeof(*c), table->seed) & (BIT(CRCTL_HELD_BITS) - 1)];
}

static struct held *find(struct crctl_held_table *table, const struct crctl_connection *c)
{
	struct held *h;

	hlist_for_each_entry_rcu(h, bucket(table, c), node, true)
		if (!memcmp(&h->c, c, sizeof(*c)))
			return h;
	return NULL;
}

/* ---- packets ---- */

/* False: it is not the beginning of a segment. */
static bool read_packet(const struct sk_buff *skb, const struct nf_hook_state *state,
			struct crctl_connection *c)
{
	bool in = state->hook == NF_INET_LOCAL_IN;
	u8 *from = in ? c->remote : c->local, *to = in ? c->local : c->remote;
	int offset = skb_network_offset(skb);
	__be16 ports[2], *p;

	if (state->pf == NFPROTO_IPV4) {
		const struct iphdr *ip = ip_hdr(skb);

		if (ip->protocol != IPPROTO_TCP || (ip->frag_off & htons(IP_OFFSET)))
			return false;
		c->family = AF_INET;
		memcpy(from, &ip->saddr, sizeof(ip->saddr));
		memcpy(to, &ip->daddr, sizeof(ip->daddr));
		offset += ip->ihl * 4;
	} else {
		const struct ipv6hdr *ip = ipv6_hdr(skb);
		u8 next = ip->nexthdr;
		__be16 fragment;

		offset = ipv6_skip_exthdr(skb, offset + (int)sizeof(*ip), &next, &fragment);
		if (offset < 0 || next != IPPROTO_TCP || (fragment & htons(IP6_OFFSET)))
			return false;
		c->family = AF_INET6;
		memcpy(from, &ip->saddr, sizeof(ip->saddr));
		memcpy(to, &ip->daddr, sizeof(ip->daddr));
	}
	p = skb_header_pointer(skb, offset, sizeof(ports), ports);
	if (!p)
		return false;
	c->local_port = (__force __u16)p[in];
	c->remote_port = (__force __u16)p[!in];
	return true;
}

/* netfilter holds rcu_read_lock(). */
static unsigned int on_packet(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct crctl_held *of = net_generic(state->net, crctl_net_id);
	/* Pairs with start(). */
	struct crctl_held_table *table = smp_load_acquire(&of->table);
	struct crctl_connection c = {};

	if (!table || !read_packet(skb, state, &c))
		return NF_ACCEPT;
	return find(table, &c) ? NF_DROP : NF_ACCEPT;
}

static const struct nf_hook_ops hooks[] = {
	{
		.hook = on_packet,
		.pf = NFPROTO_INET,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = INT_MAX,
	}, {
		.hook = on_packet,
		.pf = NFPROTO_INET,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = INT_MIN,
	},
};

/* ---- the table, with its lock held ---- */

/*
 * Nothing looks at packets before there is something to hold back. From then
 * on it stays: to take a hook away drops what waits in queues to user space.
 */
static int start(struct crctl_held *of)
{
	struct crctl_held_table *table;
	int err;

	if (of->table)
		return 0;
	table = kvzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	get_random_bytes(&table->seed, sizeof(table->seed));
	err = nf_register_net_hooks(of->net, hooks, ARRAY_SIZE(hooks));
	if (err) {
		kvfree(table);
		return err;
	}
	/* Pairs with on_packet(): it finds the table empty. */
	smp_store_release(&of->table, table);
	return 0;
}

static void let_go(struct crctl_held *of, struct held *h)
{
	hlist_del_rcu(&h->node);
	list_del(&h->list);
	of->count--;
	kfree_rcu(h, rcu);
}

static void let_all_go(struct crctl_held *of, struct list_head *list)
{
	struct held *h, *next;

	list_for_each_entry_safe(h, next, list, list) {
		let_go(of, h);
		cond_resched();
	}
}

static int hold(struct crctl_net_session *s, const struct crctl_connection *c, u32 *found)
{
	struct crctl_held *of = s->of;
	struct held *h = find(of->table, c);

	if (h && h->by)
		return h->by == s ? 0 : -EBUSY;
	if (h) {
		h->by = s;
		h->found = true;
		list_move_tail(&h->list, &s->held);
		++*found;
		return 0;
	}
	if (of->count >= CRCTL_MAX_CONNECTIONS)
		return -ENOSPC;
	h = crctl_fault(NET_HOLD) ? NULL : kmalloc(sizeof(*h), GFP_KERNEL_ACCOUNT);
	if (!h)
		return -ENOMEM;
	*h = (struct held){ .c = *c, .by = s, .since = ktime_get_boottime_seconds() };
	list_add_tail(&h->list, &s->held);
	hlist_add_head_rcu(&h->node, bucket(of->table, c));
	of->count++;
	return 0;
}

/**
 * crctl_held_hold() - hold back the packets of connections
 * @s: who holds them
 * @c: which
 * @count: how many
 * @found: how many of them had been left
 *
 * Return: 0 or a negative errno, and then some may be held.
 */
int crctl_held_hold(struct crctl_net_session *s, const struct crctl_connection *c, u32 count,
		    u32 *found)
{
	struct crctl_held *of = s->of;
	int err;
	u32 i;

	mutex_lock(&of->lock);
	err = start(of);
	for (i = 0; !err && i < count; i++) {
		err = hold(s, &c[i], found);
		cond_resched();
	}
	mutex_unlock(&of->lock);
	/* Packets that came through before are with their socket after this. */
	if (!err)
		synchronize_rcu_expedited();
	return err;
}

/**
 * crctl_held_let() - let some connections go on
 * @s: who holds them
 * @c: which
 * @count: how many
 *
 * Return: 0, or -ENOENT if it does not hold one of them.
 */
int crctl_held_let(struct crctl_net_session *s, const struct crctl_connection *c, u32 count)
{
	struct crctl_held *of = s->of;
	int err = 0;
	u32 i;

	mutex_lock(&of->lock);
	for (i = 0; !err && i < count; i++) {
		struct held *h = of->table ? find(of->table, &c[i]) : NULL;

		if (h && h->by == s)
			let_go(of, h);
		else
			err = -ENOENT;
		cond_resched();
	}
	mutex_unlock(&of->lock);
	return err;
}

/**
 * crctl_held_release() - let all connections go on that a session holds
 * @s: the session
 */
void crctl_held_release(struct crctl_net_session *s)
{
	mutex_lock(&s->of->lock);
	let_all_go(s->of, &s->held);
	mutex_unlock(&s->of->lock);
}

/**
 * crctl_held_close() - end a session
 * @s: the session
 * @leave: leave all as they are; else only those that it has found so
 */
void crctl_held_close(struct crctl_net_session *s, bool leave)
{
	struct crctl_held *of = s->of;
	struct held *h, *next;

	mutex_lock(&of->lock);
	list_for_each_entry_safe(h, next, &s->held, list) {
		if (!leave && !h->found)
			continue;
		h->by = NULL;
		list_move_tail(&h->list, &of->left);
	}
	let_all_go(of, &s->held);
	mutex_unlock(&of->lock);
}

/**
 * crctl_held_forget() - let all connections go on that were left
 * @of: of that network namespace
 */
void crctl_held_forget(struct crctl_held *of)
{
	mutex_lock(&of->lock);
	let_all_go(of, &of->left);
	mutex_unlock(&of->lock);
}

static void show(const struct held *h, struct seq_file *m)
{
	const struct crctl_connection *c = &h->c;
	const char *state = h->by ? "open" : "left";
	s64 seconds = ktime_get_boottime_seconds() - h->since;
	unsigned int local = ntohs((__force __be16)c->local_port);
	unsigned int remote = ntohs((__force __be16)c->remote_port);

	if (c->family == AF_INET)
		seq_printf(m, "tcp %pI4:%u %pI4:%u %s %lld\n", c->local, local, c->remote, remote,
			   state, seconds);
	else
		seq_printf(m, "tcp [%pI6]:%u [%pI6]:%u %s %lld\n", c->local, local, c->remote,
			   remote, state, seconds);
}

/**
 * crctl_held_show() - list all connections
 * @of: of that network namespace
 * @m: where to
 */
void crctl_held_show(struct crctl_held *of, struct seq_file *m)
{
	struct held *h;
	unsigned int i;

	mutex_lock(&of->lock);
	for (i = 0; of->table && i < BIT(CRCTL_HELD_BITS) && !seq_has_overflowed(m); i++) {
		hlist_for_each_entry(h, &of->table->buckets[i], node)
			show(h, m);
		cond_resched();
	}
	mutex_unlock(&of->lock);
}

/* ---- life ---- */

void crctl_held_init(struct crctl_held *of, struct net *net)
{
	of->net = net;
	mutex_init(&of->lock);
	INIT_LIST_HEAD(&of->left);
}

/* There are no sessions any more. */
void crctl_held_exit(struct crctl_held *of)
{
	crctl_held_forget(of);
	if (!of->table)
		return;
	nf_unregister_net_hooks(of->net, hooks, ARRAY_SIZE(hooks));
	synchronize_rcu();
	kvfree(of->table);
}

/* SPDX-License-Identifier: GPL-2.0 */
/* Connections whose packets are held back. */
#ifndef CRCTL_NET_NET_H
#define CRCTL_NET_NET_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <net/net_namespace.h>

#include "crctl_net.h"

#define CRCTL_HELD_BITS	12

struct crctl_held_table;

/* Of a network namespace. */
struct crctl_held {
	struct net *net;
	struct mutex lock;		/* of all but readers of the table */
	struct crctl_held_table *table;	/* NULL before there were any */
	struct list_head left;		/* those that no open file holds */
	unsigned int count;
};

/* An open /proc/net/crctl. */
struct crctl_net_session {
	struct crctl_held *of;
	struct list_head held;
	struct pid *leave;		/* see CRCTL_NET_LEAVE, or NULL */
};

struct seq_file;

/* held.c */
void crctl_held_init(struct crctl_held *of, struct net *net);
void crctl_held_exit(struct crctl_held *of);
int crctl_held_hold(struct crctl_net_session *s, const struct crctl_connection *c, u32 count,
		    u32 *found);
int crctl_held_let(struct crctl_net_session *s, const struct crctl_connection *c, u32 count);
void crctl_held_release(struct crctl_net_session *s);
void crctl_held_close(struct crctl_net_session *s, bool leave);
void crctl_held_forget(struct crctl_held *of);
void crctl_held_show(struct crctl_held *of, struct seq_file *m);

/* session.c */
extern unsigned int crctl_net_id;

#endif /* CRCTL_NET_NET_H */

/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /proc/net/crctl: TCP connections of a network namespace whose packets are held back,
 * so that the other end waits while this one is in an image. Opening takes CAP_NET_ADMIN
 * (EPERM). What was held back through an open file goes on when that is closed,
 * except as said below. Reading lists all of the network namespace, a line each:
 * "tcp LOCAL REMOTE open|left SECONDS". Writing "forget" lets all go on that were left.
 */
#ifndef CRCTL_NET_H
#define CRCTL_NET_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct crctl_connection {
	__u8 local[16];		/* in network order; of IPv4 the first four, then 0 */
	__u8 remote[16];
	__u16 local_port;	/* in network order */
	__u16 remote_port;
	__u16 family;		/* AF_INET, and AF_INET6 for packets of IPv6 only */
	__u16 pad;		/* 0 */
};

#define CRCTL_MAX_CONNECTIONS	65536

struct crctl_connections {
	__u64 connections;	/* in: address of an array of struct crctl_connection */
	__u32 count;		/* in: its length, up to CRCTL_MAX_CONNECTIONS */
	__u32 found;		/* in: 0. out, of HOLD: how many had been left */
};

/*
 * When it returns no packet comes through any more, in either direction. EBUSY: another
 * open file holds one of them; ENOSPC: there are too many; ENOMEM, EFAULT, EINVAL.
 */
#define CRCTL_NET_HOLD		_IOWR('C', 32, struct crctl_connections)

/* Some go on after all. ENOENT: one is not held through this file. */
#define CRCTL_NET_LET		_IOW('C', 33, struct crctl_connections)

/*
 * When the file is closed, those that it holds are left as they are if process @arg has
 * ended or has been killed by then. ESRCH: there is no such process.
 */
#define CRCTL_NET_LEAVE		_IO('C', 34)

/* All that are held through this file go on. */
#define CRCTL_NET_RELEASE	_IO('C', 35)

/*
 * The socket @arg, which is under TCP_REPAIR, has received the end of the stream behind
 * what it has received. EBADF, ENOTSOCK; EINVAL: it is no such socket, or has done so.
 */
#define CRCTL_NET_END		_IO('C', 36)

#endif /* CRCTL_NET_H */

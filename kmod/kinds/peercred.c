// SPDX-License-Identifier: GPL-2.0
/*
 * SO_PEERCRED of sockets of AF_UNIX: who the other end was when the two were
 * connected, by which programs decide whom they serve. User space reads it;
 * it comes from whoever connects, which in a restore is the restorer.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/sched/signal.h>

#include "compat/socket.h"
#include "restore/restore.h"

/* ---- restore ---- */

static struct sock *unix_sock_of(struct file *file)
{
	struct socket *socket = crctl_sock_from_file(file);

	return socket && socket->sk && socket->sk->sk_family == AF_UNIX ? socket->sk : NULL;
}

/* As much of credentials as SO_PEERCRED and SO_PEERGROUPS tell. */
static struct cred *make_cred(struct crctl_restore *r, const struct crctl_peercred *want)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t uid = make_kuid(ns, want->uid);
	kgid_t gid = make_kgid(ns, want->gid);
	struct group_info *groups;
	struct cred *cred;
	u32 i, id;

	groups = groups_alloc(want->nr_groups);
	cred = groups ? prepare_creds() : NULL;
	if (!cred) {
		if (groups)
			put_group_info(groups);
		return NULL;
	}
	for (i = 0; i < want->nr_groups; i++) {
		memcpy(&id, r->img.peercred.extra + want->groups_off + 4 * i, 4);
		groups->gid[i] = make_kgid(ns, id);
	}
	groups_sort(groups);
	set_groups(cred, groups);
	put_group_info(groups);
	cred->uid = uid;
	cred->euid = uid;
	cred->suid = uid;
	cred->fsuid = uid;
	cred->gid = gid;
	cred->egid = gid;
	cred->sgid = gid;
	cred->fsgid = gid;
	cred->cap_effective = CAP_EMPTY_SET;
	cred->cap_permitted = CAP_EMPTY_SET;
	cred->cap_inheritable = CAP_EMPTY_SET;
	cred->cap_ambient = CAP_EMPTY_SET;
	return cred;
}

static void set_peer(struct sock *sk, const struct cred *cred, struct pid *pid)
{
	const struct cred *old_cred;
	struct pid *old_pid;

	spin_lock(&sk->sk_peer_lock);
	old_pid = sk->sk_peer_pid;
	sk->sk_peer_pid = pid;
	old_cred = sk->sk_peer_cred;
	if (cred)
		sk->sk_peer_cred = cred;
	spin_unlock(&sk->sk_peer_lock);
	put_pid(old_pid);
	if (cred)
		put_cred(old_cred);
}

static int restore_peer(struct crctl_restore *r, const struct crctl_peercred *want)
{
	struct file *f = fget(want->fd);
	struct sock *sk = f ? unix_sock_of(f) : NULL;
	struct cred *cred = NULL;
	int ret = -ENOTSOCK;

	if (sk)
		ret = crctl_fault(RESTORE_PEERS);
	if (!ret) {
		cred = make_cred(r, want);
		ret = cred ? 0 : -ENOMEM;
	}
	if (cred)
		set_peer(sk, cred, NULL);
	if (f)
		fput(f);
	return ret;
}

/* Everything that may fail. */
int crctl_peercred_restore(struct crctl_restore *r)
{
	struct crctl_peercred want;
	int ret;
	u32 i;

	for (i = 0; r->names_peers && i < r->img.peercred.count; i++) {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		crctl_rec(&r->img.peercred, i, &want, sizeof(want));
		ret = restore_peer(r, &want);
		if (ret)
			return crctl_restore_fail(r, ret, "sockets", want.fd,
						  "cannot set the peer of descriptor %u", want.fd);
	}
	return 0;
}

/* The gate is open: everybody who comes back is there. */
void crctl_peerpid_restore(struct crctl_restore *r)
{
	struct crctl_peercred want;
	struct sock *sk;
	struct file *f;
	u32 i;

	for (i = 0; r->names_peers && i < r->img.peercred.count; i++) {
		cond_resched();
		crctl_rec(&r->img.peercred, i, &want, sizeof(want));
		f = want.pid ? fget(want.fd) : NULL;
		if (!f)
			continue;
		sk = unix_sock_of(f);
		if (sk)
			set_peer(sk, NULL, find_get_pid(want.pid));
		fput(f);
	}
}

/**
 * crctl_may_name_peers() - may the caller say who was at the other end of a socket?
 *
 * Whoever gets the socket from it believes that, and so does who connects to
 * one that listens. So it takes what saying so in a message takes, of all
 * three that unix(7) names for SCM_CREDENTIALS, whoever is named.
 */
bool crctl_may_name_peers(void)
{
	return capable(CAP_SYS_ADMIN) && capable(CAP_SETUID) && capable(CAP_SETGID);
}

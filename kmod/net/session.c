// SPDX-License-Identifier: GPL-2.0
/* /proc/net/crctl: see crctl_net.h. */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/tcp.h>

#include "compat/proc.h"
#include "crctl.h"
#include "net/net.h"

static const char forget[] = "forget";

static struct crctl_net_session *session_of(struct file *file)
{
	return ((struct seq_file *)file->private_data)->private;
}

static int session_show(struct seq_file *m, void *unused)
{
	const struct crctl_net_session *s = m->private;

	crctl_held_show(s->of, m);
	return 0;
}

/*
 * An open file holds its network namespace, and the module: what it holds back
 * is to last as long as it is open.
 */
static int session_open(struct inode *inode, struct file *file)
{
	struct net *net = crctl_proc_data(inode);
	struct crctl_net_session *s;
	int err = -ENOMEM;

	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (!maybe_get_net(net))
		return -ENXIO;
	if (!try_module_get(THIS_MODULE)) {
		put_net(net);
		return -ENXIO;
	}
	s = crctl_fault(NET_OPEN) ? NULL : kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (s) {
		s->of = net_generic(net, crctl_net_id);
		INIT_LIST_HEAD(&s->held);
		err = single_open(file, session_show, s);
	}
	if (err) {
		kfree(s);
		put_net(net);
		module_put(THIS_MODULE);
	}
	return err;
}

/* Whether it has ended, or will before it does anything else. */
static bool has_ended(struct pid *pid)
{
	const struct task_struct *t;
	bool ended;

	rcu_read_lock();
	t = pid_task(pid, PIDTYPE_TGID);
	ended = !t || (READ_ONCE(t->signal->flags) & SIGNAL_GROUP_EXIT) ||
		!atomic_read(&t->signal->live);
	rcu_read_unlock();
	return ended;
}

static int session_release(struct inode *inode, struct file *file)
{
	struct crctl_net_session *s = session_of(file);
	struct net *net = s->of->net;

	crctl_held_close(s, s->leave && has_ended(s->leave));
	put_pid(s->leave);
	kfree(s);
	single_release(inode, file);
	put_net(net);
	crctl_put();
	return 0;
}

static ssize_t session_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	char text[sizeof(forget) + 1] = {};

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	if (strcmp(strim(text), forget))
		return -EINVAL;
	crctl_held_forget(session_of(file)->of);
	return (ssize_t)count;
}

static struct crctl_connection *read_connections(const struct crctl_connections *list)
{
	struct crctl_connection *all;
	u32 i;

	if (!list->count || list->count > CRCTL_MAX_CONNECTIONS || list->found)
		return ERR_PTR(-EINVAL);
	all = kvmalloc_array(list->count, sizeof(*all), GFP_KERNEL_ACCOUNT);
	if (!all)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(all, u64_to_user_ptr(list->connections), list->count * sizeof(*all))) {
		kvfree(all);
		return ERR_PTR(-EFAULT);
	}
	for (i = 0; i < list->count; i++) {
		const struct crctl_connection *c = &all[i];
		bool v4 = c->family == AF_INET;

		if (!c->pad && (v4 || c->family == AF_INET6) &&
		    (!v4 || (!memchr_inv(c->local + 4, 0, 12) &&
			     !memchr_inv(c->remote + 4, 0, 12))))
			continue;
		kvfree(all);
		return ERR_PTR(-EINVAL);
	}
	return all;
}

static long with_connections(struct crctl_net_session *s, struct crctl_connections __user *to,
			     bool hold)
{
	struct crctl_connections list;
	struct crctl_connection *all;
	int err;

	if (copy_from_user(&list, to, sizeof(list)))
		return -EFAULT;
	all = read_connections(&list);
	if (IS_ERR(all))
		return PTR_ERR(all);
	err = hold ? crctl_held_hold(s, all, list.count, &list.found) :
		     crctl_held_let(s, all, list.count);
	kvfree(all);
	if (!err && hold && put_user(list.found, &to->found))
		err = -EFAULT;
	return err;
}

static bool is_process(struct pid *pid)
{
	bool found;

	rcu_read_lock();
	found = pid_task(pid, PIDTYPE_TGID);
	rcu_read_unlock();
	return found;
}

static long leave(struct crctl_net_session *s, unsigned long arg)
{
	struct pid *pid = arg > INT_MAX ? NULL : find_get_pid((int)arg);

	/* the id of another thread would look like that of a process that has ended */
	if (!pid || !is_process(pid)) {
		put_pid(pid);
		return -ESRCH;
	}
	mutex_lock(&s->of->lock);
	swap(s->leave, pid);
	mutex_unlock(&s->of->lock);
	put_pid(pid);
	return 0;
}

/*
 * What tcp_fin() does, for a socket that is put together: the segment itself
 * came long ago. The end of a stream has a sequence number: it is that of the
 * last segment, or has been read, as who reads the last byte reads it too.
 */
static int end_of_stream(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct sk_buff *last = skb_peek_tail(&sk->sk_receive_queue);

	if (!tp->repair || sk->sk_state != TCP_ESTABLISHED || (sk->sk_shutdown & RCV_SHUTDOWN) ||
	    !RB_EMPTY_ROOT(&tp->out_of_order_queue))
		return -EINVAL;
	if (last) {
		TCP_SKB_CB(last)->tcp_flags |= TCPHDR_FIN;
		TCP_SKB_CB(last)->end_seq++;
	} else {
		WRITE_ONCE(tp->copied_seq, tp->copied_seq + 1);
	}
	WRITE_ONCE(tp->rcv_nxt, tp->rcv_nxt + 1);
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | RCV_SHUTDOWN);
	sock_set_flag(sk, SOCK_DONE);
	/* tcp_set_state() does more for other states only; newer kernels do not export it */
	inet_sk_set_state(sk, TCP_CLOSE_WAIT);
	return 0;
}

static long end(const struct crctl_net_session *s, unsigned long arg)
{
	struct socket *sock;
	struct sock *sk;
	int err = -EBADF;

	sock = arg > INT_MAX ? NULL : sockfd_lookup((int)arg, &err);
	if (!sock)
		return err;
	sk = sock->sk;
	err = -EINVAL;
	if (sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP &&
	    (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
	    net_eq(sock_net(sk), s->of->net)) {
		lock_sock(sk);
		err = end_of_stream(sk);
		release_sock(sk);
	}
	sockfd_put(sock);
	return err;
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct crctl_net_session *s = session_of(file);

	switch (cmd) {
	case CRCTL_NET_HOLD:
	case CRCTL_NET_LET:
		return with_connections(s, (void __user *)arg, cmd == CRCTL_NET_HOLD);
	case CRCTL_NET_LEAVE:
		return leave(s, arg);
	case CRCTL_NET_RELEASE:
		crctl_held_release(s);
		return 0;
	case CRCTL_NET_END:
		return end(s, arg);
	default:
		return -ENOTTY;
	}
}

static const struct proc_ops session_ops = {
	.proc_open = session_open,
	.proc_read = seq_read,
	.proc_write = session_write,
	.proc_lseek = seq_lseek,
	.proc_ioctl = session_ioctl,
	.proc_release = session_release,
};

/* ---- network namespaces ---- */

unsigned int crctl_net_id;

/* Who may open it is decided there: rights are those over the network namespace. */
static int on_net(struct net *net)
{
	crctl_held_init(net_generic(net, crctl_net_id), net);
	return proc_create_data("crctl", 0666, net->proc_net, &session_ops, net) ? 0 : -ENOMEM;
}

static void on_net_exit(struct net *net)
{
	remove_proc_entry("crctl", net->proc_net);
	crctl_held_exit(net_generic(net, crctl_net_id));
}

static struct pernet_operations nets = {
	.init = on_net,
	.exit = on_net_exit,
	.id = &crctl_net_id,
	.size = sizeof(struct crctl_held),
};

int crctl_net_init(void)
{
	return register_pernet_subsys(&nets);
}

void crctl_net_exit(void)
{
	unregister_pernet_subsys(&nets);
}

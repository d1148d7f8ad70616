// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc/<pid>/fdinfo does not tell of a task's descriptors. User space
 * saves and restores these, and gets the rest from here.
 */
#include <linux/fdtable.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "compat/eventfd.h"
#include "crctl.h"

struct found {
	u32 fd;
	u32 room;		/* bytes of extra area, of a TCP socket */
	u32 what;		/* of one that is told by a value, else 0 */
	u64 value;
	struct file *file;	/* terminal, TCP socket or message queue, else NULL */
	bool mqueue;
};

/* More would not fit into the notes of an image anyway. */
#define MOST	(CRCTL_MAX_NOTES_SIZE / (u32)sizeof(struct crctl_descriptor))

struct table {
	struct found *found;
	u32 size, count;
	struct xarray queues;		/* message queues that have been told, by inode */
};

/* Of what is told by one value that, or 0 if there is nothing to be told. */
static u64 value_of(struct file *file, u32 *what)
{
	u64 value = crctl_udp_look(file);

	*what = CRCTL_DESCRIPTOR_UDP;
	if (!value) {
		*what = CRCTL_DESCRIPTOR_NETLINK;
		value = crctl_netlink_look(file);
	}
	if (!value) {
		*what = CRCTL_DESCRIPTOR_SEMAPHORE;
		value = crctl_eventfd_semaphore(file);
	}
	return value;
}

/* For iterate_fd(), which holds a spinlock. */
static int look(const void *private, struct file *file, unsigned int fd)
{
	struct table *t = (struct table *)private;
	bool mqueue = crctl_is_mqueue(file);
	bool terminal = crctl_is_pty_master(file);
	u32 room = terminal || mqueue ? 0 : crctl_tcp_room(file);
	bool held = terminal || mqueue || room;
	u32 what = 0;
	u64 value = held ? 0 : value_of(file, &what);

	crctl_unread_show(file);
	if (!held && !value)
		return 0;
	if (t->count < t->size)
		t->found[t->count] = (struct found){
			.fd = fd, .room = room, .what = what, .value = value,
			.file = held ? get_file(file) : NULL, .mqueue = mqueue,
		};
	t->count++;
	return 0;
}

static void forget(struct table *t)
{
	u32 i;

	for (i = 0; i < min(t->count, t->size); i++)
		if (t->found[i].file)
			fput(t->found[i].file);
	kvfree(t->found);
	t->found = NULL;
}

static int find(struct crctl_group *g, struct table *t)
{
	struct task_struct *first = crctl_first(g);

	for (;;) {
		t->count = 0;
		task_lock(first);
		if (first->files)
			iterate_fd(first->files, 0, look, t);
		task_unlock(first);
		if (t->count <= t->size)
			return 0;
		/* Who shares the table may add to it meanwhile. */
		forget(t);
		t->size = t->count;
		t->count = 0;
		if (t->size > MOST)
			return -EFBIG;
		t->found = crctl_fault(DUMP_DESCRIPTORS) ? NULL :
			   kvcalloc(t->size, sizeof(*t->found), GFP_KERNEL_ACCOUNT);
		if (!t->found)
			return -ENOMEM;
	}
}

/*
 * Room for @need bytes more. Of how many descriptors there are the task
 * decides, and most hold little: so it grows with what was found.
 */
static int make_room(struct crctl_told *told, u32 need)
{
	u64 wanted = (u64)told->extra_size + need, room;
	u8 *extra;

	if (told->extra_room - told->extra_size >= need)
		return 0;
	if (wanted > CRCTL_MAX_NOTES_SIZE)
		return -EFBIG;
	room = clamp_t(u64, 2 * (u64)told->extra_room, wanted, CRCTL_MAX_NOTES_SIZE);
	extra = crctl_fault(DUMP_EXTRA) ? NULL : kvmalloc(room, GFP_KERNEL_ACCOUNT);
	if (!extra)
		return -ENOMEM;
	if (told->extra_size)
		memcpy(extra, told->extra, told->extra_size);
	kvfree(told->extra);
	told->extra = extra;
	told->extra_room = room;
	return 0;
}

/*
 * What is in a queue is told once, however many descriptors lead there. Return: 0 the first
 * time, then -EBUSY, or -ENOMEM.
 */
static int remember_queue(struct table *t, const struct found *f)
{
	struct inode *inode = file_inode(f->file);

	return xa_insert(&t->queues, (unsigned long)inode, inode, GFP_KERNEL_ACCOUNT);
}

static int tell(struct table *t, const struct found *f, struct crctl_told *told)
{
	u32 room = f->room ?: CRCTL_TERMINAL_EXTRA;
	int ret;

	if (!f->file) {
		told->recs[told->count++] = (struct crctl_descriptor){
			.fd = f->fd, .what = f->what, .value = f->value,
		};
		return 0;
	}
	/* each may keep us waiting */
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	if (f->mqueue) {
		ret = remember_queue(t, f);
		if (ret)
			return ret == -EBUSY ? 0 : ret;
		room = crctl_mqueue_room(f->file);
	}
	ret = make_room(told, room);
	if (ret)
		return ret;
	if (f->mqueue)
		crctl_mqueue_tell(f->file, f->fd, told, room);
	else if (f->room)
		crctl_tcp_tell(f->file, f->fd, told, f->room);
	else
		crctl_terminal_tell(f->file, f->fd, told);
	return 0;
}

static u32 records_of(const struct found *f)
{
	if (f->room)
		return CRCTL_TCP_RECORDS;
	return f->file && !f->mqueue ? CRCTL_TERMINAL_RECORDS : 1;
}

static int tell_all(struct table *t, struct crctl_notes *n)
{
	struct crctl_told told = {};
	size_t records = 0;
	int ret = 0;
	u32 i;

	for (i = 0; i < t->count; i++)
		records += records_of(&t->found[i]);
	told.recs = crctl_fault(DUMP_DESCRIPTORS) ? NULL :
		    kvcalloc(records, sizeof(*told.recs), GFP_KERNEL_ACCOUNT);
	if (!told.recs)
		return -ENOMEM;
	for (i = 0; !ret && i < t->count; i++)
		ret = tell(t, &t->found[i], &told);
	if (!ret)
		ret = crctl_note_records(n, CRCTL_NT_DESCRIPTOR, told.recs, sizeof(*told.recs),
					 told.count, told.extra, told.extra_size);
	kvfree(told.recs);
	kvfree(told.extra);
	return ret;
}

/* ---- dump ---- */

int crctl_descriptors_dump(struct crctl_group *g, struct crctl_notes *n)
{
	struct table t = {};
	int ret = find(g, &t);

	xa_init(&t.queues);
	if (!ret && t.count)
		ret = tell_all(&t, n);
	xa_destroy(&t.queues);
	forget(&t);
	return ret;
}

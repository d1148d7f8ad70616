// SPDX-License-Identifier: GPL-2.0
/*
 * What a pseudo-terminal holds: input that the slave's line discipline has
 * processed and nobody has read, and output that nobody has read at the
 * master. Reading it would take it away, so it is looked at where it lies.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/major.h>
#include <linux/sched/signal.h>
#include <linux/stat.h>

#include "compat/tty.h"
#include "crctl.h"

/* The kernel's own limit for it is lower. */
#define MAX_ON_ITS_WAY	65536u

/* Whatever is opened as that device number is a master: nothing else can be registered for it. */
bool crctl_is_pty_master(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return !(file->f_mode & FMODE_PATH) && S_ISCHR(inode->i_mode) &&
	       inode->i_rdev == MKDEV(TTYAUX_MAJOR, 2) && file->private_data;
}

static void tell(struct crctl_told *told, u32 fd, u32 what, u64 value)
{
	told->recs[told->count++] = (struct crctl_descriptor){
		.fd = fd, .what = what, .value = value,
	};
}

static void put(struct crctl_told *told, u32 *size, const void *data, u32 count)
{
	memcpy(told->extra + told->extra_size + *size, data, count);
	*size += count;
}

/* The structure is another's: does it say what the terminal says, and may it be used? */
static bool is_sound(const struct crctl_n_tty *d, const struct tty_struct *tty)
{
	return d->icanon == !!L_ICANON(tty) && d->read_head - d->read_tail <= CRCTL_N_TTY_SIZE;
}

/* The unread part of a discipline's ring. Returns false if that cannot be what it is taken for. */
static bool put_unread(struct crctl_told *told, u32 *size, const struct tty_struct *tty)
{
	const struct crctl_n_tty *d = tty->disc_data;
	size_t unread = d->read_head - d->read_tail, start = d->read_tail % CRCTL_N_TTY_SIZE;
	size_t first = min_t(size_t, unread, CRCTL_N_TTY_SIZE - start);

	if (!is_sound(d, tty))
		return false;
	put(told, size, d->read_buf + start, first);
	put(told, size, d->read_buf, unread - first);
	return true;
}

/* Where lines end: offsets from the first unread byte. */
static void put_ends(struct crctl_told *told, u32 *size, const struct crctl_n_tty *d)
{
	size_t at;
	u16 i = 0;

	for (at = d->read_tail; at != d->read_head; at++, i++)
		if (test_bit(at % CRCTL_N_TTY_SIZE, d->read_flags))
			put(told, size, &i, sizeof(i));
}

/* Bytes of a buffer that the discipline has not fetched. */
static unsigned int unfetched(const struct tty_buffer *b)
{
	/* pairs with the releases in tty_buffer.c: the bytes are there */
	return smp_load_acquire(&b->commit) - b->read;
}

static struct tty_buffer *behind(const struct tty_buffer *b)
{
	/* pairs with the release in tty_buffer.c: it is complete */
	return smp_load_acquire(&b->next);
}

/* What the discipline of @tty has not fetched yet. Returns false if that is not all. */
static bool put_on_its_way(struct crctl_told *told, u32 *size, const struct tty_struct *tty)
{
	const struct tty_buffer *b;
	u32 end = *size + MAX_ON_ITS_WAY;

	for (b = tty->port->buf.head; b; b = behind(b)) {
		unsigned int count = unfetched(b);

		if (count > end - *size)
			return false;
		put(told, size, char_buf_ptr((struct tty_buffer *)b, b->read), count);
	}
	return true;
}

static bool is_on_its_way(const struct tty_struct *tty)
{
	const struct tty_buffer *b;

	for (b = tty->port->buf.head; b; b = behind(b))
		if (unfetched(b))
			return true;
	return false;
}

static u64 tell_input(struct crctl_told *told, u32 fd, const struct tty_struct *slave)
{
	const struct crctl_n_tty *d = slave->disc_data;
	u32 size = 0;

	if (!put_unread(told, &size, slave))
		return CRCTL_TERMINAL_BUSY;
	crctl_tell_data(told, fd, CRCTL_DESCRIPTOR_INPUT, size);
	size = 0;
	put_ends(told, &size, d);
	crctl_tell_data(told, fd, CRCTL_DESCRIPTOR_ENDS, size);
	return d->lnext || d->echo_commit != d->echo_tail || is_on_its_way(slave) ?
	       CRCTL_TERMINAL_BUSY : 0;
}

static u64 tell_output(struct crctl_told *told, u32 fd, const struct tty_struct *master)
{
	u32 size = 0;

	if (!put_unread(told, &size, master) ||
	    !put_on_its_way(told, &size, master))
		return CRCTL_TERMINAL_BUSY;
	crctl_tell_data(told, fd, CRCTL_DESCRIPTOR_OUTPUT, size);
	return 0;
}

/*
 * The tasks of the tree stand still, but others may use the terminal, and the
 * kernel's own work may fill it. That work is kept out by the lock of the
 * buffer, as tty_buffer_lock_exclusive() does it; those who read, and those who
 * throw away what is unread, by that of the settings. In the order in which
 * flush_to_ldisc() and the discipline take them. Never waiting: who has copied
 * to user memory under one of them may be kept there for ever.
 */
static bool try_hold(struct tty_struct *tty)
{
	struct tty_bufhead *buf = &tty->port->buf;

	/* what is on its way comes in first, as far as there is room */
	if (work_busy(&buf->work) || !mutex_trylock(&buf->lock))
		return false;
	atomic_inc(&buf->priority);
	if (down_write_trylock(&tty->termios_rwsem))
		return true;
	tty_buffer_unlock_exclusive(tty->port);
	return false;
}

static bool hold(struct tty_struct *tty)
{
	const unsigned long end = jiffies + 5 * HZ;

	while (!try_hold(tty)) {
		if (fatal_signal_pending(current) || time_after(jiffies, end))
			return false;
		schedule_timeout_killable(1);
	}
	return true;
}

static void let_go(struct tty_struct *tty)
{
	up_write(&tty->termios_rwsem);
	tty_buffer_unlock_exclusive(tty->port);
}

static u64 look_at(struct crctl_told *told, u32 fd, struct tty_struct *tty,
		   u64 (*look)(struct crctl_told *told, u32 fd, const struct tty_struct *tty))
{
	struct tty_ldisc *ld = tty_ldisc_ref(tty);
	u64 flags = CRCTL_TERMINAL_BUSY;

	if (!ld)
		return flags;
	/* the controller refuses another discipline by its name */
	if (ld->ops->num == N_TTY && tty->disc_data && tty->port && hold(tty)) {
		flags = look(told, fd, tty);
		let_go(tty);
	}
	tty_ldisc_deref(ld);
	return flags;
}

/**
 * crctl_terminal_tell() - tell of a pseudo-terminal
 * @file: of a master
 * @fd: its number
 * @told: has room for CRCTL_TERMINAL_RECORDS records and CRCTL_TERMINAL_EXTRA bytes
 */
void crctl_terminal_tell(struct file *file, u32 fd, struct crctl_told *told)
{
	struct tty_struct *master = ((struct tty_file_private *)file->private_data)->tty;
	u64 flags = CRCTL_TERMINAL_BUSY;

	/* input, ends of lines, output */
	BUILD_BUG_ON(CRCTL_TERMINAL_EXTRA < (2 + sizeof(u16)) * CRCTL_N_TTY_SIZE + MAX_ON_ITS_WAY);
	if (master && master->link) {
		flags = look_at(told, fd, master->link, tell_input);
		flags |= look_at(told, fd, master, tell_output);
		if (crctl_tty_stopped(master->link))
			flags |= CRCTL_TERMINAL_STOPPED;
		if (crctl_tty_flow_off(master->link))
			flags |= CRCTL_TERMINAL_FLOW_OFF;
		if (crctl_tty_stopped(master))
			flags |= CRCTL_TERMINAL_BUSY;
	}
	tell(told, fd, CRCTL_DESCRIPTOR_TERMINAL, flags);
}

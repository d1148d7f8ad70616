/* SPDX-License-Identifier: GPL-2.0 */
/* Terminals, and the line discipline that all of them start with. */
#ifndef CRCTL_COMPAT_TTY_H
#define CRCTL_COMPAT_TTY_H

#include <linux/mutex.h>
#include <linux/tty.h>
#include <linux/tty_flip.h>
#include <linux/tty_ldisc.h>
#include <linux/version.h>

/* N_TTY_BUF_SIZE, which newer kernels have in drivers/tty/n_tty.c only. */
#define CRCTL_N_TTY_SIZE	4096u

/*
 * The state of N_TTY, which is private to drivers/tty/n_tty.c; the mutexes at
 * its end are left out. It is the same in 5.10, 6.1, 6.12 and 7.3, but for a
 * field that 6bb6fa6908eb "tty: Implement lookahead to process XON/XOFF
 * timely" (6.0) put in, and for the signs of some.
 */
struct crctl_n_tty {
	size_t read_head;
	size_t commit_head;
	size_t canon_head;
	size_t echo_head;
	size_t echo_commit;
	size_t echo_mark;
	DECLARE_BITMAP(char_map, 256);
	unsigned long overrun_time;
	int num_overrun;
	bool no_room;
	unsigned char lnext:1, erasing:1, raw:1, real_raw:1, icanon:1;
	unsigned char push:1;
	unsigned char read_buf[CRCTL_N_TTY_SIZE];
	DECLARE_BITMAP(read_flags, CRCTL_N_TTY_SIZE);
	unsigned char echo_buf[CRCTL_N_TTY_SIZE];
	size_t read_tail;
	size_t line_start;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
	size_t lookahead_count;
#endif
	unsigned int column;
	unsigned int canon_column;
	size_t echo_tail;
};

/*
 * Output is held back: by the discipline, at a stop character, or by tcflow(3).
 * 6e94dbc7a4e4 "tty: cumulate and document tty_struct::flow* members" (5.14)
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
static inline bool crctl_tty_stopped(const struct tty_struct *tty)
{
	return tty->flow.stopped;
}

static inline bool crctl_tty_flow_off(const struct tty_struct *tty)
{
	return tty->flow.tco_stopped;
}
#else
static inline bool crctl_tty_stopped(const struct tty_struct *tty)
{
	return tty->stopped;
}

static inline bool crctl_tty_flow_off(const struct tty_struct *tty)
{
	return tty->flow_stopped;
}
#endif

#endif /* CRCTL_COMPAT_TTY_H */

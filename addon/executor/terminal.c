// SPDX-License-Identifier: GPL-2.0-only
/* Pseudo-terminals, and the sessions that they control. asm/termbits.h and termios.h collide; this file needs the former. */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "executor.h"

#define MAX_NUMBER	4096	/* kernel.pty.max is that, unless somebody raised it */
#define NUMBER_TRIES	200
#define OUTPUT_WAIT_MS	5000

static int own_slave(const struct plan_op *op, struct error *error)
{
	uid_t uid = (uid_t)op->a;
	gid_t gid = (gid_t)(op->a >> 32);
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/pts/%d", op->arg);
	if (stat(path, &st) < 0)
		return failed(error, errno, "stat of a terminal below /dev/pts");
	if ((st.st_uid != uid || st.st_gid != gid) && chown(path, uid, gid) < 0)
		return failed(error, errno, "chown of a terminal");
	if ((st.st_mode & 07777) != op->b && chmod(path, (mode_t)op->b & 07777) < 0)
		return failed(error, errno, "chmod of a terminal");
	return 0;
}

/* The kernel gives out the lowest number that is free, so those below the wanted one are taken for a moment. Returns the master. */
static int take_number(const char *path, const struct plan_op *op, struct error *error)
{
	static int others[MAX_NUMBER];
	int nr_others = 0, fd;

	for (;;) {
		unsigned int number;

		fd = open(path, (int)op->flags | O_NOCTTY | O_CLOEXEC);
		if (fd < 0) {
			failed(error, errno, "opening the master of a pseudo-terminal");
			break;
		}
		if (ioctl(fd, TIOCGPTN, &number) < 0) {
			failed(error, errno, "TIOCGPTN");
			close(fd);
			fd = -1;
			break;
		}
		if ((int)number == op->arg)
			break;
		others[nr_others++] = fd;
		fd = -1;
		if ((int)number > op->arg || nr_others == MAX_NUMBER) {
			failed(error, EBUSY, "the number of a pseudo-terminal is in use");
			break;
		}
	}
	while (nr_others > 0)
		close(others[--nr_others]);
	return fd;
}

static int make_pair(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int fd = -1, unlock = 0;

	/* another restore may have it for a moment, on its way to a higher one */
	for (int tries = NUMBER_TRIES; tries > 0; tries--) {
		fd = take_number(op_data(ex, op), op, error);
		if (fd >= 0 || error->err != EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (fd < 0)
		return -1;
	if (ioctl(fd, TIOCSPTLCK, &unlock) < 0) {
		failed(error, errno, "TIOCSPTLCK");
	} else if (own_slave(op, error) == 0) {
		return place_slot(ex, fd, op->slot, error);
	}
	close(fd);
	return -1;
}

static int open_slave(struct executor *ex, const struct plan_op *op, struct error *error)
{
	/* This way of opening, unlike open(2), makes O_CLOEXEC one of the description's flags, which all would see. */
	int fd = ioctl(slot_fd(ex, op->arg), TIOCGPTPEER, op->flags | O_NOCTTY);

	if (fd < 0)
		return failed(error, errno, "TIOCGPTPEER");
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return place_slot(ex, fd, op->slot, error);
}

static int type_input(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const char *data = op_data(ex, op);

	for (uint32_t i = 0; i < op->data_len; i++)
		if (ioctl(slot_fd(ex, op->slot), TIOCSTI, data + i) < 0)
			return failed(error, errno, "TIOCSTI");
	return 0;
}

/* What does not fit at once does when the kernel has carried the first of it to the master; if all of it did before. */
static int write_output(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct pollfd slave = { .fd = slot_fd(ex, op->slot), .events = POLLOUT };
	const char *data = op_data(ex, op);
	uint32_t done = 0;

	while (done < op->data_len) {
		ssize_t n = write(slave.fd, data + done, op->data_len - done);

		if (n > 0)
			done += (uint32_t)n;
		else if (n < 0 && errno != EAGAIN)
			return failed(error, errno, "writing to a terminal");
		else if (poll(&slave, 1, OUTPUT_WAIT_MS) == 0)
			return failed(error, EMSGSIZE, "unread output does not fit into a terminal");
	}
	return 0;
}

static int set(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot), on = (int)op->a;
	struct termios2 termios;
	struct { unsigned short sizes[4]; } window;

	switch ((enum plan_pty)op->arg) {
	case PLAN_PTY_TERMIOS:
		if (op->data_len != sizeof(termios))
			break;
		memcpy(&termios, op_data(ex, op), sizeof(termios));
		return ioctl(fd, TCSETS2, &termios) < 0 ? failed(error, errno, "TCSETS2") : 0;
	case PLAN_PTY_WINDOW:
		if (op->data_len != sizeof(window))
			break;
		memcpy(&window, op_data(ex, op), sizeof(window));
		return ioctl(fd, TIOCSWINSZ, &window) < 0 ? failed(error, errno, "TIOCSWINSZ") : 0;
	case PLAN_PTY_PACKET:
		return ioctl(fd, TIOCPKT, &on) < 0 ? failed(error, errno, "TIOCPKT") : 0;
	case PLAN_PTY_LOCK:
		return ioctl(fd, TIOCSPTLCK, &on) < 0 ? failed(error, errno, "TIOCSPTLCK") : 0;
	case PLAN_PTY_EXCLUSIVE:
		return ioctl(fd, TIOCEXCL) < 0 ? failed(error, errno, "TIOCEXCL") : 0;
	case PLAN_PTY_INPUT:
		return type_input(ex, op, error);
	case PLAN_PTY_OUTPUT:
		return write_output(ex, op, error);
	case PLAN_PTY_STOP:
		return ioctl(fd, TCXONC, TCOOFF) < 0 ? failed(error, errno, "TCXONC") : 0;
	}
	return failed(error, EPROTO, "an unknown setting of a terminal");
}

int op_terminal(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);
	pid_t group;

	switch (op->type) {
	case PLAN_OP_PTY:
		return make_pair(ex, op, error);
	case PLAN_OP_PTY_SLAVE:
		return open_slave(ex, op, error);
	case PLAN_OP_TTY_CONTROL:
		return ioctl(fd, TIOCSCTTY, 0) < 0 ? failed(error, errno, "TIOCSCTTY") : 0;
	case PLAN_OP_TTY_FOREGROUND:
		/* SIGTTOU is blocked, so that the call works from whatever group */
		group = actual_pid(ex, op->arg);
		return ioctl(fd, TIOCSPGRP, &group) < 0 ? failed(error, errno, "TIOCSPGRP") : 0;
	case PLAN_OP_TTY_LEAVE:
		return ioctl(fd, TIOCNOTTY) < 0 ? failed(error, errno, "TIOCNOTTY") : 0;
	default:
		return set(ex, op, error);
	}
}

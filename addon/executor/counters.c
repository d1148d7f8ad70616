// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors that count: eventfd, timerfd, signalfd. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "executor.h"

/* linux/timerfd.h, which collides with the C library's header */
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS	_IOW('T', 0, uint64_t)
#endif

static int make(struct executor *ex, int fd, const char *what, int slot, struct error *error)
{
	if (fd < 0)
		return failed(error, errno, what);
	return place_slot(ex, fd, slot, error);
}

/* The kernel's mask has 64 bits, and the C library's call would leave out the two signals that it keeps for itself. */
static int make_signalfd(uint64_t mask)
{
	return (int)syscall(SYS_signalfd4, -1, &mask, sizeof(mask), O_CLOEXEC);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
}

static int set_timer(int fd, const struct plan_op *op, struct error *error)
{
	const struct itimerspec value = { .it_value = timespec_of(op->a), .it_interval = timespec_of(op->b) };

	if (timerfd_settime(fd, (int)op->flags, &value, NULL) < 0)
		return failed(error, errno, "timerfd_settime");
	return 0;
}

int op_counter(struct executor *ex, const struct plan_op *op, struct error *error)
{
	uint64_t ticks = op->a;

	switch (op->type) {
	case PLAN_OP_EVENTFD:
		return make(ex, eventfd(0, EFD_CLOEXEC | (int)op->flags), "eventfd", op->slot, error);
	case PLAN_OP_SIGNALFD:
		return make(ex, make_signalfd(op->a), "signalfd4", op->slot, error);
	case PLAN_OP_TIMERFD:
		return make(ex, timerfd_create(op->arg, TFD_CLOEXEC), "timerfd_create", op->slot, error);
	case PLAN_OP_TIMERFD_SET:
		return set_timer(slot_fd(ex, op->slot), op, error);
	default:
		if (ioctl(slot_fd(ex, op->slot), TFD_IOC_SET_TICKS, &ticks) < 0)
			return failed(error, errno, "TFD_IOC_SET_TICKS");
		return 0;
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* Epoll instances and what they watch. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "executor.h"

/* What tells how a target is watched, not what for. */
#define HOW	(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define ANYTHING (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)

/* A one-shot target that has been told: nothing is told of it, not even errors, which EPOLL_CTL_ADD always asks for. */
static int add_spent(int epoll, int target, struct epoll_event event, struct error *error)
{
	const struct epoll_event quiet = event;
	struct epoll_event told;

	event.events |= ANYTHING;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, target, &event) < 0)
		return failed(error, errno, "EPOLL_CTL_ADD");
	/* As a rule it is ready for something, which is told now, and that is its shot. */
	if (epoll_wait(epoll, &told, 1, 0) == 1 && told.data.u64 == quiet.data.u64)
		return 0;
	event = quiet;
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, target, &event) < 0)
		return failed(error, errno, "EPOLL_CTL_MOD");
	return 0;
}

static int add(int epoll, int target, const struct plan_op *op, struct error *error)
{
	struct epoll_event event = { .events = op->flags, .data.u64 = op->b };

	if ((op->flags & EPOLLONESHOT) && !(op->flags & ~HOW))
		return add_spent(epoll, target, event, error);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, target, &event) < 0)
		return failed(error, errno, "EPOLL_CTL_ADD");
	return 0;
}

/* The number is that which the target has at this moment. */
static int add_as(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct borrowed borrowed;
	int epoll, result = -1;

	if (op->a > PLAN_MAX_NUMBER)
		return failed(error, EBADF, "the number of an epoll target");
	epoll = fcntl(slot_fd(ex, op->slot), F_DUPFD_CLOEXEC, (int)op->a + 1);
	if (epoll < 0)
		return failed(error, errno, "F_DUPFD_CLOEXEC");
	if (borrow_number(&borrowed, slot_fd(ex, op->arg), op->a, error) == 0) {
		result = add(epoll, borrowed.number, op, error);
		give_number_back(&borrowed);
	}
	close(epoll);
	return result;
}

/* Each target that is watched for changes is new once; one that is ready all the time would be told for ever. */
static int drain(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct epoll_event told[64];

	for (int left = op->arg; left > 0; left -= (int)(sizeof(told) / sizeof(told[0]))) {
		int n = epoll_wait(slot_fd(ex, op->slot), told, sizeof(told) / sizeof(told[0]), 0);

		if (n < 0)
			return failed(error, errno, "epoll_wait");
		if (n == 0)
			break;
	}
	return 0;
}

int op_epoll(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd;

	switch (op->type) {
	case PLAN_OP_EPOLL_ADD:
		return add_as(ex, op, error);
	case PLAN_OP_EPOLL_DRAIN:
		return drain(ex, op, error);
	default:
		fd = epoll_create1(EPOLL_CLOEXEC);
		if (fd < 0)
			return failed(error, errno, "epoll_create1");
		return place_slot(ex, fd, op->slot, error);
	}
}

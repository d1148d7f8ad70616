// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors under the number that a task has them by, where the kernel remembers the number: whatever has it steps aside for a moment. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "executor.h"

int borrow_number(struct borrowed *borrowed, int fd, uint64_t number, struct error *error)
{
	if (number > PLAN_MAX_NUMBER)
		return failed(error, EBADF, "a descriptor's number");
	borrowed->number = (int)number;
	borrowed->aside = -1;
	borrowed->flags = fcntl(borrowed->number, F_GETFD);
	if (borrowed->flags >= 0) {
		borrowed->aside = fcntl(borrowed->number, F_DUPFD_CLOEXEC, borrowed->number + 1);
		if (borrowed->aside < 0)
			return failed(error, errno, "F_DUPFD_CLOEXEC");
	}
	if (borrowed->number != fd && dup2(fd, borrowed->number) < 0) {
		failed(error, errno, "dup2");
		give_number_back(borrowed);
		return -1;
	}
	return 0;
}

void give_number_back(const struct borrowed *borrowed)
{
	if (borrowed->aside < 0) {
		close(borrowed->number);
		return;
	}
	dup3(borrowed->aside, borrowed->number, borrowed->flags & FD_CLOEXEC ? O_CLOEXEC : 0);
	close(borrowed->aside);
}

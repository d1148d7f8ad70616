// SPDX-License-Identifier: GPL-2.0-only
/* The clocks of the tree: a time namespace for our children, time_namespaces(7). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "executor.h"
#include "sys.h"

#define NS_PER_S	1000000000ll

/* Nanoseconds of an offset are never negative: -0.5 s are -1 s and 500000000 ns. */
static int64_t seconds(int64_t ns)
{
	return ns / NS_PER_S - (ns % NS_PER_S < 0);
}

static int64_t rest(int64_t ns)
{
	return ns - seconds(ns) * NS_PER_S;
}

/* We ourselves stay where we are. */
int op_clocks(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const int64_t monotonic = (int64_t)op->a, boottime = (int64_t)op->b;
	char text[128];
	int fd, len;

	if (sys_unshare(CLONE_NEWTIME) < 0)
		return failed(error, errno, "making a time namespace");
	fd = openat(ex->proc_fd, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(error, errno, "opening /proc/self/timens_offsets");
	len = snprintf(text, sizeof(text), "monotonic %lld %lld\nboottime %lld %lld\n",
		       (long long)seconds(monotonic), (long long)rest(monotonic),
		       (long long)seconds(boottime), (long long)rest(boottime));
	/* at once: the kernel takes a write for all that there is */
	if (write(fd, text, (size_t)len) != len) {
		failed(error, errno, "writing /proc/self/timens_offsets");
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What a time namespace adds to the clocks of the machine
 * (time_namespaces(7)). The kernel's own times, such as those of timers, are
 * the machine's.
 */
#include <linux/nsproxy.h>
#include <linux/time64.h>
#include <linux/time_namespace.h>

#include "crctl.h"

/**
 * crctl_clock_offsets() - what is added to the clocks of a task
 * @ns: the task's namespaces, held or its own; NULL: it has exited
 * @out: filled in
 */
void crctl_clock_offsets(const struct nsproxy *ns, struct crctl_clock_offsets *out)
{
	const struct timens_offsets *offsets;

	memset(out, 0, sizeof(*out));
	if (!IS_ENABLED(CONFIG_TIME_NS) || !ns)
		return;
	offsets = &ns->time_ns->offsets;
	out->monotonic_ns = timespec64_to_ns(&offsets->monotonic);
	out->boottime_ns = timespec64_to_ns(&offsets->boottime);
}

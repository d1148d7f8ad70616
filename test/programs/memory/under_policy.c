// SPDX-License-Identifier: GPL-2.0-only
/* under_policy COMMAND [ARG...]: as `numactl --interleave=0`, which is not everywhere. */
#include <err.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long nodes = 1;

	if (argc < 2)
		errx(2, "usage: under_policy COMMAND [ARG...]");
	if (syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &nodes, 65))
		err(2, "set_mempolicy");
	execvp(argv[1], argv + 1);
	err(2, "%s", argv[1]);
}

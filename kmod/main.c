// SPDX-License-Identifier: GPL-2.0
/*
 * crctl: checkpoint and restore of processes. This file loads and unloads.
 */
#include "crctl.h"

static int __init crctl_init(void)
{
	int err;

	err = crctl_symbols_init();
	if (err)
		return err;
	return 0;
}

static void __exit crctl_exit(void)
{
}

module_init(crctl_init);
module_exit(crctl_exit);

MODULE_DESCRIPTION("Checkpoint and restore of processes through /proc/<pid>/dump and execve");
MODULE_LICENSE("GPL");
MODULE_VERSION(CRCTL_VERSION);

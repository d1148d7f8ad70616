// SPDX-License-Identifier: GPL-2.0
/*
 * crctl: checkpoint and restore of processes. This file loads and unloads.
 *
 * Inodes of ours in /proc may outlive the last open file (an O_PATH descriptor
 * holds an inode, not a module), so the module is "armed" while there can be
 * any: it then holds a reference to itself. Writing 0 to the parameter "armed"
 * disarms it, if nobody uses it, and then it can be unloaded.
 */
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>

#include "crctl.h"

static DEFINE_MUTEX(armed_lock);
static bool armed = true;	/* before the module has loaded: what it shall be */
static bool loaded;
static bool has_net;

static int armed_set(const char *val, const struct kernel_param *kp)
{
	bool want;
	int err;

	err = kstrtobool(val, &want);
	if (err)
		return err;
	mutex_lock(&armed_lock);
	if (loaded && want != armed) {
		err = want ? crctl_arm() : crctl_disarm();
		if (!err)
			armed = want;
	} else if (!loaded) {
		armed = want;
	}
	mutex_unlock(&armed_lock);
	return err;
}

static const struct kernel_param_ops armed_ops = {
	.set = armed_set,
	.get = param_get_bool,
};
module_param_cb(armed, &armed_ops, &armed, 0644);
MODULE_PARM_DESC(armed, "1: /proc/<pid>/dump and /proc/<pid>/mfd are there; 0: the module can be unloaded");

static int __init crctl_init(void)
{
	int err;

	err = crctl_symbols_init();
	if (err)
		return err;
	err = crctl_proc_init();
	if (err)
		return err;
	err = crctl_restore_init();
	if (err)
		goto err_restore;

	mutex_lock(&armed_lock);
	if (armed)
		err = crctl_arm();
	loaded = !err;
	mutex_unlock(&armed_lock);
	if (err)
		goto err_restore;
	crctl_restore_register();
	/* Last: who opens a file of ours while the module loads is not to see that fail. */
	err = crctl_net_init();
	has_net = !err;
	if (err)
		pr_warn("connections cannot be kept: no /proc/net/crctl: error %d\n", err);
	return 0;

err_restore:
	crctl_restore_exit();
	return err;
}

static void __exit crctl_exit(void)
{
	if (has_net)
		crctl_net_exit();
	crctl_restore_exit();

	/*
	 * A task may have dropped the last reference with crctl_put() and not
	 * yet have left our code, or been preempted in it.
	 */
	rcu_barrier();
	synchronize_rcu();
	synchronize_rcu_tasks();
}

module_init(crctl_init);
module_exit(crctl_exit);

MODULE_DESCRIPTION("Checkpoint and restore of processes through /proc/<pid>/dump and execve");
MODULE_LICENSE("GPL");
MODULE_VERSION(CRCTL_VERSION);

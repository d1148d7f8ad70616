// SPDX-License-Identifier: GPL-2.0
/*
 * "dump" and "mfd" in /proc/<pid>.
 *
 * The kernel looks names up, and lists them, in a constant table that two
 * functions take as an argument. Probes at their entry point that argument to
 * a longer copy of the table; the kernel's own code then makes and checks the
 * inodes. The return probes are there to count who is inside: a caller may
 * sleep in the middle of the table for ever (it copies names to user memory),
 * and unregistering a probe says nothing about it.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/rcupdate.h>

#include "compat/proc.h"
#include "proc/proc.h"

/*
 * Callers that may be inside at the same time. One more is not counted, and
 * therefore sees the kernel's own table.
 */
#define MAX_CALLERS	4096

/* How long disarming waits for the last of them. */
#define CALLERS_WAIT_MS	2000

static unsigned int nr_entries;			/* of the kernel's table */
static struct crctl_pid_entry *table;		/* while armed: that and two more */
static bool rewriting;
static atomic_t callers;

/* Count a caller in if it is to see our table. */
static bool enter(unsigned long given)
{
	if (given != (unsigned long)crctl_symbols.tgid_base_stuff)
		return false;
	atomic_inc(&callers);
	/* Pairs with the barrier in stop_rewriting(). */
	smp_mb__after_atomic();
	if (READ_ONCE(rewriting))
		return true;
	atomic_dec(&callers);
	return false;
}

static int count_out(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	atomic_dec(&callers);
	return 0;
}

NOKPROBE_SYMBOL(count_out);

/* proc_pident_lookup(struct inode *, struct dentry *, first entry, end of table) */
static int on_lookup(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct crctl_pid_entry *first = (void *)regs->dx;

	if (regs->cx != (unsigned long)(first + nr_entries) || !enter(regs->dx))
		return 1;
	regs->dx = (unsigned long)table;
	regs->cx = (unsigned long)(table + nr_entries + 2);
	return 0;
}

NOKPROBE_SYMBOL(on_lookup);

/* proc_pident_readdir(struct file *, struct dir_context *, table, number of entries) */
static int on_readdir(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if ((unsigned int)regs->cx != nr_entries || !enter(regs->dx))
		return 1;
	regs->dx = (unsigned long)table;
	regs->cx = nr_entries + 2;
	return 0;
}

NOKPROBE_SYMBOL(on_readdir);

static struct kretprobe lookup_probe, readdir_probe;

static int register_probe(struct kretprobe *rp, const char *symbol, kretprobe_handler_t entry)
{
	int err;

	/* A structure that was registered before cannot be used again as it is. */
	memset(rp, 0, sizeof(*rp));
	rp->kp.symbol_name = symbol;
	rp->entry_handler = entry;
	rp->handler = count_out;
	rp->maxactive = MAX_CALLERS;
	err = register_kretprobe(rp);
	if (err)
		pr_err("cannot place a probe on %s: error %d\n", symbol, err);
	return err;
}

static struct crctl_pid_entry *make_table(void)
{
	struct crctl_pid_entry *t;

	t = kcalloc(nr_entries + 2, sizeof(*t), GFP_KERNEL);
	if (!t)
		return NULL;
	memcpy(t, crctl_symbols.tgid_base_stuff, nr_entries * sizeof(*t));
	t[nr_entries] = (struct crctl_pid_entry) {
		.name = "dump",
		.len = strlen("dump"),
		.mode = S_IFREG | 0400,
		.fop = &crctl_dump_fops,
	};
	t[nr_entries + 1] = (struct crctl_pid_entry) {
		.name = "mfd",
		.len = strlen("mfd"),
		.mode = S_IFDIR | 0500,
		.iop = &crctl_mfd_iops,
		.fop = &crctl_mfd_fops,
	};
	return t;
}

static void start_rewriting(void)
{
	/* The table is complete before anyone is sent to it. */
	smp_store_release(&rewriting, true);
}

/* Stop sending callers to our table and wait for those who are in it. */
static bool stop_rewriting(void)
{
	unsigned int waited;

	WRITE_ONCE(rewriting, false);
	/* Pairs with the barrier in enter(). */
	smp_mb();
	for (waited = 0; atomic_read(&callers); waited += 20) {
		if (waited >= CALLERS_WAIT_MS)
			return false;
		msleep(20);
	}
	return true;
}

/**
 * crctl_arm() - make the entries appear
 *
 * While they are there the module holds a reference to itself.
 *
 * Return: 0 or a negative errno.
 */
int crctl_arm(void)
{
	int err;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	err = -ENOMEM;
	table = make_table();
	if (!table)
		goto err_module;
	err = register_probe(&lookup_probe, "proc_pident_lookup", on_lookup);
	if (err)
		goto err_table;
	err = register_probe(&readdir_probe, "proc_pident_readdir", on_readdir);
	if (err)
		goto err_lookup;
	start_rewriting();
	return 0;

err_lookup:
	unregister_kretprobe(&lookup_probe);
err_table:
	kfree(table);
	table = NULL;
err_module:
	module_put(THIS_MODULE);
	return err;
}

/**
 * crctl_disarm() - make the entries disappear, so that the module can go
 *
 * After success nothing in any proc file system leads to this module. That can
 * be had only while nobody holds an inode of ours: an open file, an O_PATH
 * descriptor, a working directory, a bind mount, a watch.
 *
 * Return: 0, or -EBUSY, and then everything goes on as before.
 */
int crctl_disarm(void)
{
	unsigned long left;

	if (!stop_rewriting()) {
		pr_info("still in use: callers in the middle of /proc/<pid>: %d\n",
			atomic_read(&callers));
		goto busy;
	}
	crctl_sweep();
	/* Dentries and inodes that the sweep has freed may still be walked under RCU. */
	rcu_barrier();
	synchronize_rcu();
	left = crctl_count_inodes();
	if (left) {
		pr_info("still in use: somebody holds %lu files or directories \"dump\" or \"mfd\" of /proc/<pid>\n",
			left);
		goto busy;
	}
	unregister_kretprobe(&readdir_probe);
	unregister_kretprobe(&lookup_probe);
	kfree(table);
	table = NULL;
	/* The last inodes may have gone between the first grace period and the count. */
	synchronize_rcu();
	module_put(THIS_MODULE);
	return 0;

busy:
	start_rewriting();
	return -EBUSY;
}

/**
 * crctl_proc_init() - see whether this kernel's /proc can be extended
 *
 * Return: 0 or a negative errno.
 */
int crctl_proc_init(void)
{
	return crctl_layout_check(&nr_entries);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The binary format: execve() of an image or of an exec manifest.
 *
 * The kernel's ELF loader refuses ET_CORE with ENOEXEC, so the search for a
 * handler comes here. Up to begin_new_exec() a bad image is an errno to the
 * caller and nothing else has happened; from there on a failure ends the task.
 * The loader builds memory only. Everything that the rest of execve() would
 * undo, and what needs a task that has left it (threads, registers, rseq), is
 * left to the task itself on its way to user space: see landing.c, threads.c.
 */
#include <linux/binfmts.h>
#include <linux/elf.h>
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/workqueue.h>
#include <asm/elf.h>

#include "restore/load.h"

/* What a restored process is to the rest of the kernel: an ordinary ELF program. */
static struct linux_binfmt *elf_format;
static bool registered;

struct workqueue_struct *crctl_wq, *crctl_fill_wq;

static int enter(struct linux_binprm *bprm, struct crctl_restore *r)
{
	int ret;

	crctl_call(set_personality_64bit)();
	/* what an image says must not open to others what its mode keeps from them */
	r->unreadable = bprm->interp_flags & BINPRM_FLAGS_ENFORCE_NONDUMP;
	setup_new_exec(bprm);
	/*
	 * No signal is for the program before its own mask and actions are
	 * back. A SIGSTOP would make clone() fail while its threads are made.
	 */
	spin_lock_irq(&crctl_sighand(current)->siglock);
	sigfillset(&current->blocked);
	sigdelsetmask(&current->blocked, sigmask(SIGKILL));
	recalc_sigpending();
	spin_unlock_irq(&crctl_sighand(current)->siglock);

	/* the stack that carried execve()'s arguments: the image has its own */
	ret = crctl_fault(RESTORE_CLEAR) ?: vm_munmap(0, TASK_SIZE_MAX);
	if (ret)
		return crctl_restore_fail(r, ret, "memory", 0, "cannot clear the address space");
	ret = crctl_memory_restore(r);
	if (!ret)
		ret = crctl_landing_map(r);
	if (ret)
		return ret;
	set_binfmt(elf_format);
	finalize_exec(bprm);
	start_thread(task_pt_regs(current), r->pad_addr, 0);
	return 0;
}

static int load_image(struct linux_binprm *bprm)
{
	struct crctl_restore *r;
	int ret;

	r = crctl_load(bprm);
	if (IS_ERR(r))
		return PTR_ERR(r);
	ret = begin_new_exec(bprm);
	if (!ret)
		ret = enter(bprm, r);
	else
		crctl_restore_fail(r, ret, "exec", 0, "cannot begin a new program");
	if (ret) {
		/* As later failures do, and not by a SIGSEGV with a core dump of half a process. */
		if (bprm->point_of_no_return)
			send_sig(SIGKILL, current, 1);
		crctl_restore_put(r);
	}
	return ret;
}

static struct linux_binfmt crctl_format = {
	.module = THIS_MODULE,
	.load_binary = load_image,
};

int crctl_restore_init(void)
{
	int ret;

	/* insmod is an ELF program; the kernel's own format has no module */
	elf_format = current->mm ? current->mm->binfmt : NULL;
	if (!elf_format || elf_format->module) {
		pr_err("the module has to be loaded by an ordinary ELF program\n");
		return -EINVAL;
	}
	ret = crctl_load_init();
	if (ret)
		return ret;
	crctl_wq = alloc_workqueue("crctl", WQ_UNBOUND, 0);
	crctl_fill_wq = alloc_workqueue("crctl_fill", WQ_UNBOUND, 0);
	if (!crctl_wq || !crctl_fill_wq)
		return -ENOMEM;
	return 0;
}

/*
 * From here on tasks may be in our code, which a module that fails to load would
 * take away from under them: nothing that can fail comes after this.
 */
void crctl_restore_register(void)
{
	/* at the tail: whatever else knows a file comes first */
	register_binfmt(&crctl_format);
	registered = true;
}

void crctl_restore_exit(void)
{
	if (registered)
		unregister_binfmt(&crctl_format);
	if (crctl_wq)
		destroy_workqueue(crctl_wq);
	if (crctl_fill_wq)
		destroy_workqueue(crctl_fill_wq);
}

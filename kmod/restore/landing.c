// SPDX-License-Identifier: GPL-2.0
/*
 * The landing pad: how a task that has left execve() comes back to us, and a
 * thread that it made.
 *
 * A binary format's handler runs inside execve(), whose return value, rseq reset
 * and clone() restrictions would spoil what is restored there. So the handler
 * points the task at one page of a file of our own. Its first fetch of an
 * instruction ends in our fault handler, which adds task work and maps nothing;
 * the work runs before the task gets to user space, outside any system call.
 * (The inode is one of the kernel's own tmpfs: since 6.17 nothing on its other
 * internal file systems can be mapped executable.)
 *
 * (Task work added by the handler itself would run too early under a debugger
 * that asked for exec events, still inside execve().)
 *
 * A new thread starts where its creator is, which is at the pad. Its stack
 * pointer, which nobody uses there, tells which thread of the image it is.
 */
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/sched/task.h>

#include "compat/files.h"
#include "compat/vma.h"
#include "restore/restore.h"

static vm_fault_t pad_fault(struct vm_fault *vmf)
{
	struct crctl_restore *r = vmf->vma->vm_file->private_data;
	unsigned long idx = user_stack_pointer(task_pt_regs(current));
	struct crctl_restore_thread *t;

	/* only the restored threads themselves, once each, by running there */
	if (task_tgid(current) != r->owner || (!idx && !thread_group_leader(current)))
		return VM_FAULT_SIGBUS;
	if (current->mm != vmf->vma->vm_mm || !(vmf->flags & FAULT_FLAG_USER) ||
	    !(vmf->flags & FAULT_FLAG_INSTRUCTION) || idx >= r->img.nr_threads)
		return VM_FAULT_SIGBUS;
	t = &r->threads[idx];
	if (atomic_xchg(&t->landed, 1))
		return VM_FAULT_SIGBUS;
	refcount_inc(&r->refs);
	if (task_work_add(current, &t->work, TWA_RESUME)) {
		crctl_restore_put(r);
		return VM_FAULT_SIGBUS;
	}
	return VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct pad_vm_ops = {
	.fault = pad_fault,
};

static int pad_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* a debugger can send the task elsewhere, and then this stays: for nobody else */
	crctl_vma_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND);
	vma->vm_ops = &pad_vm_ops;
	return 0;
}

static int pad_release(struct inode *inode, struct file *file)
{
	crctl_restore_put(file->private_data);
	return 0;
}

static const struct file_operations pad_fops = {
	.owner = THIS_MODULE,
	.mmap = pad_mmap,
	.release = pad_release,
};

static struct file *pad_file(struct crctl_restore *r)
{
	const struct file_operations *fops = &pad_fops;
	struct file *file = crctl_kernel_shmem_file("[crctl]", PAGE_SIZE);

	if (IS_ERR(file))
		return file;
	replace_fops(file, fops_get(fops));
	file->private_data = r;
	return file;
}

/* On success the file, and so the mapping, owns the caller's reference. */
int crctl_landing_map(struct crctl_restore *r)
{
	struct file *file = pad_file(r);
	unsigned long addr;
	u32 i;

	if (IS_ERR(file))
		return crctl_restore_fail(r, PTR_ERR(file), "landing", 0, "no landing pad");
	r->owner = get_pid(task_tgid(current));
	for (i = 0; i < r->img.nr_threads; i++) {
		r->threads[i].r = r;
		r->threads[i].idx = i;
		init_task_work(&r->threads[i].work, crctl_thread_work);
	}
	refcount_inc(&r->refs);		/* until we know whether the mapping holds */
	addr = crctl_fault(RESTORE_LANDING) ?:
	       vm_mmap(file, 0, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	fput(file);
	if (IS_ERR_VALUE(addr))
		return crctl_restore_fail(r, addr, "landing", 0, "cannot map the landing pad");
	r->pad_addr = addr;
	crctl_restore_put(r);
	return 0;
}

/**
 * crctl_landing_clone() - make a thread of current that lands
 * @r: the restore, whose leader is current; it has landed, and the pad is there
 * @idx: which thread of the image
 *
 * Return: 0 or a negative errno.
 */
int crctl_landing_clone(struct crctl_restore *r, u32 idx)
{
	struct kernel_clone_args args = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			 CLONE_THREAD | CLONE_SYSVSEM,
		.stack = idx,
		.set_tid = &r->threads[idx].set_tid,
		.set_tid_size = 1,
	};
	pid_t tid = crctl_call(kernel_clone)(&args);

	return tid < 0 ? tid : 0;
}

/* When all threads have landed: none may find the place empty. */
void crctl_landing_unmap(struct crctl_restore *r)
{
	vm_munmap(r->pad_addr, PAGE_SIZE);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What belongs to the memory of a process as a whole: its layout, the link to
 * its executable, the auxiliary vector, the vdso; and what hangs on it that
 * cannot be saved.
 */
#include <linux/coredump.h>
#include <linux/file.h>
#include <linux/sched/coredump.h>
#include <linux/sched/task_stack.h>

#include "compat/fs.h"
#include "compat/mm.h"
#include "compat/vma.h"
#include "proc/proc.h"

/* ---- what is refused ---- */

static void check_context(struct crctl_group *g, struct crctl_notes *n)
{
	struct mm_struct *mm = g->mm;
	const char *unsaved = crctl_mm_unsaved(mm);
	unsigned int contexts;

#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (READ_ONCE(mm->context.ldt))
		crctl_refuse(n, CRCTL_REFUSE_LDT, 0, 0, 0,
			     "a local descriptor table (modify_ldt)");
#endif
	contexts = crctl_nr_aio_contexts(mm);
	if (contexts)
		crctl_refuse(n, CRCTL_REFUSE_AIO, 0, 0, contexts,
			     "%u contexts of io_setup(2)", contexts);
	if (unsaved)
		crctl_refuse(n, CRCTL_REFUSE_THREAD, 0, 0, 0, "%s", unsaved);
	if (crctl_mm_flag(mm, MMF_HAS_UPROBES))
		crctl_refuse(n, CRCTL_REFUSE_UPROBE, 0, 0, 0,
			     "uprobes are set, or were, in its program text");
}

static void check_thread(struct crctl_group *g, struct task_struct *t, struct crctl_notes *n)
{
	if (test_tsk_thread_flag(t, TIF_ADDR32) || !user_64bit_mode(task_pt_regs(t)))
		crctl_refuse(n, CRCTL_REFUSE_COMPAT, task_pid_nr_ns(t, g->ns), 0,
			     task_pt_regs(t)->cs, "a 32-bit or x32 program");
}

/* ---- struct crctl_mm ---- */

/* Registration for a special kind sets the state of the plain one too, but it is not ready. */
static u32 membarrier_of(struct mm_struct *mm)
{
#ifdef CONFIG_MEMBARRIER
	int state = atomic_read(&mm->membarrier_state);

	return (state & MEMBARRIER_STATE_PRIVATE_EXPEDITED_READY ?
			CRCTL_MEMBARRIER_PRIVATE_EXPEDITED : 0) |
	       (state & MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE_READY ?
			CRCTL_MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE : 0) |
	       (state & MEMBARRIER_STATE_PRIVATE_EXPEDITED_RSEQ_READY ?
			CRCTL_MEMBARRIER_PRIVATE_EXPEDITED_RSEQ : 0) |
	       (state & MEMBARRIER_STATE_GLOBAL_EXPEDITED_READY ?
			CRCTL_MEMBARRIER_GLOBAL_EXPEDITED : 0);
#else
	return 0;
#endif
}

static void fill_special(struct mm_struct *mm, struct crctl_mm *r)
{
	struct vm_area_struct *vma;

	CRCTL_VMA_ITERATOR(vmi, mm);

	crctl_for_each_vma(vmi, vma) {
		switch (crctl_vma_kind(vma)) {
		case CRCTL_VMA_VDSO:
			r->vdso = vma->vm_start;
			r->vdso_size = vma->vm_end - vma->vm_start;
			break;
		case CRCTL_VMA_VVAR:
			if (!r->vvar)
				r->vvar = vma->vm_start;
			r->vvar_size += vma->vm_end - vma->vm_start;
			break;
		}
	}
}

static int fill_mm(struct crctl_group *g, struct crctl_mm *r)
{
	struct mm_struct *mm = g->mm;
	int err = mmap_read_lock_killable(mm);

	if (err)
		return err;
	spin_lock(&mm->arg_lock);
	r->start_code = mm->start_code;
	r->end_code = mm->end_code;
	r->start_data = mm->start_data;
	r->end_data = mm->end_data;
	r->start_brk = mm->start_brk;
	r->brk = mm->brk;
	r->start_stack = mm->start_stack;
	r->arg_start = mm->arg_start;
	r->arg_end = mm->arg_end;
	r->env_start = mm->env_start;
	r->env_end = mm->env_end;
	spin_unlock(&mm->arg_lock);
	r->mmap_base = mm->mmap_base;
	r->lock_future = mm->def_flags & VM_LOCKED ?
			 (mm->def_flags & VM_LOCKONFAULT ? 2 : 1) : 0;
	r->dumpable = crctl_is_dumpable(crctl_first(g), mm);
	r->thp_disable = crctl_mm_flag(mm, CRCTL_MMF_DISABLE_THP);
	r->coredump_filter = crctl_dump_filter(mm);
	r->membarrier = membarrier_of(mm);
	crctl_pkeys_dump(g, r);
	fill_special(mm, r);
	mmap_read_unlock(mm);
	return 0;
}

/* Where the link to the executable leads; the path is in @room. */
static char *fill_exe(struct file *exe, struct crctl_mm *r, struct crctl_notes *n, char *room)
{
	const struct path *path = crctl_file_path(exe);
	const struct inode *inode = d_inode(path->dentry);
	bool deleted;
	char *name;

	r->exe_dev_major = MAJOR(inode->i_sb->s_dev);
	r->exe_dev_minor = MINOR(inode->i_sb->s_dev);
	r->exe_ino = inode->i_ino;
	name = crctl_path(path, room, &r->exe_len, &deleted);
	if (IS_ERR(name)) {
		crctl_refuse(n, CRCTL_REFUSE_VMA_KIND, 0, 0, 0,
			     "an executable whose path cannot be told, error %ld", PTR_ERR(name));
		return NULL;
	}
	r->exe_flags = crctl_file_flags(exe, deleted);
	return name;
}

static int add_mm(struct crctl_group *g, struct crctl_notes *n, char *room)
{
	struct crctl_mm r = { .exe_fd = -1, .personality = crctl_first(g)->personality };
	struct file *exe;
	char *path = NULL;
	int err;

	err = fill_mm(g, &r);
	if (err)
		return err;
	exe = crctl_call(get_mm_exe_file)(g->mm);
	if (exe) {
		path = fill_exe(exe, &r, n, room);
		fput(exe);
	}
	return crctl_note_records(n, CRCTL_NT_MM, &r, sizeof(r), 1, path, r.exe_len);
}

/* ---- NT_AUXV and VDSO ---- */

static int add_auxv(struct mm_struct *mm, struct crctl_notes *n)
{
	const unsigned long *auxv = mm->saved_auxv;
	size_t i = 0;

	while (i < AT_VECTOR_SIZE - 2 && auxv[i] != AT_NULL)
		i += 2;
	return crctl_note_add(n, "CORE", NT_AUXV, auxv, (i + 2) * sizeof(*auxv));
}

static int add_vdso(struct mm_struct *mm, struct crctl_notes *n)
{
	const struct vdso_image *image = mm->context.vdso_image;

	if (!image)
		return 0;
	return crctl_note_records(n, CRCTL_NT_VDSO, NULL, 0, 0, image->data, image->size);
}

/**
 * crctl_mm_dump() - append the MM, NT_AUXV and VDSO notes
 * @g: the group
 * @n: the notes
 *
 * Return: 0 or a negative errno.
 */
int crctl_mm_dump(struct crctl_group *g, struct crctl_notes *n)
{
	unsigned int i;
	char *room;
	int err;

	check_context(g, n);
	for (i = g->first; i < g->nr_threads; i++)
		check_thread(g, g->threads[i], n);

	room = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!room)
		return -ENOMEM;
	err = add_mm(g, n, room) ?: add_auxv(g->mm, n) ?: add_vdso(g->mm, n);
	kfree(room);
	return err;
}

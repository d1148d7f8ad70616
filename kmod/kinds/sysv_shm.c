// SPDX-License-Identifier: GPL-2.0
/*
 * System V shared memory. An attachment is a file of its own, made by shmat(2)
 * for the segment's, whose mappings the kernel counts. shmdt(2) goes by that
 * file, so that the parts that are left of one attachment have to come back as
 * parts of one.
 */
#include <linux/file.h>
#include <linux/mman.h>
#include <uapi/linux/shm.h>
#include <linux/xarray.h>

#include "proc/proc.h"
#include "restore/restore.h"

/**
 * crctl_sysv_dump() - tell which attachment a mapping is a part of
 * @seen: files of attachments that were met, and their records
 * @file: the mapping's, of a segment
 * @idx: of the mapping's record
 * @first: set to what struct crctl_vma calls attachment
 *
 * Return: 0, -ENOMEM, or -EINVAL for what shmat(2) has not made: somebody has
 * opened a link in map_files, say, and mapped that.
 */
int crctl_sysv_dump(struct xarray *seen, struct file *file, u32 idx, u32 *first)
{
	unsigned long key = (unsigned long)file / sizeof(long);
	void *old;

	if (file->f_op == file_inode(file)->i_fop)
		return -EINVAL;
	old = xa_load(seen, key);
	if (!old)
		return xa_err(xa_store(seen, key, xa_mk_value(idx + 1), GFP_KERNEL_ACCOUNT));
	*first = xa_to_value(old);
	return 0;
}

struct attached {
	unsigned long start, len;
	struct file *file;
};

/*
 * The whole of a segment, anywhere, with shmat()'s own checks of what the caller
 * may do: it still is who restores, not yet the program.
 */
static int attach(const struct crctl_vma *v, struct attached *at)
{
	int flags = v->flags & CRCTL_VMF_MAYWRITE ? 0 : SHM_RDONLY;
	long addr = crctl_fault(RESTORE_ATTACH) ?: CRCTL_SYS(shmat, v->ino, 0, flags);
	struct vm_area_struct *vma;

	if (IS_ERR_VALUE(addr))
		return addr;
	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, addr);
	if (!vma || vma->vm_start != addr || !vma->vm_file) {
		mmap_read_unlock(current->mm);
		return -EFAULT;
	}
	at->start = addr;
	at->len = vma->vm_end - vma->vm_start;
	at->file = get_file(vma->vm_file);
	mmap_read_unlock(current->mm);
	return 0;
}

/**
 * crctl_sysv_map() - map a part of an attachment
 * @r: the restore
 * @idx: of the mapping's record; vma_files[] has the segment's file there, and
 *	then that of the attachment
 * @flags: of mmap(2)
 *
 * Return: as vm_mmap().
 */
unsigned long crctl_sysv_map(struct crctl_restore *r, u32 idx, unsigned long flags)
{
	struct attached at = { };
	unsigned long addr = 0;
	struct crctl_vma v;

	crctl_rec(&r->img.vma, idx, &v, sizeof(v));
	if (v.attachment)
		at.file = get_file(r->vma_files[v.attachment - 1]);
	else
		addr = attach(&v, &at);
	/* the id may have become another one's */
	if (!addr && file_inode(at.file) != file_inode(r->vma_files[idx]))
		addr = -ESTALE;
	/* its mmap() counts the mapping, as fork() and a split do */
	if (!addr)
		addr = vm_mmap(at.file, v.start, v.end - v.start, v.prot, flags, v.offset);
	/* only now: the segment may have no other attachment */
	if (at.len)
		vm_munmap(at.start, at.len);
	if (at.file) {
		fput(r->vma_files[idx]);
		r->vma_files[idx] = at.file;
	}
	return addr;
}

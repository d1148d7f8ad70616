/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of proc/ share, and what the dump halves in kinds/ that need
 * page tables or other processes ask of each other.
 */
#ifndef CRCTL_PROC_H
#define CRCTL_PROC_H

#include <linux/fs.h>

#include "crctl.h"

/* ---- layout.c: the kernel's private structures are what compat/proc.h says ---- */

int crctl_layout_check(unsigned int *nr_entries);

/* ---- sweep.c: inodes of ours in every proc file system ---- */

void crctl_sweep(void);
unsigned long crctl_count_inodes(void);

/* ---- dump_file.c, mfd.c: what the inodes of ours point to ---- */

extern const struct file_operations crctl_dump_fops;
extern const struct file_operations crctl_mfd_fops;
extern const struct inode_operations crctl_mfd_iops;
extern const struct inode_operations crctl_mfd_link_iops;

/* ---- stopped.c ---- */

int crctl_group_get(struct crctl_group *g, struct task_struct *task);
void crctl_group_put(struct crctl_group *g);
int crctl_group_verify(const struct crctl_group *g);
void crctl_group_refuse(struct crctl_group *g, struct crctl_notes *n);

/* ---- pages.c: which pages are saved, and their contents ---- */

/*
 * A run of pages that are saved. Runs are sorted by address and their pages
 * follow each other in the image.
 */
struct crctl_run {
	unsigned long start;		/* address, and PF_R, PF_W, PF_X below PAGE_SIZE */
	unsigned long first;		/* number of its first page in the image */
};

/* runs[nr] is the end: its first is the number of all pages. */
struct crctl_pages {
	struct crctl_run *runs;		/* kvmalloc'ed */
	size_t nr, room;
	unsigned long total;
};

int crctl_pages_find(struct crctl_pages *p, struct crctl_group *g, struct crctl_notes *n);
void crctl_pages_free(struct crctl_pages *p);
int crctl_pages_add(struct crctl_pages *p, unsigned long start, unsigned long nr, bool fresh);
int crctl_pages_end(struct crctl_pages *p);
long crctl_pages_get(const struct crctl_pages *p, struct mm_struct *mm, unsigned long first,
		     unsigned long nr, struct page **pages);

/* ---- kinds/vma.c, kinds/shared.c ---- */

u32 crctl_vma_kind(struct vm_area_struct *vma);
char *crctl_path(const struct path *path, char *room, u32 *len, bool *deleted);
u32 crctl_file_flags(struct file *file, bool deleted);
int crctl_sysv_dump(struct xarray *seen, struct file *file, u32 idx, u32 *first); /* sysv_shm.c */
int crctl_shared_dump(struct crctl_group *g, struct crctl_notes *n);

/* ---- kinds/hugetlb.c ---- */

struct crctl_huge_pages;
u32 crctl_hugetlb_shift(const struct inode *inode);
int crctl_hugetlb_look(struct crctl_huge_pages __user *to);

#endif /* CRCTL_PROC_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * The areas of a process's memory: what each of them is, with a list of every
 * flag that is understood. An area that is not, is refused.
 */
#include <linux/elfcore.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/userfaultfd_k.h>
#include <linux/xarray.h>

#include "compat/fs.h"
#include "compat/vma.h"
#include "proc/proc.h"

/* Flags that are saved as they are. */
static const struct {
	unsigned long vm;
	u64 image;
} vma_flags[] = {
	{ VM_GROWSDOWN, CRCTL_VMF_GROWSDOWN },
	{ VM_LOCKED, CRCTL_VMF_LOCKED },
	{ VM_LOCKONFAULT, CRCTL_VMF_LOCKONFAULT },
	{ VM_DONTCOPY, CRCTL_VMF_DONTFORK },
	{ VM_DONTDUMP, CRCTL_VMF_DONTDUMP },
	{ VM_WIPEONFORK, CRCTL_VMF_WIPEONFORK },
	{ VM_HUGEPAGE, CRCTL_VMF_HUGEPAGE },
	{ VM_NOHUGEPAGE, CRCTL_VMF_NOHUGEPAGE },
	{ VM_MERGEABLE, CRCTL_VMF_MERGEABLE },
	{ VM_SEQ_READ, CRCTL_VMF_SEQ_READ },
	{ VM_RAND_READ, CRCTL_VMF_RAND_READ },
	{ VM_NORESERVE, CRCTL_VMF_NORESERVE },
	{ VM_ACCOUNT, CRCTL_VMF_ACCOUNT },
	{ VM_MAYWRITE, CRCTL_VMF_MAYWRITE },
	{ VM_MAYEXEC, CRCTL_VMF_MAYEXEC },
	{ CRCTL_VM_DROPPABLE, CRCTL_VMF_DROPPABLE },
};

/* Flags that are said otherwise: by prot, by kind; or that mean nothing later. */
#define FLAGS_IMPLIED	(VM_READ | VM_WRITE | VM_EXEC | VM_SHARED | VM_MAYSHARE | \
			 VM_MAYREAD | VM_SOFTDIRTY | CRCTL_VM_DENYWRITE)

/* What the kernel sets on its own areas. */
#define FLAGS_SPECIAL	(FLAGS_IMPLIED | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND | VM_DONTDUMP | \
			 VM_IO | VM_PFNMAP | VM_MIXEDMAP | CRCTL_VM_SEALED_SYSMAP)

#define FLAGS_UFFD	(VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR | CRCTL_VM_UFFD_RWP)

struct vma_table {
	struct crctl_group *g;
	struct crctl_notes *n;
	struct crctl_vma *recs;
	unsigned int nr, room;
	char *names;			/* paths one after the other, without NULs */
	size_t names_len, names_room;
	char *path_room;		/* PATH_MAX bytes */
	struct file *last_file;		/* the file of recs[nr - 1], to share its path */
	struct xarray attached;		/* files of System V shared memory */
};

/* ---- what an area is ---- */

static const char *special_name(struct vm_area_struct *vma)
{
	if (vma->vm_file || !vma->vm_ops || !vma->vm_ops->name)
		return NULL;
	return vma->vm_ops->name(vma);
}

static bool is_kernel_file(const struct file *file)
{
	return file_inode(file)->i_sb->s_flags & SB_KERNMOUNT;
}

/*
 * Memory that is a file of the kernel's own tmpfs, or hugetlbfs. User space cannot
 * choose these names: a memfd's has the prefix always.
 */
static u32 shmem_kind(struct file *file)
{
	const char *name = file->f_path.dentry->d_name.name;
	bool huge = crctl_hugetlb_shift(file_inode(file));

	if (!is_kernel_file(file) ||
	    (file_inode(file)->i_sb->s_magic != TMPFS_MAGIC && !huge))
		return 0;
	if (!strcmp(name, huge ? "anon_hugepage" : "dev/zero"))
		return CRCTL_FILE_SHMEM_ANON;
	if (!strncmp(name, "memfd:", strlen("memfd:")))
		return CRCTL_FILE_MEMFD;
	if (!strncmp(name, "SYSV", strlen("SYSV")))
		return CRCTL_FILE_SYSV;
	return 0;
}

/* Files whose mappings can be made again by opening and mapping them. */
static bool is_plain_file(struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(vma->vm_file);

	if (S_ISREG(inode->i_mode))
		return !is_kernel_file(vma->vm_file) || shmem_kind(vma->vm_file);
	/* /dev/zero, mapped privately, is anonymous memory with a name. */
	return S_ISCHR(inode->i_mode) && vma_is_anonymous(vma) &&
	       inode->i_rdev == MKDEV(MEM_MAJOR, 5);
}

/*
 * What mmap() makes of MAP_HUGETLB is a mapping of a file too. If it is private, all that
 * was ever put in is the process's own, and nothing is in the file: it takes another
 * mapping of it, through map_files, to change that.
 */
static bool is_huge_anon(struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_HUGETLB && !(vma->vm_flags & VM_MAYSHARE) &&
	       shmem_kind(vma->vm_file) == CRCTL_FILE_SHMEM_ANON &&
	       !vma->vm_file->f_mapping->nrpages;
}

static u32 special_kind(struct vm_area_struct *vma, const char *name)
{
	const struct vdso_image *image = vma->vm_mm->context.vdso_image;

	if (!strcmp(name, "[vdso]") && image &&
	    vma->vm_start == (unsigned long)vma->vm_mm->context.vdso &&
	    vma->vm_end - vma->vm_start == image->size)
		return CRCTL_VMA_VDSO;
	if (!strncmp(name, "[vvar", strlen("[vvar")))
		return CRCTL_VMA_VVAR;
	return 0;
}

/**
 * crctl_vma_kind() - what an area is
 * @vma: the area; mmap_lock is held
 *
 * Return: enum crctl_vma_kind, or 0 for what cannot be saved.
 */
u32 crctl_vma_kind(struct vm_area_struct *vma)
{
	const char *name = special_name(vma);

	if (name)
		return special_kind(vma, name);
	if (is_huge_anon(vma))
		return CRCTL_VMA_HUGE;
	if (vma->vm_file && is_plain_file(vma))
		return vma->vm_flags & VM_MAYSHARE ? CRCTL_VMA_FILE_SHARED :
						     CRCTL_VMA_FILE_PRIVATE;
	if (!vma->vm_file && vma_is_anonymous(vma) && !(vma->vm_flags & VM_MAYSHARE))
		return CRCTL_VMA_ANON;
	return 0;
}

/* ---- what cannot be saved, and why ---- */

static void refuse_kind(struct vma_table *t, struct vm_area_struct *vma)
{
	const char *name = special_name(vma);
	char *path;

	if (vma->vm_flags & VM_HUGETLB) {
		crctl_refuse(t->n, CRCTL_REFUSE_HUGETLB, 0, vma->vm_start, 0,
			     "huge pages of a file that is not known");
		return;
	}
	if (name && !strcmp(name, "[uprobes]")) {
		crctl_refuse(t->n, CRCTL_REFUSE_UPROBE, 0, vma->vm_start, 0,
			     "the area of a uprobe; remove the probe");
		return;
	}
	if (!vma->vm_file) {
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_KIND, 0, vma->vm_start, 0,
			     "a mapping of the kernel's or of a driver: %s", name ?: "no name");
		return;
	}
	path = d_path(crctl_file_path(vma->vm_file), t->path_room, PATH_MAX);
	if (IS_ERR(path))
		path = "?";
	if (!strcmp(path, "anon_inode:[io_uring]"))
		crctl_refuse(t->n, CRCTL_REFUSE_IO_URING, 0, vma->vm_start, 0,
			     "the rings of io_uring");
	else if (!strncmp(path, "/[aio]", strlen("/[aio]")))
		crctl_refuse(t->n, CRCTL_REFUSE_AIO, 0, vma->vm_start, 0,
			     "the ring of an io_setup(2) context");
	else if (!strcmp(path, "/secretmem (deleted)"))
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_KIND, 0, vma->vm_start, 0,
			     "secret memory (memfd_secret)");
	else
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_KIND, 0, vma->vm_start, 0,
			     "a mapping of what is no ordinary file: %.64s", path);
}

static void check_flags(struct vma_table *t, struct vm_area_struct *vma, u32 kind)
{
	unsigned long known = FLAGS_IMPLIED, flags = vma->vm_flags;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vma_flags); i++)
		known |= vma_flags[i].vm;
	if (kind == CRCTL_VMA_VDSO || kind == CRCTL_VMA_VVAR)
		known = FLAGS_SPECIAL;
	if (flags & VM_HUGETLB)
		known |= VM_HUGETLB | VM_DONTEXPAND;
	/* Guards are found with the pages, which are looked at in private areas. */
	if (kind == CRCTL_VMA_ANON || kind == CRCTL_VMA_FILE_PRIVATE)
		known |= CRCTL_VM_MAYBE_GUARD;

	if (flags & FLAGS_UFFD || vma->vm_userfaultfd_ctx.ctx)
		crctl_refuse(t->n, CRCTL_REFUSE_USERFAULTFD, 0, vma->vm_start,
			     flags & FLAGS_UFFD, "memory whose faults a userfaultfd handles");
	if (flags & VM_SYNC)
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_FLAG, 0, vma->vm_start, VM_SYNC,
			     "a mapping with MAP_SYNC");
	flags &= ~(FLAGS_UFFD | CRCTL_VM_PKEY | VM_SYNC);
	if (flags & ~known)
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_FLAG, 0, vma->vm_start, flags & ~known,
			     "a mapping with flags that are not understood: %lx", flags & ~known);
	if (!(flags & VM_MAYREAD))
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_FLAG, 0, vma->vm_start, 0,
			     "a mapping that can never be made readable");
	else if ((kind == CRCTL_VMA_ANON || kind == CRCTL_VMA_HUGE) && !(flags & VM_MAYWRITE))
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_FLAG, 0, vma->vm_start, 0,
			     "private memory that can never be made writable");
}

/* ---- the records ---- */

/* Append a path without NUL and tell where it went. */
static int add_name(struct vma_table *t, const char *name, size_t len, u32 *off)
{
	size_t room = t->names_room ?: PATH_MAX;
	char *names;

	while (room < t->names_len + len)
		room *= 2;
	if (room > CRCTL_MAX_NOTES_SIZE)
		return -EFBIG;
	if (room > t->names_room) {
		names = kvmalloc(room, GFP_KERNEL_ACCOUNT);
		if (!names)
			return -ENOMEM;
		if (t->names_len)
			memcpy(names, t->names, t->names_len);
		kvfree(t->names);
		t->names = names;
		t->names_room = room;
	}
	memcpy(t->names + t->names_len, name, len);
	*off = t->names_len;
	t->names_len += len;
	return 0;
}

/**
 * crctl_path() - the path of a file, and whether that still leads to it
 * @path: the path
 * @room: PATH_MAX bytes
 * @len: set to its length; what d_path() adds to a deleted name is not in it
 * @deleted: set to whether there is no such name any more
 *
 * Return: the path, in @room and not terminated, or an ERR_PTR().
 */
char *crctl_path(const struct path *path, char *room, u32 *len, bool *deleted)
{
	static const char suffix[] = " (deleted)";
	char *p = d_path(path, room, PATH_MAX);
	size_t n;

	if (IS_ERR(p))
		return p;
	n = strlen(p);
	*deleted = d_unlinked(path->dentry);
	/* Files of the kernel's own mounts have the suffix always, and no place to be in. */
	if ((*deleted || path->mnt->mnt_sb->s_flags & SB_KERNMOUNT) &&
	    n > strlen(suffix) && !strcmp(p + n - strlen(suffix), suffix))
		n -= strlen(suffix);
	*len = n;
	return p;
}

/**
 * crctl_file_flags() - what there is to know of a file besides its path
 * @file: the file
 * @deleted: what crctl_path() said
 *
 * Return: CRCTL_FILE_* bits.
 */
u32 crctl_file_flags(struct file *file, bool deleted)
{
	return shmem_kind(file) | (deleted ? CRCTL_FILE_DELETED : 0);
}

static int fill_attachment(struct vma_table *t, struct vm_area_struct *vma, struct crctl_vma *r)
{
	int err;

	if (!(r->file_flags & CRCTL_FILE_SYSV))
		return 0;
	err = crctl_sysv_dump(&t->attached, vma->vm_file, t->nr, &r->attachment);
	if (err != -EINVAL)
		return err;
	crctl_refuse(t->n, CRCTL_REFUSE_VMA_KIND, 0, vma->vm_start, 0,
		     "System V shared memory that is mapped otherwise than by shmat(2)");
	return 0;
}

static int fill_file(struct vma_table *t, struct vm_area_struct *vma, struct crctl_vma *r)
{
	const struct path *path = crctl_file_path(vma->vm_file);
	const struct inode *inode = d_inode(path->dentry);
	bool deleted;
	char *name;
	u32 len;

	r->offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	r->dev_major = MAJOR(inode->i_sb->s_dev);
	r->dev_minor = MINOR(inode->i_sb->s_dev);
	r->ino = inode->i_ino;
	if (t->last_file == vma->vm_file && t->nr) {
		r->file_flags = r[-1].file_flags;
		r->name_off = r[-1].name_off;
		r->name_len = r[-1].name_len;
		return 0;
	}
	t->last_file = vma->vm_file;
	name = crctl_path(path, t->path_room, &len, &deleted);
	if (IS_ERR(name)) {
		crctl_refuse(t->n, CRCTL_REFUSE_VMA_KIND, 0, vma->vm_start, 0,
			     "a mapping of a file whose path cannot be told, error %ld",
			     PTR_ERR(name));
		return 0;
	}
	r->file_flags = crctl_file_flags(vma->vm_file, deleted);
	r->name_len = len;
	return add_name(t, name, len, &r->name_off);
}

static int add_vma(struct vma_table *t, struct vm_area_struct *vma)
{
	struct crctl_vma *r = &t->recs[t->nr];
	unsigned int i;
	int err = 0;

	if (t->nr == t->room)
		return -EBUSY;
	r->start = vma->vm_start;
	r->end = vma->vm_end;
	r->fd = -1;
	r->kind = crctl_vma_kind(vma);
	r->prot = (vma->vm_flags & VM_READ ? PROT_READ : 0) |
		  (vma->vm_flags & VM_WRITE ? PROT_WRITE : 0) |
		  (vma->vm_flags & VM_EXEC ? PROT_EXEC : 0);
	for (i = 0; i < ARRAY_SIZE(vma_flags); i++)
		if (vma->vm_flags & vma_flags[i].vm)
			r->flags |= vma_flags[i].image;
	r->flags |= (u64)((vma->vm_flags & CRCTL_VM_PKEY) >> CRCTL_VM_PKEY_SHIFT) <<
		    CRCTL_PKEY_SHIFT;
	if (!r->kind) {
		refuse_kind(t, vma);
		/* One reason is enough for an area of unknown kind. */
		t->last_file = NULL;
	} else {
		check_flags(t, vma, r->kind);
		if (vma->vm_flags & VM_HUGETLB)
			r->huge_shift = huge_page_shift(hstate_vma(vma));
		if (vma->vm_file && r->kind != CRCTL_VMA_HUGE)
			err = fill_file(t, vma, r) ?: fill_attachment(t, vma, r);
	}
	t->nr++;
	return err;
}

/* ---- NT_FILE, which gdb and others read ---- */

static bool in_nt_file(const struct crctl_vma *r)
{
	return r->kind == CRCTL_VMA_FILE_PRIVATE || r->kind == CRCTL_VMA_FILE_SHARED;
}

static int add_nt_file(struct vma_table *t)
{
	size_t names = 0;
	u64 nr = 0, *words;
	unsigned int i;
	char *p;

	for (i = 0; i < t->nr; i++) {
		if (!in_nt_file(&t->recs[i]))
			continue;
		nr++;
		names += t->recs[i].name_len + 1;
	}
	words = crctl_note_reserve(t->n, "CORE", NT_FILE, (2 + 3 * nr) * sizeof(*words) + names);
	if (!words)
		return t->n->error;
	*words++ = nr;
	*words++ = PAGE_SIZE;
	p = (char *)(words + 3 * nr);
	for (i = 0; i < t->nr; i++) {
		const struct crctl_vma *r = &t->recs[i];

		if (!in_nt_file(r))
			continue;
		*words++ = r->start;
		*words++ = r->end;
		*words++ = r->offset >> PAGE_SHIFT;
		memcpy(p, t->names + r->name_off, r->name_len);
		p += r->name_len + 1;
	}
	return 0;
}

static int fill_table(struct vma_table *t)
{
	struct mm_struct *mm = t->g->mm;
	struct vm_area_struct *vma;
	int err;

	CRCTL_VMA_ITERATOR(vmi, mm);

	err = mmap_read_lock_killable(mm);
	if (err)
		return err;
	err = -E2BIG;
	t->room = mm->map_count;
	if (t->room > CRCTL_MAX_VMAS)
		goto out;
	err = -ENOMEM;
	t->recs = kvcalloc(t->room, sizeof(*t->recs), GFP_KERNEL_ACCOUNT);
	if (!t->recs)
		goto out;
	err = 0;
	crctl_for_each_vma(vmi, vma) {
		err = add_vma(t, vma);
		if (err)
			break;
		cond_resched();
	}
out:
	mmap_read_unlock(mm);
	return err;
}

/**
 * crctl_vma_dump() - append the VMA and NT_FILE notes
 * @g: the group
 * @n: the notes
 *
 * Return: 0 or a negative errno.
 */
int crctl_vma_dump(struct crctl_group *g, struct crctl_notes *n)
{
	struct vma_table t = { .g = g, .n = n };
	int err;

	xa_init(&t.attached);
	t.path_room = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!t.path_room)
		return -ENOMEM;
	err = fill_table(&t);
	if (!err)
		err = crctl_note_records(n, CRCTL_NT_VMA, t.recs, sizeof(*t.recs), t.nr,
					 t.names, t.names_len);
	if (!err)
		err = add_nt_file(&t);
	xa_destroy(&t.attached);
	kvfree(t.recs);
	kvfree(t.names);
	kfree(t.path_room);
	return err;
}

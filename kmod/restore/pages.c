// SPDX-License-Identifier: GPL-2.0
/*
 * Filling private memory from the image: fault in a batch of pages, then read
 * from the file right into them. One copy, no system call and no bounce buffer;
 * write protection of the mapping does not matter (relro, PROT_NONE). All CPUs
 * take part: faults and reads of one address space scale, under a shared lock.
 */
#include <linux/bvec.h>
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/magic.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "compat/files.h"
#include "compat/mm.h"
#include "restore/memory.h"

/* One huge page's worth: batches end at its bounds. */
#define BATCH		(HPAGE_PMD_SIZE / PAGE_SIZE)
#define MAX_HELPERS	15u
/* Below this, waking helpers costs more than they save. */
#define PARALLEL_BYTES	(4u << 20)

struct piece {
	u64 addr, len;
	loff_t pos;
	struct file *file;
};

struct fill {
	struct crctl_restore *r;
	struct mm_struct *mm;
	struct task_struct *task;
	const struct cred *cred;	/* what files are read with */
	bool dump;
	bool whole;			/* this pass: whole huge pages, or all the rest */
	u32 nr_extents;

	spinlock_t lock;		/* the cursor and error */
	u32 idx;			/* extent to take from */
	u64 done;			/* bytes of it that are taken */
	int error;
	u64 error_addr;
};

struct helper {
	struct work_struct work;
	struct fill *f;
};

struct batch {
	struct page *pages[BATCH];
	struct bio_vec bvecs[BATCH];
};

static void get_extent(const struct fill *f, u32 idx, struct piece *p)
{
	struct crctl_restore *r = f->r;

	if (f->dump) {
		const Elf64_Phdr *ph = &r->phdrs[idx + 1];

		p->addr = ph->p_vaddr;
		p->len = ph->p_filesz;
		p->pos = ph->p_offset;
		p->file = r->image;
	} else {
		struct crctl_extent e;

		crctl_rec(&r->img.extent, idx, &e, sizeof(e));
		p->addr = e.vaddr;
		p->len = e.len;
		p->pos = e.offset;
		p->file = r->extent_files[idx];
	}
}

/* Take the next batch of this pass. */
static bool take(struct fill *f, struct piece *p)
{
	bool found = false;
	u32 looks = 0;

	spin_lock(&f->lock);
	while (!found && !f->error && f->idx < f->nr_extents) {
		u64 room, left;

		/* there may be millions that are for the other pass */
		if (!(++looks % 1024)) {
			spin_unlock(&f->lock);
			cond_resched();
			spin_lock(&f->lock);
			continue;
		}

		get_extent(f, f->idx, p);
		left = p->len - f->done;
		p->addr += f->done;
		p->pos += f->done;
		room = HPAGE_PMD_SIZE - (p->addr & (HPAGE_PMD_SIZE - 1));
		p->len = min(room, left);
		f->done += p->len;
		if (p->len == left) {
			f->idx++;
			f->done = 0;
		}
		found = (p->len == HPAGE_PMD_SIZE) == f->whole;
	}
	spin_unlock(&f->lock);
	return found;
}

static unsigned int to_bvecs(struct batch *b, unsigned int nr)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++) {
		struct bio_vec *last = n ? &b->bvecs[n - 1] : NULL;

		/* neighbours in memory go as one segment, as in a huge page */
		if (last && page_to_pfn(b->pages[i]) ==
			    page_to_pfn(last->bv_page) + last->bv_len / PAGE_SIZE &&
		    compound_head(b->pages[i]) == compound_head(last->bv_page)) {
			last->bv_len += PAGE_SIZE;
			continue;
		}
		b->bvecs[n].bv_page = b->pages[i];
		b->bvecs[n].bv_offset = 0;
		b->bvecs[n].bv_len = PAGE_SIZE;
		n++;
	}
	return n;
}

static int read_pages(struct batch *b, unsigned int nr, struct file *file, loff_t pos)
{
	size_t len = (size_t)nr * PAGE_SIZE;
	struct iov_iter iter;

	iov_iter_bvec(&iter, CRCTL_ITER_DEST, b->bvecs, to_bvecs(b, nr), len);
	while (iov_iter_count(&iter)) {
		ssize_t n = vfs_iter_read(file, &iter, &pos, 0);

		if (n <= 0)
			return n ?: -EIO;	/* the image has shrunk */
	}
	return 0;
}

static int fill_piece(struct fill *f, struct batch *b, struct piece *p)
{
	while (p->len) {
		long nr, i;
		int ret;

		mmap_read_lock(f->mm);
		nr = crctl_get_pages(f->mm, p->addr, p->len / PAGE_SIZE,
				     FOLL_WRITE | FOLL_FORCE, b->pages);
		mmap_read_unlock(f->mm);
		if (nr <= 0)
			return nr ?: -EFAULT;
		ret = crctl_fault(RESTORE_FILL) ?: read_pages(b, nr, p->file, p->pos);
		for (i = 0; i < nr; i++)
			put_page(b->pages[i]);
		if (ret)
			return ret;
		p->addr += nr * PAGE_SIZE;
		p->pos += nr * PAGE_SIZE;
		p->len -= nr * PAGE_SIZE;
		if (fatal_signal_pending(f->task))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void run(struct fill *f)
{
	struct batch *b = kvmalloc(sizeof(*b), GFP_KERNEL);
	struct piece p = { };
	int ret = b ? 0 : -ENOMEM;

	while (!ret && take(f, &p))
		ret = fill_piece(f, b, &p);
	kvfree(b);
	if (!ret)
		return;
	spin_lock(&f->lock);
	if (!f->error) {
		f->error = ret;
		f->error_addr = p.addr;
	}
	spin_unlock(&f->lock);
}

static void help(struct work_struct *work)
{
	struct fill *f = container_of(work, struct helper, work)->f;
	const struct cred *own = override_creds(f->cred);

	run(f);
	revert_creds(own);
}

static int fill_pass(struct fill *f, bool whole, unsigned int nr_helpers)
{
	struct helper *helpers = NULL;
	unsigned int i;

	f->idx = 0;
	f->done = 0;
	f->whole = whole;
	/*
	 * Whole huge pages may come in one fault; a part of one must not, or
	 * memory that the program gave back would be there again.
	 */
	crctl_allow_huge_faults(f->mm, whole);
	if (nr_helpers)
		helpers = kcalloc(nr_helpers, sizeof(*helpers), GFP_KERNEL);
	if (!helpers)
		nr_helpers = 0;
	for (i = 0; i < nr_helpers; i++) {
		helpers[i].f = f;
		INIT_WORK(&helpers[i].work, help);
		queue_work(crctl_fill_wq, &helpers[i].work);
	}
	run(f);
	/* All is done, or has failed: who has not begun by now is not waited for. */
	for (i = 0; i < nr_helpers; i++)
		cancel_work_sync(&helpers[i].work);
	kfree(helpers);
	return f->error;
}

/*
 * Huge pages, as their mapping was made, in the name of who restores: a helper is in
 * no cgroup that limits them (hugetlb.2MB.max), and has a memory policy of its own.
 */
static int put_in_huge(struct fill *f, const struct crctl_vma *v, const struct piece *p)
{
	unsigned long size = 1ul << v->huge_shift, addr;
	struct page *page;
	long got;

	for (addr = p->addr; addr < p->addr + p->len; addr += size) {
		mmap_read_lock(f->mm);
		got = crctl_get_pages(f->mm, addr, 1, FOLL_WRITE, &page);
		mmap_read_unlock(f->mm);
		if (got != 1 && fatal_signal_pending(current))
			return -EINTR;
		if (got != 1)
			return crctl_restore_fail(f->r, got == -EHWPOISON ? got : -ENOMEM,
						  "hugepages", addr,
						  "cannot get a huge page of %lu bytes", size);
		put_page(page);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int put_in_all_huge(struct fill *f)
{
	struct crctl_restore *r = f->r;
	struct piece p = { };
	struct crctl_vma v;
	u32 i, next = 0;
	int ret = 0;

	for (i = 0; i < r->img.vma.count && !ret; i++) {
		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		if (!v.huge_shift)
			continue;
		/* both are sorted, and each extent is within one mapping */
		for (; next < f->nr_extents && !ret; next++) {
			get_extent(f, next, &p);
			if (p.addr >= v.end)
				break;
			if (p.addr >= v.start)
				ret = put_in_huge(f, &v, &p);
			cond_resched();
		}
	}
	return ret;
}

/*
 * Does reading the file end, whatever its owner does? A file system that users
 * mount (FUSE) may keep a reader waiting, and no signal reaches a helper.
 */
static bool answers(const struct file *file)
{
	const struct super_block *sb = file_inode(file)->i_sb;

	return S_ISREG(file_inode(file)->i_mode) &&
	       (!(sb->s_type->fs_flags & FS_USERNS_MOUNT) || sb->s_magic == TMPFS_MAGIC);
}

int crctl_pages_fill(struct crctl_restore *r)
{
	struct fill f = {
		.r = r,
		.mm = current->mm,
		.task = current,
		.cred = current_cred(),
		.dump = r->img.info.kind == CRCTL_IMAGE_DUMP,
	};
	unsigned int nr_helpers = 0;
	struct piece p;
	bool helpful = true;
	u64 total = 0;
	int ret;
	u32 i;

	spin_lock_init(&f.lock);
	f.nr_extents = f.dump ? r->phnum - 1 : r->img.extent.count;
	for (i = 0; i < f.nr_extents; i++) {
		get_extent(&f, i, &p);
		total += p.len;
		helpful &= answers(p.file);
	}
	/* what a page of a mapped file is put over is read first */
	for (i = 0; i < r->img.vma.count; i++)
		helpful &= !r->vma_files[i] || answers(r->vma_files[i]);
	ret = put_in_all_huge(&f);
	if (ret)
		return ret;
	/* a page that a helper puts in lies where the helper's policy, which is none, has it */
	if (helpful && total >= PARALLEL_BYTES && !crctl_mempolicy_of_task())
		nr_helpers = min(num_online_cpus() - 1, MAX_HELPERS);
	ret = fill_pass(&f, true, nr_helpers);
	if (!ret)
		ret = fill_pass(&f, false, nr_helpers);
	crctl_allow_huge_faults(f.mm, true);
	if (ret)
		crctl_restore_fail(r, ret, "pages", f.error_addr, "cannot fill memory");
	return ret;
}

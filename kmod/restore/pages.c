// SPDX-License-Identifier: GPL-2.0
/*
 * Filling private memory from the image: fault in a batch of pages, then read
 * from the file right into them. One copy, no system call and no bounce buffer;
 * write protection of the mapping does not matter (relro, PROT_NONE).
 */
#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/uio.h>

#include "compat/files.h"
#include "compat/mm.h"
#include "restore/memory.h"

/* One huge page's worth: batches end at its bounds. */
#define BATCH		(HPAGE_PMD_SIZE / PAGE_SIZE)

struct batch {
	struct page *pages[BATCH];
	struct bio_vec bvecs[BATCH];
};

/*
 * Whole huge pages may come in one fault; a part of one must not, or memory
 * that the program gave back would be there again.
 */
static void allow_huge(struct mm_struct *mm, bool allow)
{
	if (allow)
		clear_bit(MMF_DISABLE_THP, &mm->flags);
	else
		set_bit(MMF_DISABLE_THP, &mm->flags);
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

static int fill(struct batch *b, struct file *file, u64 addr, u64 len, loff_t pos)
{
	struct mm_struct *mm = current->mm;

	while (len) {
		u64 room = HPAGE_PMD_SIZE - (addr & (HPAGE_PMD_SIZE - 1));
		unsigned int want = min(room, len) / PAGE_SIZE;
		long nr, i;
		int ret;

		allow_huge(mm, want == BATCH);
		mmap_read_lock(mm);
		nr = crctl_get_pages(mm, addr, want, FOLL_WRITE | FOLL_FORCE, b->pages);
		mmap_read_unlock(mm);
		if (nr <= 0)
			return nr ?: -EFAULT;
		ret = read_pages(b, nr, file, pos);
		for (i = 0; i < nr; i++)
			put_page(b->pages[i]);
		if (ret)
			return ret;
		addr += nr * PAGE_SIZE;
		pos += nr * PAGE_SIZE;
		len -= nr * PAGE_SIZE;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

int crctl_pages_fill(struct crctl_restore *r)
{
	bool dump = r->img.info.kind == CRCTL_IMAGE_DUMP;
	u32 nr = dump ? r->phnum - 1 : r->img.extent.count, i;
	struct crctl_extent e;
	struct batch *b;
	int ret = 0;

	b = kvmalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return crctl_restore_fail(r, -ENOMEM, "pages", 0, "no memory");
	for (i = 0; i < nr && !ret; i++) {
		struct file *file = r->image;

		if (dump) {
			e.vaddr = r->phdrs[i + 1].p_vaddr;
			e.len = r->phdrs[i + 1].p_filesz;
			e.offset = r->phdrs[i + 1].p_offset;
		} else {
			crctl_rec(&r->img.extent, i, &e, sizeof(e));
			file = r->extent_files[i];
		}
		ret = fill(b, file, e.vaddr, e.len, e.offset);
		if (ret)
			crctl_restore_fail(r, ret, "pages", e.vaddr,
					   "cannot fill %llu bytes", e.len);
	}
	allow_huge(current->mm, true);
	kvfree(b);
	return ret;
}

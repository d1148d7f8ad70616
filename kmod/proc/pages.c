// SPDX-License-Identifier: GPL-2.0
/*
 * Which pages of a process are saved, and how their contents are reached.
 *
 * Saved is what the process alone has: pages of private anonymous areas, and
 * in private mappings of files the pages that are no longer the file's. Pages
 * full of zeroes are left out in anonymous areas, where a page that is not
 * there reads as zeroes; in a mapping of a file a zeroed page is content.
 * What is swapped out is saved; it is read in when its turn comes.
 *
 * Huge pages of hugetlbfs are saved whole: who has touched one has it for good, where
 * otherwise there might be none left when it is needed.
 *
 * The table is made once. Whether what it says is still there is looked at
 * again with each page that is read.
 */
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>

#include "compat/mm.h"
#include "compat/pte.h"
#include "compat/vma.h"
#include "proc/proc.h"

#define FIRST_ROOM 256

struct finder {
	struct crctl_pages *p;
	bool anon;			/* pages that are not there read as zeroes */
	bool drop;			/* pages are looked at, but none is saved */
	bool pristine;			/* no page may differ from what the kernel mapped */
	unsigned long prot;		/* PF_* of the area */
	bool fresh;			/* nothing of this area is in the table yet */
	unsigned long base;		/* what the bits of @found count from */
	DECLARE_BITMAP(found, PTRS_PER_PTE);
	unsigned long bad_addr;
	const char *bad;		/* why the page at @bad_addr cannot be saved */
};

/* ---- the table ---- */

static int make_room(struct crctl_pages *p)
{
	size_t room = p->room ? p->room * 2 : FIRST_ROOM;
	struct crctl_run *runs;

	/* One more for the end, and one for the program header of the notes. */
	if (p->nr + 2 < p->room)
		return 0;
	if (p->nr + 2 > CRCTL_MAX_PHDRS)
		return -E2BIG;
	runs = kvmalloc_array(room, sizeof(*runs), GFP_KERNEL_ACCOUNT);
	if (!runs)
		return -ENOMEM;
	if (p->nr)
		memcpy(runs, p->runs, p->nr * sizeof(*runs));
	kvfree(p->runs);
	p->runs = runs;
	p->room = room;
	return 0;
}

static unsigned long run_end(const struct crctl_pages *p)
{
	const struct crctl_run *last = &p->runs[p->nr - 1];

	return (last->start & PAGE_MASK) + ((p->total - last->first) << PAGE_SHIFT);
}

/**
 * crctl_pages_add() - put pages at the end of the table
 * @p: the table
 * @start: address of the first, behind all that is there, and PF_* of its area
 * @nr: how many
 * @fresh: they are not of the same area as those before
 *
 * Return: 0 or a negative errno.
 */
int crctl_pages_add(struct crctl_pages *p, unsigned long start, unsigned long nr, bool fresh)
{
	int err;

	if (fresh || run_end(p) != (start & PAGE_MASK)) {
		err = make_room(p);
		if (err)
			return err;
		p->runs[p->nr].start = start;
		p->runs[p->nr].first = p->total;
		p->nr++;
	}
	p->total += nr;
	return 0;
}

/**
 * crctl_pages_end() - what follows the last crctl_pages_add(), if there was any
 * @p: the table
 *
 * Return: 0 or a negative errno.
 */
int crctl_pages_end(struct crctl_pages *p)
{
	int err = make_room(p);

	if (err)
		return err;
	p->runs[p->nr].start = 0;
	p->runs[p->nr].first = p->total;
	return 0;
}

/* Put what was found under one page table into the table of runs. */
static int flush(struct finder *f)
{
	unsigned int from, to = 0;
	unsigned long start;
	int err = 0;

	for (;;) {
		from = find_next_bit(f->found, PTRS_PER_PTE, to);
		if (from >= PTRS_PER_PTE || err)
			break;
		to = find_next_zero_bit(f->found, PTRS_PER_PTE, from);
		start = f->base + ((unsigned long)from << PAGE_SHIFT);
		err = crctl_pages_add(f->p, start | f->prot, to - from, f->fresh);
		f->fresh = false;
	}
	bitmap_zero(f->found, PTRS_PER_PTE);
	return err;
}

/* ---- one page ---- */

static bool is_zero(struct page *page)
{
	/* x86_64 has no high memory: every page has an address */
	return !memchr_inv(page_address(page), 0, PAGE_SIZE);
}

static void found(struct finder *f, unsigned long addr)
{
	if (!f->drop)
		__set_bit((addr - f->base) >> PAGE_SHIFT, f->found);
}

static int bad(struct finder *f, unsigned long addr, const char *why)
{
	f->bad_addr = addr;
	f->bad = why;
	return 1;
}

/* A page that is the process's own; with @check its contents matter. */
static int own_page(struct finder *f, unsigned long addr, struct page *page, bool check)
{
	if (f->pristine)
		return bad(f, addr, "a page of the kernel's that has been written to");
	if (PageHWPoison(page))
		return bad(f, addr, "a page with a memory error");
	if (!check || !f->anon || !is_zero(page))
		found(f, addr);
	return 0;
}

static int present_pte(struct finder *f, unsigned long addr, pte_t pte)
{
	struct page *page;

	if (is_zero_pfn(pte_pfn(pte)))
		return 0;
	if (crctl_pte_devmap(pte) && !f->anon)
		return 0;	/* the file's own page, on a DAX file system */
	if (pte_special(pte) || crctl_pte_devmap(pte) || !pfn_valid(pte_pfn(pte)))
		return bad(f, addr, "a page that is no ordinary memory");
	page = pte_page(pte);
	if (PageAnon(page))
		return own_page(f, addr, page, true);
	if (f->anon)
		return bad(f, addr, "a page of a file or device in anonymous memory");
	return 0;
}

static int absent_pte(struct finder *f, unsigned long addr, crctl_entry_t entry)
{
	struct page *page;

	switch (crctl_swap_kind(entry)) {
	case CRCTL_SWAP_MEMORY:
		if (f->pristine)
			return bad(f, addr, "a page of the kernel's that has been written to");
		found(f, addr);
		return 0;
	case CRCTL_SWAP_MIGRATION:
		page = crctl_migrating_page(entry);
		/* Its contents may be half way between two places. */
		return PageAnon(page) ? own_page(f, addr, page, false) : 0;
	case CRCTL_SWAP_POISON:
		return bad(f, addr, "a page with a memory error");
	case CRCTL_SWAP_DEVICE:
		return bad(f, addr, "a page in the memory of a device");
	case CRCTL_SWAP_MARKER:
		return bad(f, addr, "a page marker (of userfaultfd, or a guard)");
	case CRCTL_SWAP_OTHER:
		break;
	}
	return bad(f, addr, "a page table entry of unknown kind");
}

/* Called with the page table locked. */
static int on_pte(pte_t *ptep, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct finder *f = walk->private;
	pte_t pte = ptep_get(ptep);

	if (pte_none(pte))
		return 0;
	if (pte_present(pte))
		return present_pte(f, addr, pte);
	return absent_pte(f, addr, crctl_pte_entry(pte));
}

/* ---- transparent huge pages ---- */

/* Any page of a huge one that is in anonymous memory and is not its own must be zeroes. */
static int huge_page(struct finder *f, unsigned long addr, unsigned long end, struct page *page)
{
	bool own = PageAnon(page);
	int err = 0;

	if (!own && !f->anon)
		return 0;
	page += (addr & ~PMD_MASK) >> PAGE_SHIFT;
	for (; addr < end && !err; addr += PAGE_SIZE, page++) {
		if (own)
			err = own_page(f, addr, page, true);
		else if (!is_zero(page))
			err = bad(f, addr, "a page of a file or device in anonymous memory");
	}
	return err;
}

static int migrating_huge_page(struct finder *f, unsigned long addr, unsigned long end,
			       crctl_entry_t entry)
{
	int err = 0;

	for (; addr < end && !err; addr += PAGE_SIZE)
		err = absent_pte(f, addr, entry);
	return err;
}

static int on_pmd(pmd_t *pmdp, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	struct finder *f = walk->private;
	struct page *page = NULL;
	spinlock_t *ptl;	/* protects *pmdp */
	pmd_t pmd;
	int err;

	err = flush(f);
	if (err)
		return err;
	f->base = addr & PMD_MASK;
	cond_resched();

	pmd = READ_ONCE(*pmdp);
	if (!pmd_trans_huge(pmd) && !crctl_pmd_devmap(pmd) && !crctl_is_pmd_entry(pmd))
		return 0;	/* none, or page table entries that the walk visits */
	ptl = pmd_lock(walk->mm, pmdp);
	pmd = *pmdp;
	if (crctl_is_pmd_entry(pmd)) {
		err = migrating_huge_page(f, addr, next, crctl_pmd_entry(pmd));
	} else if (crctl_pmd_devmap(pmd)) {
		err = f->anon ? bad(f, addr, "a page that is no ordinary memory") : 0;
	} else if (pmd_trans_huge(pmd)) {
		page = pmd_page(pmd);
		get_page(page);
	} else {
		/* It was split meanwhile. */
		spin_unlock(ptl);
		return 0;
	}
	spin_unlock(ptl);
	walk->action = ACTION_CONTINUE;
	if (page) {
		err = huge_page(f, addr, next, page);
		put_page(page);
	}
	return err;
}

/* ---- huge pages of hugetlbfs ---- */

/* Sets @own to whether it is the process's own. */
static int check_hugetlb(struct finder *f, unsigned long addr, pte_t pte, bool *own)
{
	struct page *page;

	if (pte_present(pte))
		page = pte_page(pte);
	else if (crctl_swap_kind(crctl_pte_entry(pte)) == CRCTL_SWAP_MIGRATION)
		page = crctl_migrating_page(crctl_pte_entry(pte));
	else if (crctl_swap_kind(crctl_pte_entry(pte)) == CRCTL_SWAP_MEMORY)
		return bad(f, addr, "a page table entry of unknown kind");
	else
		return absent_pte(f, addr, crctl_pte_entry(pte));
	*own = PageAnon(page);
	if (!*own && f->anon)
		return bad(f, addr, "a page of a file or device in anonymous memory");
	return *own && PageHWPoison(page) ? bad(f, addr, "a page with a memory error") : 0;
}

static int on_hugetlb(pte_t *ptep, unsigned long hmask, unsigned long addr,
		      unsigned long next, struct mm_walk *walk)
{
	spinlock_t *ptl = huge_pte_lock(hstate_vma(walk->vma), walk->mm, ptep);
	pte_t pte = ptep_get(ptep);
	struct finder *f = walk->private;
	bool own = false;
	int err = pte_none(pte) ? 0 : check_hugetlb(f, addr, pte, &own);

	spin_unlock(ptl);
	if (!err && own) {
		err = crctl_pages_add(f->p, addr | f->prot, (next - addr) >> PAGE_SHIFT,
				      f->fresh);
		f->fresh = false;
	}
	cond_resched();
	return err;
}

static const struct mm_walk_ops find_ops = {
	.pmd_entry = on_pmd,
	.pte_entry = on_pte,
	.hugetlb_entry = on_hugetlb,
};

/* ---- all of it ---- */

static int find_in_vma(struct finder *f, struct vm_area_struct *vma, struct crctl_notes *n)
{
	u32 kind = crctl_vma_kind(vma);
	int err;

	switch (kind) {
	case CRCTL_VMA_ANON:
	case CRCTL_VMA_FILE_PRIVATE:
	case CRCTL_VMA_VDSO:
	case CRCTL_VMA_HUGE:
		break;
	default:
		return 0;
	}
	f->anon = vma_is_anonymous(vma) || kind == CRCTL_VMA_HUGE;
	f->pristine = kind == CRCTL_VMA_VDSO;
	f->prot = (vma->vm_flags & VM_READ ? PF_R : 0) |
		  (vma->vm_flags & VM_WRITE ? PF_W : 0) |
		  (vma->vm_flags & VM_EXEC ? PF_X : 0);
	/*
	 * It may be empty at any time, and better is: the vdso keeps the state of
	 * its random numbers there, which no two restored processes shall share.
	 */
	f->drop = vma->vm_flags & CRCTL_VM_DROPPABLE;
	f->fresh = true;
	f->bad = NULL;
	err = crctl_call(walk_page_range)(vma->vm_mm, vma->vm_start, vma->vm_end, &find_ops, f);
	if (f->bad) {
		crctl_refuse(n, CRCTL_REFUSE_PAGE, 0, f->bad_addr, 0, "%s", f->bad);
		bitmap_zero(f->found, PTRS_PER_PTE);
		return 0;
	}
	return err ?: flush(f);
}

/**
 * crctl_pages_find() - make the table of pages that are saved
 * @p: the table, empty
 * @g: the group
 * @n: where refusals go
 *
 * Return: 0 or a negative errno.
 */
int crctl_pages_find(struct crctl_pages *p, struct crctl_group *g, struct crctl_notes *n)
{
	struct finder *f;
	struct vm_area_struct *vma;
	int err;

	CRCTL_VMA_ITERATOR(vmi, g->mm);

	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	f->p = p;
	err = crctl_fault(DUMP_PAGES) ?: mmap_read_lock_killable(g->mm);
	if (err)
		goto out;
	crctl_for_each_vma(vmi, vma) {
		err = find_in_vma(f, vma, n);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			break;
	}
	mmap_read_unlock(g->mm);
	if (!err)
		err = crctl_pages_end(p);
out:
	kfree(f);
	return err;
}

/**
 * crctl_pages_free() - give the memory back
 * @p: the table, empty afterwards
 */
void crctl_pages_free(struct crctl_pages *p)
{
	kvfree(p->runs);
	memset(p, 0, sizeof(*p));
}

/* The run that has page number @page of the image, which is below p->total. */
static const struct crctl_run *find_run(const struct crctl_pages *p, unsigned long page)
{
	size_t low = 0, high = p->nr, mid;

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (p->runs[mid].first <= page)
			low = mid;
		else
			high = mid;
	}
	return &p->runs[low];
}

/* FOLL_DUMP makes a page that is not there an error instead of a new page. */
static long get_run(struct mm_struct *mm, unsigned long addr, unsigned long nr,
		    struct page **pages)
{
	long i, got;

	got = crctl_get_pages(mm, addr, nr, FOLL_FORCE | FOLL_DUMP, pages);
	if (got == -EFAULT || !got)
		return -EIO;
	for (i = 0; i < got; i++) {
		if (PageAnon(pages[i]))
			continue;
		/* The page is gone, and a file's page has taken its place. */
		while (got)
			put_page(pages[--got]);
		return -EIO;
	}
	return got;
}

/**
 * crctl_pages_get() - take references to pages of the image
 * @p: the table
 * @mm: the memory it was made of
 * @first: number of the first page in the image
 * @nr: how many, at least one and none behind the last
 * @pages: where to store them
 *
 * Return: how many, at least one, or a negative errno: -EIO when the page at
 * @first is no longer there, -ESRCH when the process has ended.
 */
long crctl_pages_get(const struct crctl_pages *p, struct mm_struct *mm, unsigned long first,
		     unsigned long nr, struct page **pages)
{
	const struct crctl_run *run = find_run(p, first);
	unsigned long addr, want, done = 0;
	long got;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	got = mmap_read_lock_killable(mm);
	if (got)
		goto out;
	while (done < nr) {
		while (run[1].first <= first + done)
			run++;
		addr = (run->start & PAGE_MASK) + ((first + done - run->first) << PAGE_SHIFT);
		want = min(nr - done, run[1].first - (first + done));
		got = get_run(mm, addr, want, pages + done);
		if (got < 0)
			break;
		done += got;
	}
	mmap_read_unlock(mm);
out:
	mmput(mm);
	return done ?: got;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that two processes share copy-on-write, as parent and child do after a
 * fork(): they are left out of the image of one of them.
 *
 * Shared is what both have at the same address, in mappings alike: a page of
 * anonymous memory (with which what a private mapping of a file has of its own
 * counts) that is one and the same. While it is compared a reference keeps it from
 * being used for anything else.
 */
#include <linux/file.h>
#include <linux/mm.h>

#include "compat/mm.h"
#include "compat/vma.h"
#include "crctl_ioctl.h"
#include "proc/dump.h"

#define BATCH		512ul
#define FIRST_ROOM	64u

/* What has to be alike in two mappings for one to take over pages of the other. */
struct area {
	unsigned long start, end;
	unsigned long flags;
	u32 kind;
	struct inode *inode;	/* only compared */
	unsigned long pgoff;	/* of page 0 of the address space; only of files */
};

struct sharing {
	struct mm_struct *own, *other;
	struct crctl_pages left;	/* what remains in the image */
	struct crctl_cow *recs;		/* kvmalloc'ed: what does not */
	u32 nr, room;
	u32 first;			/* record of this run's mapping: none spans two */
	u64 pages;
	bool count_only;
	struct page *own_pages[BATCH], *other_pages[BATCH];
};

#define FLAGS (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED | CRCTL_VM_PKEY)

/* The mapping at @addr, or the room until the next one: then its kind is 0. */
static int look_at(struct mm_struct *mm, unsigned long addr, struct area *a)
{
	struct vm_area_struct *vma;
	int err = mmap_read_lock_killable(mm);

	if (err)
		return err;
	memset(a, 0, sizeof(*a));
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr) {
		a->start = vma->vm_start;
		a->end = vma->vm_end;
		a->flags = vma->vm_flags & FLAGS;
		/* those of huge pages take no part: who writes to a shared one may find no other */
		a->kind = vma->vm_flags & VM_HUGETLB ? 0 : crctl_vma_kind(vma);
		if (vma->vm_file) {
			a->inode = file_inode(vma->vm_file);
			a->pgoff = vma->vm_pgoff - (vma->vm_start >> PAGE_SHIFT);
		}
	} else {
		a->start = addr;
		a->end = vma ? vma->vm_start : TASK_SIZE_MAX;
	}
	mmap_read_unlock(mm);
	return 0;
}

static bool alike(const struct area *a, const struct area *b)
{
	return (a->kind == CRCTL_VMA_ANON || a->kind == CRCTL_VMA_FILE_PRIVATE) &&
	       a->kind == b->kind && a->flags == b->flags && a->inode == b->inode &&
	       a->pgoff == b->pgoff;
}

/* @nr pages at @addr, where there is none NULL; nothing is put where nothing is. */
static int get_pages(struct mm_struct *mm, unsigned long addr, unsigned long nr,
		     struct page **pages)
{
	unsigned long done = 0;
	int err = mmap_read_lock_killable(mm);

	if (err) {
		memset(pages, 0, nr * sizeof(*pages));
		return err;
	}
	while (done < nr) {
		long got = crctl_get_pages(mm, addr + (done << PAGE_SHIFT), nr - done,
					   FOLL_FORCE | FOLL_DUMP, pages + done);

		if (got > 0)
			done += got;
		else
			pages[done++] = NULL;
	}
	mmap_read_unlock(mm);
	return 0;
}

static void put_pages(struct page **pages, unsigned long nr)
{
	while (nr--)
		if (pages[nr])
			put_page(pages[nr]);
}

static int add_rec(struct sharing *s, unsigned long addr)
{
	struct crctl_cow *last = s->nr > s->first ? &s->recs[s->nr - 1] : NULL;

	if (last && last->start + last->len == addr) {
		last->len += PAGE_SIZE;
		return 0;
	}
	if (s->nr == s->room) {
		u32 room = s->room ? s->room * 2 : FIRST_ROOM;
		struct crctl_cow *recs;

		if (s->nr == CRCTL_MAX_PHDRS)
			return -E2BIG;
		recs = kvmalloc_array(room, sizeof(*recs), GFP_KERNEL_ACCOUNT);
		if (!recs)
			return -ENOMEM;
		if (s->nr)
			memcpy(recs, s->recs, s->nr * sizeof(*recs));
		kvfree(s->recs);
		s->recs = recs;
		s->room = room;
	}
	s->recs[s->nr++] = (struct crctl_cow){ .start = addr, .len = PAGE_SIZE };
	return 0;
}

/* Each run of the old table is of one area, and so is what remains of it. */
static int keep(struct sharing *s, unsigned long start, unsigned long nr, bool *fresh)
{
	int err = s->count_only ? 0 : crctl_pages_add(&s->left, start, nr, *fresh);

	*fresh = false;
	return err;
}

static int compare_batch(struct sharing *s, unsigned long addr, unsigned long nr,
			 unsigned long prot, bool *fresh)
{
	unsigned long i;
	int err;

	err = get_pages(s->own, addr, nr, s->own_pages);
	if (err)
		return err;
	err = get_pages(s->other, addr, nr, s->other_pages);
	for (i = 0; i < nr && !err; i++, addr += PAGE_SIZE) {
		if (s->own_pages[i] && s->own_pages[i] == s->other_pages[i] &&
		    PageAnon(s->own_pages[i])) {
			s->pages++;
			err = s->count_only ? 0 : add_rec(s, addr);
		} else {
			err = keep(s, addr | prot, 1, fresh);
		}
	}
	put_pages(s->own_pages, nr);
	put_pages(s->other_pages, nr);
	cond_resched();
	return err ?: fatal_signal_pending(current) ? -EINTR : 0;
}

static int compare_run(struct sharing *s, unsigned long addr, unsigned long end,
		       unsigned long prot)
{
	struct area own, other;
	bool fresh = true;
	int err = look_at(s->own, addr, &own);

	s->first = s->nr;
	while (addr < end && !err) {
		unsigned long to;

		err = look_at(s->other, addr, &other);
		if (err)
			break;
		to = min(end, other.end);
		if (!alike(&own, &other)) {
			err = keep(s, addr | prot, (to - addr) >> PAGE_SHIFT, &fresh);
			addr = to;
			continue;
		}
		while (addr < to && !err) {
			unsigned long nr = min((to - addr) >> PAGE_SHIFT, BATCH);

			err = compare_batch(s, addr, nr, prot, &fresh);
			addr += nr << PAGE_SHIFT;
		}
	}
	return err;
}

static int compare(struct sharing *s, const struct crctl_pages *p)
{
	size_t i;
	int err = crctl_fault(DUMP_COW);

	for (i = 0; i < p->nr && !err; i++) {
		const struct crctl_run *run = &p->runs[i];
		unsigned long start = run->start & PAGE_MASK;

		err = compare_run(s, start, start + ((run[1].first - run->first) << PAGE_SHIFT),
				  run->start & ~PAGE_MASK);
	}
	if (!err && !s->count_only)
		err = crctl_pages_end(&s->left);
	return err;
}

/* The image with less in it. */
static int leave_out(struct crctl_dump *d, struct sharing *s)
{
	int err;

	if (!s->nr)
		return 0;
	err = crctl_note_records(&d->notes, CRCTL_NT_COW, s->recs, sizeof(*s->recs), s->nr,
				 NULL, 0);
	if (err) {
		/* nothing was added; what is there is whole */
		d->notes.error = 0;
		return err;
	}
	swap(d->pages, s->left);
	crctl_dump_lay_out(d);
	return 0;
}

static int share(struct crctl_dump *d, const struct crctl_dump *other, bool count_only,
		 u64 *pages)
{
	struct sharing *s = kvzalloc(sizeof(*s), GFP_KERNEL);
	int err = -ENOMEM;

	if (!s)
		return err;
	s->count_only = count_only;
	err = -ESRCH;
	if (mmget_not_zero(d->g.mm)) {
		s->own = d->g.mm;
		if (mmget_not_zero(other->g.mm)) {
			s->other = other->g.mm;
			err = compare(s, &d->pages);
			mmput(s->other);
		}
		mmput(s->own);
	}
	/* nothing has run meanwhile, or it was no comparison */
	if (!err)
		err = crctl_group_verify(&d->g) ?: crctl_group_verify(&other->g);
	if (!err && !count_only)
		err = leave_out(d, s);
	*pages = s->pages;
	crctl_pages_free(&s->left);
	kvfree(s->recs);
	kvfree(s);
	return err;
}

static int check(struct crctl_dump *d)
{
	int err = crctl_dump_lock(d);

	if (!err)
		crctl_dump_unlock(d);
	return err;
}

/**
 * crctl_cow_ask() - compare the memory of two dumps, see crctl_ioctl.h
 * @d: the dump that is asked
 * @arg: which other one, and the answer
 * @count_only: leave out nothing
 *
 * Return: 0 or a negative errno.
 */
int crctl_cow_ask(struct crctl_dump *d, struct crctl_shared_pages *arg, bool count_only)
{
	struct file *file = fget(arg->fd);
	struct crctl_dump *other;
	int err = -EINVAL;

	if (!file)
		return -EBADF;
	if (file->f_op != &crctl_dump_fops)
		goto out;
	other = file->private_data;
	err = check(d) ?: check(other) ?: down_write_killable(&d->layout);
	if (err)
		goto out;
	arg->pages = 0;
	if (d->left_out) {
		err = -EALREADY;
	} else if (other->g.mm != d->g.mm) {
		/* else it is one process' memory: such tasks are refused, by a note */
		err = share(d, other, count_only, &arg->pages);
		d->left_out = !err && !count_only;
	}
	up_write(&d->layout);
out:
	fput(file);
	return err;
}

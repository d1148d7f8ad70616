// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that tasks shared copy-on-write are shared again: a task takes them from
 * another one of the same restore, whose memory is loaded already, as fork() gives
 * a child those of its parent. What it takes them over for are whole mappings of
 * the other task; of these, what it does not have, or has otherwise, is cut off or
 * emptied then.
 *
 * The two know of each other by the pipe that they report to: who has given both
 * the same one, and numbers, lets one have what the other has.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <asm/tlbflush.h>

#include "compat/cow.h"
#include "compat/vma.h"
#include "proc/proc.h"
#include "restore/memory.h"

static LIST_HEAD(offers);
static DEFINE_SPINLOCK(offers_lock);
static DECLARE_WAIT_QUEUE_HEAD(offered);

/* ---- who has it ---- */

void crctl_cow_offer(struct crctl_restore *r)
{
	if (!r->img.control.id || !r->report)
		return;
	mmgrab(current->mm);
	r->mm = current->mm;
	spin_lock(&offers_lock);
	list_add(&r->offered, &offers);
	spin_unlock(&offers_lock);
	wake_up_all(&offered);
}

void crctl_cow_withdraw(struct crctl_restore *r)
{
	spin_lock(&offers_lock);
	list_del_init(&r->offered);
	spin_unlock(&offers_lock);
	if (r->mm)
		mmdrop(r->mm);
}

static bool find_source(const struct crctl_restore *r, struct mm_struct **mm)
{
	const struct crctl_restore *o;

	*mm = NULL;
	spin_lock(&offers_lock);
	list_for_each_entry(o, &offers, offered) {
		if (o->img.control.id == r->img.control.source &&
		    file_inode(o->report) == file_inode(r->report) && mmget_not_zero(o->mm)) {
			*mm = o->mm;
			break;
		}
	}
	spin_unlock(&offers_lock);
	return *mm;
}

/* ---- one mapping ---- */

/* The mapping of the other task that @addr is in, as @v, which has @addr too, would have it. */
static int look_up(struct mm_struct *src, unsigned long addr, struct crctl_vma *v)
{
	struct vm_area_struct *vma;
	u64 own = v->offset - v->start;
	int ret = mmap_read_lock_killable(src);

	if (ret)
		return ret;
	ret = -ESTALE;
	vma = find_vma(src, addr);
	if (vma && vma->vm_start <= addr && crctl_vma_kind(vma) == v->kind) {
		v->start = vma->vm_start;
		v->end = vma->vm_end;
		v->offset = own + v->start;
		ret = 0;
	}
	mmap_read_unlock(src);
	return ret;
}

static bool is_area(struct vm_area_struct *vma, const struct crctl_vma *v)
{
	return vma && vma->vm_start == v->start && vma->vm_end == v->end &&
	       crctl_vma_kind(vma) == v->kind;
}

/* The same place of the same file, or of anonymous memory; pages are found by that. */
static bool alike(const struct vm_area_struct *a, const struct vm_area_struct *b)
{
	if (a->vm_pgoff != b->vm_pgoff || !a->vm_file != !b->vm_file)
		return false;
	return !a->vm_file || file_inode(a->vm_file) == file_inode(b->vm_file);
}

/*
 * As dup_mmap() in kernel/fork.c does with each area, with the locks that it holds.
 * -EAGAIN: the other task's mapping is not @v any more. While it takes up the rest of its
 * state it maps a page now and then, which the kernel may join with another mapping.
 */
static int take_pages(struct mm_struct *src, const struct crctl_vma *v)
{
	struct mm_struct *dst = current->mm;
	struct vm_area_struct *from, *to;
	int ret = mmap_write_lock_killable(dst);

	if (ret)
		return ret;
	mmap_write_lock_nested(src, SINGLE_DEPTH_NESTING);
	from = find_vma(src, v->start);
	to = find_vma(dst, v->start);
	ret = is_area(from, v) ? -ESTALE : -EAGAIN;
	if (!is_area(from, v) || !is_area(to, v) || !alike(from, to) || !from->anon_vma ||
	    to->anon_vma)
		goto out;
	crctl_vma_start_write(from);
	crctl_vma_start_write(to);
	ret = crctl_call(anon_vma_fork)(to, from);
	if (!ret)
		ret = crctl_call(copy_page_range)(to, from);
	/* the pages are write-protected now, which some CPU may not know */
	crctl_call(flush_tlb_mm_range)(src, 0, TLB_FLUSH_ALL, 0, true);
out:
	mmap_write_unlock(src);
	mmap_write_unlock(dst);
	return ret;
}

static int take_mapping(struct crctl_restore *r, u32 idx, struct mm_struct *src,
			unsigned long addr, struct crctl_vma *v)
{
	const struct crctl_vma whole = *v;
	int ret;

	do {
		*v = whole;
		ret = crctl_fault(RESTORE_COW) ?: look_up(src, addr, v);
		if (ret)
			break;
		/* it tells itself what goes wrong */
		ret = crctl_memory_map(r, idx, v);
		if (ret)
			return ret;
		ret = take_pages(src, v);
		if (ret == -EAGAIN)
			vm_munmap(v->start, v->end - v->start);
	} while (ret == -EAGAIN && !fatal_signal_pending(current));
	if (ret)
		return crctl_restore_fail(r, ret, "mapping", addr,
					  "cannot share pages with another task");
	return 0;
}

/* ---- all of them ---- */

/* Where the first mapping behind @addr begins, and @addr itself if one has it; else @limit. */
static unsigned long first_from(unsigned long addr, unsigned long limit, unsigned long *end)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = find_vma(mm, addr);
	if (!vma || vma->vm_start >= limit) {
		addr = limit;
	} else {
		addr = max(addr, vma->vm_start);
		*end = vma->vm_end;
	}
	mmap_read_unlock(mm);
	return addr;
}

static int take_range(struct crctl_restore *r, u32 idx, struct mm_struct *src,
		      const struct crctl_vma *whole, const struct crctl_cow *c)
{
	unsigned long addr = c->start, end = c->start + c->len, next = 0;
	int ret = 0;

	while (addr < end && !ret) {
		struct crctl_vma v = *whole;

		/* the range before may have been of the same mapping */
		if (first_from(addr, end, &next) == addr) {
			addr = next;
			continue;
		}
		ret = take_mapping(r, idx, src, addr, &v);
		addr = v.end;
	}
	return ret;
}

/* What the other task has no mapping for, as where a stack grew. */
static int map_rest(struct crctl_restore *r, u32 idx, const struct crctl_vma *whole)
{
	unsigned long addr = whole->start, next = 0;
	int ret = 0;

	while (addr < whole->end && !ret) {
		struct crctl_vma v = *whole;

		v.start = addr;
		v.offset += addr - whole->start;
		v.end = first_from(addr, whole->end, &next);
		if (v.end > addr)
			ret = crctl_memory_map(r, idx, &v);
		addr = v.end < whole->end ? next : v.end;
	}
	return ret;
}

static int empty(struct crctl_restore *r, unsigned long start, unsigned long end)
{
	int ret = start < end ? CRCTL_SYS(madvise, start, end - start, MADV_DONTNEED) : 0;

	return ret ? crctl_restore_fail(r, ret, "mapping", start, "cannot empty memory") : 0;
}

/* Pages of the other task that this one does not share. */
static int empty_rest(struct crctl_restore *r, const struct crctl_vma *v, u32 pos)
{
	unsigned long addr = v->start;
	struct crctl_cow c;
	int ret = 0;

	for (; pos < r->img.cow.count && !ret; pos++) {
		crctl_rec(&r->img.cow, pos, &c, sizeof(c));
		if (c.start >= v->end)
			break;
		ret = empty(r, addr, c.start);
		addr = c.start + c.len;
	}
	return ret ?: empty(r, addr, v->end);
}

static int take_all(struct crctl_restore *r, struct mm_struct *src)
{
	struct crctl_vma v = { .end = 0 };
	struct crctl_cow c;
	u32 i, idx = 0;
	int ret = 0;

	for (i = 0; i < r->img.cow.count && !ret; i++) {
		crctl_rec(&r->img.cow, i, &c, sizeof(c));
		while (c.start >= v.end)
			crctl_rec(&r->img.vma, idx++, &v, sizeof(v));
		ret = take_range(r, idx - 1, src, &v, &c);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	return ret;
}

static int cut(struct crctl_restore *r, unsigned long start, unsigned long end)
{
	int ret = start < end ? vm_munmap(start, end - start) : 0;

	return ret ? crctl_restore_fail(r, ret, "mapping", start, "cannot unmap memory") : 0;
}

/* Mappings are as they shall be in the end, and so are the pages that are shared. */
static int fit(struct crctl_restore *r)
{
	unsigned long end = 0;
	struct crctl_vma v;
	u32 i, pos = 0;
	int ret = 0;

	for (i = 0; i < r->img.vma.count && !ret; i++) {
		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		if (!crctl_shares(&r->img, &v, &pos))
			continue;
		ret = cut(r, end, v.start);
		if (!ret)
			ret = map_rest(r, i, &v);
		if (!ret)
			ret = empty_rest(r, &v, pos);
		end = v.end;
	}
	return ret ?: cut(r, end, TASK_SIZE_MAX);
}

/* Nobody will open it any more: the restore has been given up. */
static bool gate_is_lost(const struct crctl_restore *r)
{
	return r->gate && vfs_poll(r->gate, NULL) & EPOLLHUP;
}

/*
 * As long as it takes. If the other task fails its controller ends the restore, and
 * this task with it, be it by SIGKILL or by no more than its own end: of that the
 * gate tells, which wakes nobody here.
 */
static int wait_for_source(struct crctl_restore *r, struct mm_struct **src)
{
	long left;

	do {
		if (gate_is_lost(r))
			return -EPIPE;
		left = wait_event_killable_timeout(offered, find_source(r, src), HZ / 10);
	} while (!left);
	return left < 0 ? -EINTR : 0;
}

int crctl_cow_map(struct crctl_restore *r)
{
	struct mm_struct *src;
	int ret;

	if (!r->img.cow.count)
		return 0;
	ret = wait_for_source(r, &src);
	if (ret)
		return ret;
	ret = take_all(r, src);
	mmput(src);
	return ret ?: fit(r);
}

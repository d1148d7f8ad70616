// SPDX-License-Identifier: GPL-2.0
/*
 * Recreating an address space: the vdso at its old place, mappings, pages,
 * advice, and the layout that the kernel keeps about code, heap, stack and
 * arguments. Mappings are made by vm_mmap(), or mmap(2), with all of its checks.
 */
#include <linux/file.h>
#include <linux/membarrier.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched/coredump.h>
#include <asm/vdso.h>

#include "compat/mm.h"
#include "compat/vma.h"
#include "restore/memory.h"

static int map_vdso(struct crctl_restore *r)
{
	const struct crctl_mm *m = &r->img.mm;
	int ret;

	if (!m->vdso)
		return 0;
	/* the address is a hint to get_unmapped_area(); the space is empty yet */
	ret = crctl_fault(RESTORE_VDSO) ?: crctl_call(map_vdso_once)(crctl_vdso_image(), m->vvar);
	if (!ret && (unsigned long)current->mm->context.vdso != m->vdso)
		ret = -EEXIST;
	if (ret)
		return crctl_restore_fail(r, ret, "vdso", m->vdso, "cannot map the vdso");
	return 0;
}

static unsigned long map_flags(const struct crctl_vma *v)
{
	unsigned long flags = MAP_FIXED;

	if (v->kind == CRCTL_VMA_FILE_SHARED)
		flags |= MAP_SHARED;
	else
		flags |= v->flags & CRCTL_VMF_DROPPABLE ? CRCTL_MAP_DROPPABLE : MAP_PRIVATE;
	if (v->kind == CRCTL_VMA_ANON || v->kind == CRCTL_VMA_HUGE)
		flags |= MAP_ANONYMOUS;
	if (v->flags & CRCTL_VMF_GROWSDOWN)
		flags |= MAP_GROWSDOWN;
	if (v->flags & CRCTL_VMF_NORESERVE)
		flags |= MAP_NORESERVE;
	return flags;
}

/*
 * Private memory that was writable once is accounted for, whatever its
 * protection is now (relro): be writable for a moment too.
 */
static bool was_writable(const struct crctl_vma *v)
{
	return v->kind != CRCTL_VMA_FILE_SHARED && v->flags & CRCTL_VMF_ACCOUNT &&
	       !(v->prot & PROT_WRITE);
}

/*
 * Pages can be put in only while it is writable (f347454d0341, "mm/gup: disallow
 * FOLL_FORCE|FOLL_WRITE on hugetlb mappings", 6.2): it is protected when they are in.
 */
#define HUGE_PROT (PROT_READ | PROT_WRITE)

/* A file of huge pages becomes as long as a mapping that may be written to: it may be shorter. */
static unsigned long map_prot(const struct crctl_vma *v)
{
	if (v->huge_shift && v->kind != CRCTL_VMA_HUGE)
		return PROT_READ;
	return v->huge_shift || was_writable(v) ? HUGE_PROT : v->prot;
}

/* What comes after that, until memory has been filled. */
static unsigned long fill_prot(const struct crctl_vma *v)
{
	if (!v->huge_shift)
		return v->prot;
	return v->kind == CRCTL_VMA_FILE_SHARED ? PROT_READ : HUGE_PROT;
}

/* It is mmap(2) itself that makes the file. */
static unsigned long map_huge(const struct crctl_vma *v)
{
	unsigned long flags = map_flags(v) | MAP_HUGETLB |
			      (unsigned long)v->huge_shift << MAP_HUGE_SHIFT;

	return CRCTL_SYS(mmap, v->start, v->end - v->start, map_prot(v), flags, -1, 0);
}

static unsigned long map_vma(struct crctl_restore *r, u32 idx, const struct crctl_vma *v)
{
	if (v->kind == CRCTL_VMA_HUGE)
		return map_huge(v);
	if (v->file_flags & CRCTL_FILE_SYSV)
		return crctl_sysv_map(r, idx, map_flags(v));
	return vm_mmap(r->vma_files[idx], v->start, v->end - v->start,
		       map_prot(v), map_flags(v), v->kind == CRCTL_VMA_ANON ? 0 : v->offset);
}

int crctl_memory_map(struct crctl_restore *r, u32 idx, const struct crctl_vma *v)
{
	unsigned long addr = crctl_fault(RESTORE_MAP) ?: map_vma(r, idx, v);
	long ret;

	if (addr != v->start)
		return crctl_restore_fail(r, IS_ERR_VALUE(addr) ? (int)addr : -ENOMEM,
					  v->huge_shift ? "hugepages" : "mapping",
					  v->start, "cannot %s %llu bytes",
					  v->file_flags & CRCTL_FILE_SYSV ? "attach" : "map",
					  v->end - v->start);
	ret = map_prot(v) == fill_prot(v) ? 0 :
	      CRCTL_SYS(mprotect, v->start, v->end - v->start, fill_prot(v));
	if (ret)
		return crctl_restore_fail(r, ret, "mapping", v->start,
					  "cannot protect %llu bytes", v->end - v->start);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int map_vmas(struct crctl_restore *r)
{
	u32 i, cow = 0;
	int ret;

	for (i = 0; i < r->img.vma.count; i++) {
		struct crctl_vma v;

		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		/* what shares pages is there already */
		if (v.kind == CRCTL_VMA_VDSO || v.kind == CRCTL_VMA_VVAR ||
		    crctl_shares(&r->img, &v, &cow))
			continue;
		ret = crctl_memory_map(r, i, &v);
		if (ret)
			return ret;
	}
	return 0;
}

static int protect_huge(struct crctl_restore *r)
{
	struct crctl_vma v;
	long ret = 0;
	u32 i;

	for (i = 0; i < r->img.vma.count && !ret; i++) {
		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		if (v.prot != fill_prot(&v))
			ret = CRCTL_SYS(mprotect, v.start, v.end - v.start, v.prot);
	}
	return ret ? crctl_restore_fail(r, ret, "hugepages", v.start, "cannot protect") : 0;
}

static const struct {
	u64 flag;
	int advice;
} advices[] = {
	{ CRCTL_VMF_DONTFORK, MADV_DONTFORK },
	{ CRCTL_VMF_DONTDUMP, MADV_DONTDUMP },
	{ CRCTL_VMF_WIPEONFORK, MADV_WIPEONFORK },
	{ CRCTL_VMF_HUGEPAGE, MADV_HUGEPAGE },
	{ CRCTL_VMF_NOHUGEPAGE, MADV_NOHUGEPAGE },
	{ CRCTL_VMF_MERGEABLE, MADV_MERGEABLE },
	{ CRCTL_VMF_SEQ_READ, MADV_SEQUENTIAL },
	{ CRCTL_VMF_RAND_READ, MADV_RANDOM },
};

/* Huge page advice steers how pages are put in, so it comes before them. */
static int advise(struct crctl_restore *r, u64 which)
{
	struct crctl_vma v;
	u32 i, k;
	long ret;

	for (i = 0; i < r->img.vma.count; i++) {
		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		if (v.kind == CRCTL_VMA_VDSO || v.kind == CRCTL_VMA_VVAR)
			continue;
		for (k = 0; k < ARRAY_SIZE(advices); k++) {
			if (!(v.flags & which & advices[k].flag))
				continue;
			ret = crctl_fault(RESTORE_ADVISE) ?:
			      CRCTL_SYS(madvise, v.start, v.end - v.start, advices[k].advice);
			if (ret)
				return crctl_restore_fail(r, ret, "mapping", v.start,
							  "cannot apply advice %d",
							  advices[k].advice);
		}
		if (v.flags & which & CRCTL_VMF_LOCKED) {
			ret = CRCTL_SYS(mlock2, v.start, v.end - v.start,
					v.flags & CRCTL_VMF_LOCKONFAULT ? MLOCK_ONFAULT : 0);
			if (ret)
				return crctl_restore_fail(r, ret, "mapping", v.start,
							  "cannot lock memory");
		}
	}
	return 0;
}

static void set_layout(struct crctl_restore *r)
{
	const struct crctl_mm *m = &r->img.mm;
	struct mm_struct *mm = current->mm;
	size_t auxv = min_t(size_t, r->img.auxv_size, sizeof(mm->saved_auxv));

	mmap_write_lock(mm);
	spin_lock(&mm->arg_lock);
	mm->start_code = m->start_code;
	mm->end_code = m->end_code;
	mm->start_data = m->start_data;
	mm->end_data = m->end_data;
	mm->start_brk = m->start_brk;
	mm->brk = m->brk;
	mm->start_stack = m->start_stack;
	mm->arg_start = m->arg_start;
	mm->arg_end = m->arg_end;
	mm->env_start = m->env_start;
	mm->env_end = m->env_end;
	spin_unlock(&mm->arg_lock);
	mm->mmap_base = m->mmap_base;
	memset(mm->saved_auxv, 0, sizeof(mm->saved_auxv));
	memcpy(mm->saved_auxv, r->img.auxv, auxv);
	mm->saved_auxv[AT_VECTOR_SIZE - 2] = AT_NULL;
	mm->saved_auxv[AT_VECTOR_SIZE - 1] = AT_NULL;
	mmap_write_unlock(mm);
}

int crctl_memory_restore(struct crctl_restore *r)
{
	const u64 huge = CRCTL_VMF_HUGEPAGE | CRCTL_VMF_NOHUGEPAGE;
	int ret = crctl_cow_map(r);

	if (!ret)
		ret = map_vdso(r);
	crctl_pkeys_restore(r);
	if (!ret)
		ret = map_vmas(r);
	if (!ret)
		ret = crctl_mempolicy_memory(r);
	if (!ret)
		ret = advise(r, huge);
	if (!ret)
		ret = crctl_pages_fill(r);
	if (!ret)
		ret = protect_huge(r);
	if (!ret)
		ret = advise(r, ~huge);
	if (!ret)
		ret = crctl_pkeys_protect(r);
	if (ret)
		return ret;
	set_layout(r);
	if (r->exe_file) {
		ret = crctl_fault(RESTORE_EXE) ?: crctl_set_exe_file(current->mm, r->exe_file);
		if (ret)
			return crctl_restore_fail(r, ret, "files", 0,
						  "cannot set the link to the executable");
	}
	crctl_cow_offer(r);
	return 0;
}

static int register_membarrier(struct crctl_restore *r)
{
	static const int cmds[] = {
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
		MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
	};
	unsigned int i;
	long ret;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (!(r->img.mm.membarrier & BIT(i)))
			continue;
		ret = CRCTL_SYS(membarrier, cmds[i], 0, 0);
		if (ret)
			return crctl_restore_fail(r, ret, "memory", i,
						  "cannot register for membarrier");
	}
	return 0;
}

/* What depends on credentials, or would be in the way of the restore itself. */
int crctl_memory_attributes(struct crctl_restore *r)
{
	const struct crctl_mm *m = &r->img.mm;
	long ret = register_membarrier(r);

	if (ret)
		return ret;
	ret = CRCTL_SYS(prctl, PR_SET_THP_DISABLE, m->thp_disable, 0, 0, 0);
	if (!ret)
		ret = CRCTL_SYS(prctl, PR_SET_DUMPABLE,
				m->dumpable == 1 && !r->unreadable);
	if (ret)
		return crctl_restore_fail(r, ret, "memory", 0, "cannot set an attribute");
	crctl_set_dump_filter(current->mm, m->coredump_filter);
	return 0;
}

/* When nothing is mapped any more: from here on each new mapping is locked. */
int crctl_memory_finish(struct crctl_restore *r)
{
	int flags = MCL_FUTURE;
	long ret;

	if (!r->img.mm.lock_future)
		return 0;
	if (r->img.mm.lock_future == 2)
		flags |= MCL_ONFAULT;
	ret = CRCTL_SYS(mlockall, flags);
	return ret ? crctl_restore_fail(r, ret, "memory", 0, "cannot lock future mappings") : 0;
}

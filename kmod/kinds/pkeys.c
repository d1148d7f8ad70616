// SPDX-License-Identifier: GPL-2.0
/*
 * Protection keys, pkeys(7): which are allocated, and the one that the kernel
 * takes for memory that may be executed only. Areas have theirs in their
 * flags, threads what they may do in PKRU.
 */
#include <linux/cpufeature.h>
#include <linux/mman.h>
#include <linux/pkeys.h>
#include <linux/sched/signal.h>
#include <asm/fpu/types.h>

#include "restore/restore.h"

#ifdef CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS

/* ---- dump ---- */

/* mmap_lock is held. */
void crctl_pkeys_dump(struct crctl_group *g, struct crctl_mm *out)
{
	struct mm_struct *mm = g->mm;
	u16 keys = mm_pkey_allocation_map(mm);
	s16 execute_only = mm->context.execute_only_pkey;

	/* without them there is still a bit for key 0 */
	if (!(keys & ~1) || !crctl_has_pkeys())
		return;
	out->pkeys = keys;
	/* the register belongs to them, though all may have it in its first state */
	g->xfeatures_used |= XFEATURE_MASK_PKRU & crctl_xfeatures();
	if (execute_only > 0)
		out->execute_only_pkey = execute_only;
}

/* ---- restore ---- */

bool crctl_has_pkeys(void)
{
	return cpu_feature_enabled(X86_FEATURE_OSPKE);
}

static void set_keys(u16 keys, u32 execute_only)
{
	struct mm_struct *mm = current->mm;

	mmap_write_lock(mm);
	mm_pkey_allocation_map(mm) = keys | 1;
	mm->context.execute_only_pkey = execute_only ?: -1;
	mmap_write_unlock(mm);
}

static u32 key_of(const struct crctl_vma *v)
{
	return (v->flags & CRCTL_VMF_PKEY) >> CRCTL_PKEY_SHIFT;
}

/* A key that was given back may still be an area's. */
static u16 used_keys(struct crctl_restore *r)
{
	struct crctl_vma v;
	u16 used = 0;
	u32 i;

	for (i = 0; i < r->img.vma.count; i++) {
		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		used |= BIT(key_of(&v));
	}
	return used;
}

/* Before anything is mapped: what is executable only gets a key by that. */
void crctl_pkeys_restore(struct crctl_restore *r)
{
	const struct crctl_mm *m = &r->img.mm;

	if (crctl_has_pkeys())
		set_keys(m->pkeys | used_keys(r), m->execute_only_pkey);
}

static int protect(struct crctl_restore *r, const struct crctl_vma *v)
{
	long ret = crctl_fault(RESTORE_KEYS) ?:
		   CRCTL_SYS(pkey_mprotect, v->start, v->end - v->start, v->prot, key_of(v));

	if (!ret)
		return 0;
	return crctl_restore_fail(r, ret, "mapping", v->start, "cannot set protection key %u",
				  key_of(v));
}

/* When pages are in place, which no thread may be able to write any more. */
int crctl_pkeys_protect(struct crctl_restore *r)
{
	const struct crctl_mm *m = &r->img.mm;
	struct crctl_vma v;
	int ret = 0;
	u32 i;

	if (!crctl_has_pkeys())
		return 0;
	/* no system call takes the key of what is executable only; with none, all may be used */
	set_keys(m->pkeys | used_keys(r), 0);
	for (i = 0; !ret && i < r->img.vma.count; i++) {
		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		/* what is executable only has got one, which may not be its own */
		if (key_of(&v) || (v.prot == PROT_EXEC && v.kind != CRCTL_VMA_VDSO))
			ret = protect(r, &v);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
	}
	set_keys(m->pkeys, m->execute_only_pkey);
	return ret;
}

#else

void crctl_pkeys_dump(struct crctl_group *g, struct crctl_mm *out) { }
bool crctl_has_pkeys(void) { return false; }
void crctl_pkeys_restore(struct crctl_restore *r) { }
int crctl_pkeys_protect(struct crctl_restore *r) { return 0; }

#endif

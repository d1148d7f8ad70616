// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA memory policies, of memory (mbind) and of threads (set_mempolicy). They are about
 * where memory lies, not about what is in it: where a machine lacks the nodes, a program
 * runs on without.
 */
#include <linux/dcache.h>
#include <linux/fdtable.h>
#include <linux/magic.h>
#include <linux/uaccess.h>

#include "compat/fs.h"
#include "compat/mempolicy.h"
#include "compat/vma.h"
#include "proc/proc.h"
#include "restore/restore.h"

/* ---- dump ---- */

static bool is_shmem(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == TMPFS_MAGIC &&
	       S_ISREG(file_inode(file)->i_mode);
}

/* A file that a restore makes anew, without the policy that has been given to it. */
static bool loses_policy(struct file *file)
{
	bool deleted = d_unlinked(crctl_file_path(file)->dentry);

	return is_shmem(file) && crctl_shmem_has_policy(file_inode(file)) &&
	       crctl_file_flags(file, deleted);
}

/* That of huge pages is the area's, and about a file that others map too. */
static bool has_lost_policy(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_HUGETLB && vma->vm_flags & VM_MAYSHARE)
		return crctl_vma_policy(vma);
	return vma->vm_file && loses_policy(vma->vm_file);
}

/* That of shared memory is the file's, whatever the area has; what is the kernel's needs none. */
static const struct mempolicy *area_policy(struct vm_area_struct *vma)
{
	const struct mempolicy *p = crctl_vma_policy(vma);
	u32 kind;

	if (!p || (vma->vm_file && is_shmem(vma->vm_file)))
		return NULL;
	kind = crctl_vma_kind(vma);
	return kind && kind != CRCTL_VMA_VDSO && kind != CRCTL_VMA_VVAR ? p : NULL;
}

static bool tell(const struct mempolicy *p, struct crctl_mempolicy *out)
{
	nodemask_t nodes = crctl_policy_nodes(p);

	BUILD_BUG_ON(sizeof(nodes) > sizeof(out->nodes));
	out->mode = crctl_policy_mode(p) | crctl_policy_flags(p);
	out->home_node = crctl_policy_home(p);
	memcpy(out->nodes, nodes_addr(nodes), sizeof(nodes));
	return crctl_policy_mode(p) <= CRCTL_POLICY_LAST &&
	       !(crctl_policy_flags(p) & ~CRCTL_POLICY_FLAGS);
}

static void refuse_unknown(struct crctl_notes *n, pid_t tid, const struct crctl_mempolicy *m)
{
	crctl_refuse(n, CRCTL_REFUSE_MEMPOLICY, tid, m->start, m->mode,
		     "a NUMA memory policy that is not known: %x", m->mode);
}

/* How many areas have one; with @recs, which ones. */
static u32 tell_areas(struct crctl_group *g, struct crctl_notes *n, struct crctl_mempolicy *recs,
		      u32 room)
{
	struct vm_area_struct *vma;
	u32 count = 0;

	CRCTL_VMA_ITERATOR(vmi, g->mm);

	crctl_for_each_vma(vmi, vma) {
		const struct mempolicy *p = area_policy(vma);

		cond_resched();
		if (!recs && has_lost_policy(vma))
			crctl_refuse(n, CRCTL_REFUSE_MEMPOLICY, 0, vma->vm_start, 0,
				     "shared memory with a NUMA policy (mbind)");
		if (!p)
			continue;
		if (recs && count < room) {
			recs[count].start = vma->vm_start;
			recs[count].end = vma->vm_end;
			if (!tell(p, &recs[count]))
				refuse_unknown(n, 0, &recs[count]);
		}
		count++;
	}
	return count;
}

static u32 tell_threads(struct crctl_group *g, struct crctl_notes *n, struct crctl_mempolicy *recs,
			u32 room)
{
	u32 count = 0;
	unsigned int i;

	for (i = 0; i < g->nr_threads; i++) {
		struct task_struct *t = g->threads[i];
		struct crctl_mempolicy m = { .thread = i + 1 };
		const struct mempolicy *p;
		bool known;

		/* a change of cpusets may change it */
		task_lock(t);
		p = crctl_task_policy(t);
		known = !p || tell(p, &m);
		task_unlock(t);
		cond_resched();
		if (!p)
			continue;
		if (!known && recs)
			refuse_unknown(n, task_pid_nr_ns(t, g->ns), &m);
		if (recs && count < room)
			recs[count] = m;
		count++;
	}
	return count;
}

static int tell_all(struct crctl_group *g, struct crctl_notes *n)
{
	struct crctl_mempolicy *recs;
	u32 areas, count;
	int ret;

	ret = mmap_read_lock_killable(g->mm);
	if (ret)
		return ret;
	areas = tell_areas(g, n, NULL, 0);
	count = areas + tell_threads(g, n, NULL, 0);
	if (!count)
		goto out;
	ret = -ENOMEM;
	recs = crctl_fault(DUMP_POLICY) ? NULL : kvcalloc(count, sizeof(*recs), GFP_KERNEL_ACCOUNT);
	if (!recs)
		goto out;
	/* none of the threads runs, and so nothing can have come or gone */
	ret = -EBUSY;
	if (tell_areas(g, n, recs, areas) == areas &&
	    tell_threads(g, n, recs + areas, count - areas) == count - areas)
		ret = crctl_note_records(n, CRCTL_NT_MEMPOLICY, recs, sizeof(*recs), count,
					 NULL, 0);
	kvfree(recs);
out:
	mmap_read_unlock(g->mm);
	return ret;
}

/* For iterate_fd(). */
static int look(const void *private, struct file *file, unsigned int fd)
{
	return loses_policy(file) ? fd + 1 : 0;
}

/* A memfd need not be mapped. One of them is reason enough. */
static void check_descriptors(struct crctl_group *g, struct crctl_notes *n)
{
	struct task_struct *first = crctl_first(g);
	int found = 0;

	task_lock(first);
	if (first->files)
		found = iterate_fd(first->files, 0, look, NULL);
	task_unlock(first);
	if (found)
		crctl_refuse(n, CRCTL_REFUSE_MEMPOLICY, 0, 0, found - 1,
			     "shared memory with a NUMA policy (mbind), descriptor %d",
			     found - 1);
}

/**
 * crctl_mempolicy_dump() - append the MEMPOLICY note, if there is anything to tell
 * @g: the group
 * @n: the notes
 *
 * Return: 0 or a negative errno.
 */
int crctl_mempolicy_dump(struct crctl_group *g, struct crctl_notes *n)
{
	check_descriptors(g, n);
	return tell_all(g, n);
}

/* ---- restore ---- */

/* Those of threads are last, in the threads' order. */
static bool find_thread(const struct crctl_ref *ref, u32 thread, struct crctl_mempolicy *m)
{
	u32 low = 0, high = ref->count;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		crctl_rec(ref, mid, m, sizeof(*m));
		if (m->thread < thread)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == ref->count)
		return false;
	crctl_rec(ref, low, m, sizeof(*m));
	return m->thread == thread;
}

/* The kernel wants to be told of no more nodes than it could have. */
#define MAXNODE	(MAX_NUMNODES + 1)

static long set_area(const struct crctl_mempolicy *m, unsigned long __user *nodes)
{
	u64 len = m->end - m->start;
	long ret = CRCTL_SYS(mbind, m->start, len, m->mode, nodes, MAXNODE, 0);

	if (!ret && m->home_node >= 0)
		ret = crctl_set_home_node(m->start, len, m->home_node);
	/* no node of it is here: memory that has just been mapped has the default policy */
	return ret == -EINVAL ? 0 : ret;
}

static long set_default(void)
{
	return crctl_task_policy(current) ? CRCTL_SYS(set_mempolicy, MPOL_DEFAULT, NULL, 0) : 0;
}

static long set_thread(const struct crctl_mempolicy *m, unsigned long __user *nodes)
{
	long ret = CRCTL_SYS(set_mempolicy, m->mode, nodes, MAXNODE);

	return ret == -EINVAL ? set_default() : ret;
}

static int set_policy(struct crctl_restore *r, const struct crctl_mempolicy *m)
{
	unsigned long __user *nodes = (void __user *)r->scratch;
	long ret = crctl_fault(RESTORE_POLICY);

	if (!IS_ENABLED(CONFIG_NUMA))
		return 0;
	if (!ret && copy_to_user(nodes, m->nodes, sizeof(nodemask_t)))
		ret = -EFAULT;
	if (!ret)
		ret = m->thread ? set_thread(m, nodes) : set_area(m, nodes);
	return ret ? crctl_restore_fail(r, ret, m->thread ? "threads" : "mapping", m->start,
					"cannot set a memory policy") : 0;
}

/*
 * What a thread has been given by who made it, or the process by who executed the image, is
 * not the program's: without a record it has none.
 */
int crctl_mempolicy_restore(struct crctl_restore *r, u32 idx)
{
	struct crctl_mempolicy m;
	long ret;

	if (find_thread(&r->img.mempolicy, idx + 1, &m))
		return set_policy(r, &m);
	ret = set_default();
	return ret ? crctl_restore_fail(r, ret, "threads", 0, "cannot reset a memory policy") : 0;
}

static int restore_all(struct crctl_restore *r, u32 idx)
{
	int ret = crctl_mempolicy_restore(r, idx);
	struct crctl_mempolicy m;
	u32 i;

	for (i = 0; i < r->img.mempolicy.count && !ret; i++) {
		crctl_rec(&r->img.mempolicy, i, &m, sizeof(m));
		if (m.thread)
			break;
		ret = set_policy(r, &m);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	return ret;
}

/**
 * crctl_mempolicy_memory() - the policies of memory, and of the first thread
 * @r: the restore; all mappings are there, and none of their pages yet
 *
 * Return: 0 or a negative errno, which has been reported.
 */
int crctl_mempolicy_memory(struct crctl_restore *r)
{
	if (!r->img.mempolicy.count && !crctl_task_policy(current))
		return 0;
	return crctl_with_scratch(r, 0, restore_all);
}

/**
 * crctl_mempolicy_of_task() - whether it matters who of several tasks fills memory
 *
 * Return: true if current has a policy of its own, and the machine more than one node.
 */
bool crctl_mempolicy_of_task(void)
{
	return crctl_task_policy(current) && num_node_state(N_MEMORY) > 1;
}

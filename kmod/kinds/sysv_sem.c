// SPDX-License-Identifier: GPL-2.0
/*
 * System V semaphores: what is to be undone when a process ends (SEM_UNDO).
 * User space sees values and who operated last, and not this.
 *
 * The lists are private to ipc/sem.c (see compat/ipc.h). They are only read,
 * without a fault if they are not what they should be, under the lock of each
 * set, which whoever adds, alters or frees an entry of the set holds. What a
 * process has on its own list has to be found again in the sets: where it is
 * not, the process is refused.
 */
#include <linux/idr.h>
#include <linux/ipc_namespace.h>
#include <linux/nsproxy.h>
#include <linux/rculist.h>
#include <linux/sched/task.h>

#include "compat/ipc.h"
#include "crctl.h"

/* Lists and sets larger than that are none. */
#define MAX_ENTRIES	(4u << 20)
#define MAX_SEMAPHORES	(1u << 20)

/* Sets may be removed while it is looked for entries of a list in them. */
#define ATTEMPTS	4

#define ADJUSTMENT	sizeof(__s16)

/* What is being told of sets, and of one set that was looked at under its lock. */
struct told {
	const struct crctl_undo_list *own;
	struct crctl_sem_undo *recs;
	u32 count, room;
	u8 *extra;
	u32 extra_size, extra_room;
	u32 own_entries;	/* met in the sets */
};

static int read_next(const struct list_head *at, const struct list_head **next)
{
	unsigned long value;

	__get_kernel_nofault(&value, &at->next, unsigned long, gone);
	*next = (const void *)value;
	return 0;
gone:
	return -EFAULT;
}

static int read_owner(const struct crctl_undo *un, const struct crctl_undo_list **owner, int *id)
{
	unsigned long value;

	__get_kernel_nofault(&value, &un->ulp, unsigned long, gone);
	__get_kernel_nofault(id, &un->semid, int, gone);
	*owner = (const void *)value;
	return 0;
gone:
	return -EFAULT;
}

/* Return: whether any adjustment of an entry is not 0, or a negative errno. */
static int read_adjustments(const struct crctl_undo *un, u32 nr, __s16 *out)
{
	const short *from = crctl_undo_adjustments(un);
	bool some = false;
	short value = 0;
	u32 i;

	if (!from)
		return -EUCLEAN;
	for (i = 0; i < nr; i++) {
		__get_kernel_nofault(&value, &from[i], short, gone);
		some |= value != 0;
		if (out)
			out[i] = value;
		else if (some)
			break;
	}
	return some;
gone:
	return -EFAULT;
}

/*
 * Entries on the process' list. Nobody frees one within a grace period. The
 * list itself is freed at once when a task that is killed now was its last
 * user: then what was read means nothing, and is not used, because the dump
 * finds out that the task has run.
 */
static int count_own(const struct crctl_undo_list *own, u32 *count)
{
	const struct list_head *at, *head = &own->list_proc;
	const struct crctl_undo_list *owner;
	int id, ret = 0;

	*count = 0;
	rcu_read_lock();
	for (at = head; !ret; (*count)++) {
		ret = read_next(at, &at);
		if (ret || at == head)
			break;
		ret = read_owner(list_entry(at, struct crctl_undo, list_proc), &owner, &id);
		if (!ret && (owner != own || *count == MAX_ENTRIES))
			ret = -EUCLEAN;
		/* the set has been removed just now */
		if (!ret && id < 0)
			(*count)--;
	}
	rcu_read_unlock();
	return ret;
}

/* Of a set that is locked. Return: 0, -ENOSPC if there is no room, another negative errno. */
static int look_at(struct told *told, const struct crctl_sem_array *set, int id)
{
	const struct list_head *at, *head = &set->list_id;
	struct crctl_sem_undo rec = { .id = id };
	const u32 nr = set->sem_nsems;
	u32 entries, own = 0;
	int ret, semid;

	ret = read_next(head, &at);
	if (ret || at == head)
		return ret;
	if (!nr || nr > MAX_SEMAPHORES)
		return -EUCLEAN;
	if (told->count == told->room ||
	    told->extra_room - told->extra_size < nr * ADJUSTMENT)
		return -ENOSPC;
	for (at = head, entries = 0;; entries++) {
		const struct crctl_undo_list *owner;
		const struct crctl_undo *un;

		ret = read_next(at, &at);
		if (ret || at == head)
			break;
		un = list_entry(at, struct crctl_undo, list_id);
		ret = read_owner(un, &owner, &semid);
		if (!ret && (semid != id || entries == MAX_ENTRIES))
			ret = -EUCLEAN;
		if (ret)
			break;
		own += owner == told->own;
		ret = read_adjustments(un, nr, owner == told->own ?
				       (__s16 *)(told->extra + told->extra_size) : NULL);
		if (ret < 0)
			break;
		rec.lists += ret;
		if (ret && owner == told->own)
			rec.nr_adjustments = nr;
		ret = 0;
	}
	if (ret || own > 1)
		return ret ?: -EUCLEAN;
	told->own_entries += own;
	if (!rec.lists)
		return 0;
	if (rec.nr_adjustments) {
		rec.adjustments_off = told->extra_size;
		told->extra_size += nr * ADJUSTMENT;
	}
	told->recs[told->count++] = rec;
	return 0;
}

/* Return: 1 if there is a set with index @idx or above, which that becomes; 0; a negative errno. */
static int look_at_next(struct told *told, struct ipc_namespace *ns, int *idx, u32 *need)
{
	struct kern_ipc_perm *perm;
	int ret = 0;

	rcu_read_lock();
	perm = idr_get_next(&ns->ids[0].ipcs_idr, idx);
	if (perm) {
		const struct crctl_sem_array *set;

		set = container_of(perm, struct crctl_sem_array, sem_perm);
		spin_lock(&perm->lock);
		if (!perm->deleted)
			ret = look_at(told, set, perm->id);
		*need = set->sem_nsems;
		spin_unlock(&perm->lock);
	}
	rcu_read_unlock();
	return ret ?: !!perm;
}

/* Twice as much of what may have been too little. */
static int grow(struct told *told, u32 need)
{
	u32 room = told->room * 2 ?: 16;
	u32 extra_room = round_up(told->extra_size * 2 + need * ADJUSTMENT, 256);
	struct crctl_sem_undo *recs;
	u8 *extra;

	if (room * sizeof(*recs) + (u64)extra_room > CRCTL_MAX_NOTES_SIZE)
		return -EFBIG;
	recs = crctl_fault(DUMP_SEMAPHORES) ? NULL :
	       kvcalloc(room, sizeof(*recs), GFP_KERNEL_ACCOUNT);
	extra = kvzalloc(extra_room, GFP_KERNEL_ACCOUNT);
	if (!recs || !extra) {
		kvfree(recs);
		kvfree(extra);
		return -ENOMEM;
	}
	if (told->count)
		memcpy(recs, told->recs, told->count * sizeof(*recs));
	if (told->extra_size)
		memcpy(extra, told->extra, told->extra_size);
	kvfree(told->recs);
	kvfree(told->extra);
	told->recs = recs;
	told->room = room;
	told->extra = extra;
	told->extra_room = extra_room;
	return 0;
}

static int look_at_all(struct told *told, struct ipc_namespace *ns)
{
	int ret, idx = 0;
	u32 need = 0;

	for (;;) {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = look_at_next(told, ns, &idx, &need);
		if (!ret)
			return 0;
		if (ret > 0)
			idx++;
		else if (ret == -ENOSPC)
			ret = grow(told, need);
		if (ret < 0)
			return ret;
	}
}

/* Whether it is in the namespace of the reader, which stays. */
static bool is_here(struct task_struct *t)
{
	bool here;

	task_lock(t);
	here = t->nsproxy && t->nsproxy->ipc_ns == current->nsproxy->ipc_ns;
	task_unlock(t);
	return here;
}

static bool has_entries(const struct crctl_undo_list *list)
{
	u32 count;

	return list && (count_own(list, &count) || count);
}

/*
 * Threads share a list as a rule: pthread_create(3) asks for it, and so does
 * who restores them.
 */
static void check_threads(struct crctl_group *g, struct crctl_notes *n)
{
	const struct crctl_undo_list *first = crctl_undo_list(crctl_first(g)), *own;
	unsigned int i;

	for (i = g->first + 1; i < g->nr_threads; i++) {
		own = crctl_undo_list(g->threads[i]);
		if (own != first && (has_entries(own) || has_entries(first)))
			crctl_refuse(n, CRCTL_REFUSE_SEM_UNDO,
				     task_pid_nr_ns(g->threads[i], g->ns), 0, 0,
				     "a thread that does not share what is to be undone of System V semaphores with the others (unshare(2) with CLONE_SYSVSEM)");
	}
}

/* All that the process has on its list has to be found in sets of its namespace. */
static int look(struct told *told, struct crctl_group *g, u32 *own_entries)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ATTEMPTS; i++) {
		told->count = 0;
		told->extra_size = 0;
		told->own_entries = 0;
		if (told->own)
			ret = count_own(told->own, own_entries);
		if (!ret && CRCTL_SEM_LAYOUT && is_here(crctl_first(g)))
			ret = look_at_all(told, current->nsproxy->ipc_ns);
		if (ret || told->own_entries == *own_entries)
			return ret;
	}
	return -EUCLEAN;
}

/**
 * crctl_sem_dump() - tell of semaphores that are to be adjusted at ends of processes
 * @g: the group
 * @n: where the note goes
 *
 * Return: 0 or a negative errno.
 */
int crctl_sem_dump(struct crctl_group *g, struct crctl_notes *n)
{
	struct told told = { .own = crctl_undo_list(crctl_first(g)) };
	u32 own_entries = 0;
	int ret;

	check_threads(g, n);
	ret = look(&told, g, &own_entries);
	if (ret == -EFAULT || ret == -EUCLEAN) {
		/* what others have is good to know, and no more */
		if (has_entries(told.own))
			crctl_refuse(n, CRCTL_REFUSE_SEM_UNDO, 0, 0, 0,
				     "operations on System V semaphores to be undone at its end (SEM_UNDO) that cannot be read");
		ret = 0;
	} else if (!ret && told.count) {
		ret = crctl_note_records(n, CRCTL_NT_SEM_UNDO, told.recs, sizeof(*told.recs),
					 told.count, told.extra, told.extra_size);
	}
	kvfree(told.recs);
	kvfree(told.extra);
	return ret;
}

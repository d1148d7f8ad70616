// SPDX-License-Identifier: GPL-2.0
/*
 * What a process must have for itself to be saved: its memory, and its
 * descriptors, working directory and umask, which all its threads have to
 * share and nobody else may.
 */
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>

#include "compat/ipc.h"
#include "proc/proc.h"

/* Other processes that are named, of each kind. */
#define MAX_NAMED 4

enum shared_kind { SHARED_MM, SHARED_FILES, SHARED_FS, SHARED_UNDO, NR_SHARED };

struct sharers {
	unsigned int nr;
	pid_t tgid[MAX_NAMED];
};

static void remember(struct sharers *s, const struct crctl_group *g, struct task_struct *t)
{
	if (s->nr < MAX_NAMED)
		s->tgid[s->nr++] = task_tgid_nr_ns(t, g->ns);
}

/*
 * Pointers are only compared. A kernel thread that borrows the memory for a
 * moment is no owner of it.
 */
static void look_at(struct sharers *s, const struct crctl_group *g, struct task_struct *t)
{
	const struct task_struct *own = crctl_first(g);

	if (t->flags & PF_KTHREAD)
		return;
	if (READ_ONCE(t->mm) == g->mm)
		remember(&s[SHARED_MM], g, t);
	if (own->files && READ_ONCE(t->files) == own->files)
		remember(&s[SHARED_FILES], g, t);
	if (own->fs && READ_ONCE(t->fs) == own->fs)
		remember(&s[SHARED_FS], g, t);
	if (crctl_undo_list(own) && crctl_undo_list(t) == crctl_undo_list(own))
		remember(&s[SHARED_UNDO], g, t);
}

static void find_sharers(struct sharers *s, const struct crctl_group *g)
{
	struct task_struct *p, *t;

	rcu_read_lock();
	for_each_process(p) {
		if (same_thread_group(p, g->leader))
			continue;
		for_each_thread(p, t)
			look_at(s, g, t);
	}
	rcu_read_unlock();
}

static void check_thread(struct crctl_group *g, struct task_struct *t, struct crctl_notes *n)
{
	const struct task_struct *first = crctl_first(g);
	pid_t tid = task_pid_nr_ns(t, g->ns);

	if (t->files != first->files)
		crctl_refuse(n, CRCTL_REFUSE_SHARED_FILES, tid, 0, 0,
			     "a thread with a descriptor table of its own");
	if (t->fs != first->fs)
		crctl_refuse(n, CRCTL_REFUSE_SHARED_FILES, tid, 0, 0,
			     "a thread with a working directory and umask of its own");
	if (t->nsproxy != first->nsproxy)
		crctl_refuse(n, CRCTL_REFUSE_THREAD, tid, 0, 0,
			     "a thread in namespaces of its own");
}

/**
 * crctl_shared_dump() - refuse a process that shares what it must not
 * @g: the group
 * @n: where refusals go
 *
 * Return: 0.
 */
int crctl_shared_dump(struct crctl_group *g, struct crctl_notes *n)
{
	static const struct {
		u32 code;
		const char *what;
	} text[NR_SHARED] = {
		[SHARED_MM] = { CRCTL_REFUSE_SHARED_MM, "memory is" },
		[SHARED_FILES] = { CRCTL_REFUSE_SHARED_FILES, "descriptor table is" },
		[SHARED_FS] = { CRCTL_REFUSE_SHARED_FILES, "working directory and umask are" },
		[SHARED_UNDO] = { CRCTL_REFUSE_SEM_UNDO,
				  "list of what is to be undone of System V semaphores is" },
	};
	struct sharers s[NR_SHARED] = {};
	unsigned int i, k;

	for (i = g->first; i < g->nr_threads; i++)
		check_thread(g, g->threads[i], n);
	find_sharers(s, g);
	for (k = 0; k < NR_SHARED; k++)
		for (i = 0; i < s[k].nr; i++)
			crctl_refuse(n, text[k].code, 0, 0, s[k].tgid[i],
				     "its %s shared with process %d, which is no thread of it",
				     text[k].what, s[k].tgid[i]);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V semaphores. What is undone at the end of a process (SEM_UNDO) lives
 * through execve(2) but not through SETVAL and SETALL, which forget it for
 * everybody: so values that are there when tasks have taken up theirs are only
 * changed by semop(2).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sem.h>

#include "sysv.h"

#ifndef SEMVMX
#define SEMVMX	32767
#endif

/* semctl(2): its caller declares it */
union argument {
	int value;
	struct semid_ds *set;
	unsigned short *values;
};

static int get(const struct plan_sysv *want, int flags)
{
	return semget(want->key, (int)want->size, flags);
}

static int remove_id(int id)
{
	return semctl(id, 0, IPC_RMID);
}

static int set_perm(int id, const struct ipc_perm *perm)
{
	struct semid_ds set = { .sem_perm = *perm };

	return semctl(id, 0, IPC_SET, (union argument){ .set = &set });
}

/* The ends of tasks have undone what they had, so even one whose values were not yet set may have other ones. */
static void clear(struct sysv *set)
{
	if (set->made) {
		remove_id(set->id);
	} else if (set->values) {
		semctl(set->id, 0, SETALL, (union argument){ .values = set->values });
		set_perm(set->id, &set->was);
	}
}

static const struct sysv_kind sets = {
	.name = "semaphores",
	.next_id = "sys/kernel/sem_next_id",
	.get = get,
	.remove = remove_id,
	.clear = clear,
	.call = "semget",
	.as_creator = "semget as its creator",
	.key_taken = "semget: another set of semaphores has its key",
	.id_taken = "semget: another set of semaphores has its id, or a place that its id needs",
	.too_large = "semget: is SEMMSL of kernel.sem too small for it?",
	.no_room = "semget: are SEMMNS and SEMMNI of kernel.sem too small?",
};

static int want_set(const struct executor *ex, const struct plan_op *op, struct plan_sysv *want, struct error *error)
{
	if (sysv_want(ex, op, want, error) < 0)
		return -1;
	if (want->size > INT16_MAX * 2 + 2 || op->data_len != sizeof(*want) + want->size * sizeof(unsigned short))
		return failed(error, EPROTO, "a set of semaphores of the plan is malformed");
	return 0;
}

static const unsigned short *wanted_values(const struct executor *ex, const struct plan_op *op)
{
	return (const void *)(op_data(ex, op) + sizeof(struct plan_sysv));
}

/* Values as they are; both sides of a later comparison. */
static unsigned short *read_values(int id, uint32_t nr, struct error *error)
{
	unsigned short *values = mmap(NULL, nr * sizeof(*values), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (values == MAP_FAILED) {
		failed(error, errno, "mmap");
		return NULL;
	}
	if (semctl(id, 0, GETALL, (union argument){ .values = values }) < 0) {
		err = errno;
		munmap(values, nr * sizeof(*values));
		failed(error, err, "GETALL");
		return NULL;
	}
	return values;
}

/* One that is there already is taken over if it is the one that was saved, and nobody's now. */
static int check_unused(const struct plan_sysv *want, struct semid_ds *is, struct error *error)
{
	if (semctl(want->id, 0, IPC_STAT, (union argument){ .set = is }) < 0)
		return failed(error, errno == EINVAL || errno == EIDRM ? EBUSY : errno, "the set that was there");
	if (!sysv_is_same(&is->sem_perm, want) || is->sem_nsems != want->size)
		return failed(error, EBUSY, "another set of semaphores has its id");
	for (int i = 0; i < (int)want->size; i++) {
		int sleepers = semctl(want->id, i, GETNCNT), others = semctl(want->id, i, GETZCNT);

		if (sleepers < 0 || others < 0)
			return failed(error, errno, "GETNCNT");
		if (sleepers > 0 || others > 0)
			return failed(error, EBUSY, "somebody else uses the set that was there");
	}
	return 0;
}

static int get_set(struct executor *ex, const struct plan_op *op, struct error *error)
{
	unsigned short *values = NULL;
	struct plan_sysv want;
	struct semid_ds is;
	struct sysv *set;

	if (want_set(ex, op, &want, error) < 0)
		return -1;
	if (want.flags & PLAN_SYSV_TAKE) {
		if (check_unused(&want, &is, error) < 0)
			return -1;
		values = read_values(want.id, (uint32_t)want.size, error);
		if (!values)
			return -1;
	}
	if (sysv_get(ex, op, &sets, &want, error) < 0)
		return -1;
	set = sysv_of(ex, op);
	if (values) {
		set->was = is.sem_perm;
		set->nr_values = (uint32_t)want.size;
		set->values = values;
		return 0;
	}
	values = (unsigned short *)(uintptr_t)wanted_values(ex, op);
	if (semctl(set->id, 0, SETALL, (union argument){ .values = values }) < 0)
		return failed(error, errno, "SETALL");
	return 0;
}

/*
 * Up and down by as much in one step, which is all or nothing: the value is
 * the same to whoever looks. A value ends where it began, and what is to be
 * undone of one half stays. More than the distance to an end of its range
 * takes several steps.
 */
static int adjust(int id, const struct plan_adjustment *to, struct error *error)
{
	int left = to->value < 0 ? -to->value : to->value;
	const short up_flag = to->value < 0 ? SEM_UNDO : 0, down_flag = to->value > 0 ? SEM_UNDO : 0;

	if (left == 0)
		left = 1;
	while (left > 0) {
		int value = semctl(id, to->semaphore, GETVAL);
		int room, step;
		struct sembuf ops[2];
		bool down_first;

		if (value < 0)
			return failed(error, errno, "GETVAL");
		down_first = value > SEMVMX - value;
		room = down_first ? value : SEMVMX - value;
		step = left < room ? left : room;
		ops[!down_first] = (struct sembuf){ to->semaphore, (short)-step, (short)(IPC_NOWAIT | down_flag) };
		ops[down_first] = (struct sembuf){ to->semaphore, (short)step, (short)(IPC_NOWAIT | up_flag) };
		if (semop(id, ops, 2) < 0)
			return failed(error, errno == EAGAIN ? EBUSY : errno, "semop with SEM_UNDO");
		left -= step;
	}
	return 0;
}

static int adjust_all(const struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct plan_adjustment *adjustments = (const void *)op_data(ex, op);

	for (uint32_t i = 0; i < op->data_len / sizeof(*adjustments); i++)
		if (adjust(sysv_of(ex, op)->id, &adjustments[i], error) < 0)
			return -1;
	return 0;
}

/* Tasks have what they undo: no SETALL any more. */
static int change_values(const struct sysv *set, const unsigned short *wanted, struct error *error)
{
	unsigned short *values = read_values(set->id, set->nr_values, error);
	bool same;

	if (!values)
		return -1;
	same = memcmp(values, set->values, set->nr_values * sizeof(*values)) == 0;
	munmap(values, set->nr_values * sizeof(*values));
	if (!same)
		return failed(error, EBUSY, "somebody has used the set that was there");
	for (uint32_t i = 0; i < set->nr_values; i++) {
		struct sembuf op = { (unsigned short)i, (short)(wanted[i] - set->values[i]), IPC_NOWAIT };

		if (op.sem_op != 0 && semop(set->id, &op, 1) < 0)
			return failed(error, errno == EAGAIN ? EBUSY : errno, "semop");
	}
	return 0;
}

/* All tasks are there. */
static int set_set(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct sysv *set = sysv_of(ex, op);
	struct plan_sysv want;
	struct semid_ds is;

	if (want_set(ex, op, &want, error) < 0)
		return -1;
	if (set->values && (set->nr_values != want.size || change_values(set, wanted_values(ex, op), error) < 0))
		return -1;
	if (semctl(set->id, 0, IPC_STAT, (union argument){ .set = &is }) < 0)
		return failed(error, errno, "IPC_STAT");
	if (sysv_set_perm(&is.sem_perm, &want) && set_perm(set->id, &is.sem_perm) < 0)
		return failed(error, errno, "IPC_SET");
	return 0;
}

int op_semaphores(struct executor *ex, const struct plan_op *op, struct error *error)
{
	if (op->type == PLAN_OP_SEMAPHORES)
		return get_set(ex, op, error);
	if (!ex->sysv || sysv_of(ex, op)->kind != &sets)
		return failed(error, EPROTO, "a set of semaphores that was not made");
	return op->type == PLAN_OP_SEMAPHORES_SET ? set_set(ex, op, error) : adjust_all(ex, op, error);
}

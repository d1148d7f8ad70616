/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kinds of System V objects share: segments, sets of semaphores, message queues. */
#ifndef CRCTL_EXECUTOR_SYSV_H
#define CRCTL_EXECUTOR_SYSV_H

#include <sys/ipc.h>

#include "executor.h"

#define SYSV_PERMISSIONS	0777

struct sysv;

/* How to make one, and what to say when that fails. */
struct sysv_kind {
	const char *name;		/* for the controller */
	const char *next_id;		/* in /proc */
	int (*get)(const struct plan_sysv *want, int flags);
	int (*remove)(int id);
	void (*clear)(struct sysv *object);	/* after a failure, when no task is left */
	const char *call, *as_creator;	/* as errors have it */
	const char *key_taken, *id_taken, *too_large, *no_room;
	const char *no_pages, *not_permitted;	/* huge ones */
};

/* By slot. */
struct sysv {
	const struct sysv_kind *kind;	/* NULL: not yet there */
	int id;
	bool made;			/* by us: a restore that fails takes it away */
	char *address;			/* a segment: where we have it attached */
	/* one that was taken over: what it was, so that a restore that fails puts that back */
	struct ipc_perm was;
	unsigned short *values;		/* of semaphores */
	uint32_t nr_values;
	long mark;			/* type of a message of ours */
};

int sysv_want(const struct executor *ex, const struct plan_op *op, struct plan_sysv *want, struct error *error);
struct sysv *sysv_of(const struct executor *ex, const struct plan_op *op);

/* Makes it with its id, or takes over that which is there, which the caller has looked at. */
int sysv_get(struct executor *ex, const struct plan_op *op, const struct sysv_kind *kind, const struct plan_sysv *want,
	     struct error *error);
bool sysv_is_same(const struct ipc_perm *perm, const struct plan_sysv *want);
bool sysv_set_perm(struct ipc_perm *perm, const struct plan_sysv *want);

#endif /* CRCTL_EXECUTOR_SYSV_H */

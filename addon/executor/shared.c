// SPDX-License-Identifier: GPL-2.0-only
/* The page that all processes share: barriers between stages, and the first failure. */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "executor.h"
#include "sys.h"

#define WAIT_NS		(100 * 1000 * 1000)
#define WATCH_EVERY	5	/* waits between two looks at the tasks */

int shared_create(struct executor *ex, struct error *error)
{
	size_t size = sizeof(struct shared) + (size_t)ex->plan->nr_procs * sizeof(ex->shared->pids[0]);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return failed(error, errno, "mmap of the shared page");
	ex->shared = map;
	return 0;
}

bool has_failed(const struct executor *ex)
{
	return atomic_load(&ex->shared->failed) != 0;
}

/*
 * Keeps the first failure; the others are its consequences. pid is the task
 * that failed, 0 the executor itself. Children also write to the report pipe,
 * because the parent may be waiting there.
 */
void fail_stage(struct executor *ex, pid_t pid, uint32_t stage, uint32_t op, const struct error *error)
{
	struct shared *shared = ex->shared;
	uint32_t none = 0;

	if (atomic_compare_exchange_strong(&shared->failed, &none, 1)) {
		shared->failure.pid = pid;
		shared->failure.stage = stage;
		shared->failure.op = op;
		shared->failure.error = *error;
		atomic_store(&shared->failed, 2);
	}
	sys_futex_wake(&shared->arrived, INT_MAX);
	if (ex->self != PLAN_NO_PROC) {
		ssize_t ignored = write(slot_fd(ex, (int)ex->plan->report_slot), "failed\n", 7);

		(void)ignored;	/* then the parent finds us dead */
	}
}

static bool barrier_wanted(const struct executor *ex, enum plan_stage stage)
{
	return ex->plan->barriers & (1u << stage);
}

void barrier_arrive(struct executor *ex, enum plan_stage stage)
{
	struct shared *shared = ex->shared;
	uint32_t done;

	if (!barrier_wanted(ex, stage))
		return;
	if (atomic_fetch_add(&shared->arrived, 1) + 1 == ex->plan->nr_procs)
		sys_futex_wake(&shared->arrived, INT_MAX);
	/* No timeout: should the parent die, our death signal ends the wait. */
	while ((done = atomic_load(&shared->done)) <= (uint32_t)stage)
		sys_futex_wait(&shared->done, done, NULL);
	if (has_failed(ex))
		_exit(1);
}

/* The parent's side: 0 when all are there and have been sent on. */
int barrier_await_all(struct executor *ex, enum plan_stage stage)
{
	const struct timespec timeout = { .tv_nsec = WAIT_NS };
	struct shared *shared = ex->shared;
	unsigned int waits = 0;
	uint32_t arrived;

	if (!barrier_wanted(ex, stage))
		return 0;
	while ((arrived = atomic_load(&shared->arrived)) < ex->plan->nr_procs) {
		if (has_failed(ex))
			return -1;
		sys_futex_wait(&shared->arrived, arrived, &timeout);
		if (interrupted()) {
			struct error error = { EINTR, "waiting for the tasks to be forked" };

			fail_stage(ex, 0, stage, NO_OP, &error);
			return -1;
		}
		if (++waits % WATCH_EVERY == 0 && watch_tasks(ex, stage) < 0)
			return -1;
	}
	atomic_store(&shared->arrived, 0);
	atomic_store(&shared->done, (uint32_t)stage + 1);
	sys_futex_wake(&shared->done, INT_MAX);
	return has_failed(ex) ? -1 : 0;
}

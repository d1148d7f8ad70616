// SPDX-License-Identifier: GPL-2.0-only
/* System V objects of all kinds: their old ids, who they belong to, and their removal after a failure. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sys.h"
#include "sysv.h"

/* What somebody between us and the kernel's counter may take away. */
#define ATTEMPTS	3

struct sysv *sysv_of(const struct executor *ex, const struct plan_op *op)
{
	return ex->sysv ? &ex->sysv[op->slot] : NULL;
}

static int make_table(struct executor *ex, struct error *error)
{
	void *map;

	if (ex->sysv)
		return 0;
	map = mmap(NULL, ex->plan->nr_slots * sizeof(struct sysv), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return failed(error, errno, "mmap");
	ex->sysv = map;
	return 0;
}

int sysv_want(const struct executor *ex, const struct plan_op *op, struct plan_sysv *want, struct error *error)
{
	if (op->data_len < sizeof(*want))
		return failed(error, EPROTO, "a System V object of the plan is malformed");
	memcpy(want, op_data(ex, op), sizeof(*want));
	if (want->huge_shift > 30)
		return failed(error, EPROTO, "huge pages of the plan are malformed");
	return 0;
}

/* The id that the next object of this kind in this namespace gets; -1: any. */
static int set_next_id(const struct executor *ex, const struct sysv_kind *kind, int id, struct error *error)
{
	int fd = openat(ex->proc_fd, kind->next_id, O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", id), err;
	ssize_t written;

	if (fd < 0)
		return failed(error, errno, "opening a file of /proc/sys/kernel for the next id");
	written = write(fd, text, (size_t)len);
	err = errno;
	close(fd);
	if (written != len)
		return failed(error, written < 0 ? err : EIO, "writing the next id to /proc/sys/kernel");
	return 0;
}

/* The kernel forgets the death signal of who changes its ids, and lets nobody look at it. */
static int be_ourselves(const struct executor *ex, struct error *error)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return failed(error, errno, "prctl");
	if (getppid() != ex->controller_pid)
		return failed(error, ESRCH, "the controller has ended");
	return 0;
}

/* Who was root, and becomes somebody else for a moment, has no capability in effect but may have it. */
static void take_up_ipc_lock(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (sys_capget(&head, data) < 0)
		return;
	data[0].effective |= data[0].permitted & 1u << CAP_IPC_LOCK;
	/* without it, the segment cannot be made, and that is told */
	sys_capset(&head, data);
}

/* An object belongs to who makes it for good. Nobody else is to use it before it is complete. */
static int get_as_creator(const struct executor *ex, const struct sysv_kind *kind, const struct plan_sysv *want,
			  struct error *error)
{
	const int flags = IPC_CREAT | IPC_EXCL | 0600;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int id, err;

	if (uid == want->cuid && gid == want->cgid)
		return kind->get(want, flags);
	if (setegid(want->cgid) < 0 || seteuid(want->cuid) < 0) {
		err = errno;
		id = -1;
	} else {
		if (want->huge_shift)
			take_up_ipc_lock();
		id = kind->get(want, flags);
		err = errno;
	}
	if (seteuid(uid) < 0 || setegid(gid) < 0 || be_ourselves(ex, error) < 0) {
		if (id >= 0)
			kind->remove(id);
		id = -1;
		err = EPERM;
	}
	errno = err;
	return id;
}

static int create_error(const struct sysv_kind *kind, const struct plan_sysv *want, int err, struct error *error)
{
	switch (err) {
	case EEXIST:
		return failed(error, err, kind->key_taken);
	case EINVAL:
		return failed(error, err, kind->too_large);
	case ENOSPC:
		return failed(error, err, kind->no_room);
	case ENOMEM:
		return failed(error, err, want->huge_shift ? kind->no_pages : kind->call);
	default:
		if (err == EPERM && want->huge_shift)
			return failed(error, err, kind->not_permitted);
		return failed(error, err, want->cuid != geteuid() ? kind->as_creator : kind->call);
	}
}

static int create_once(struct executor *ex, const struct sysv_kind *kind, const struct plan_sysv *want,
		       struct error *error)
{
	struct error ignored;
	int id, err;

	if (set_next_id(ex, kind, want->id, error) < 0)
		return -1;
	id = get_as_creator(ex, kind, want, error);
	err = errno;
	/* what was marked cannot be found by its key: that may be another one's by now */
	if (id < 0 && err == EEXIST && want->flags & PLAN_SYSV_MARKED) {
		struct plan_sysv any = *want;

		any.key = IPC_PRIVATE;
		id = get_as_creator(ex, kind, &any, error);
		err = errno;
	}
	if (id < 0) {
		/* nobody else is to get it */
		set_next_id(ex, kind, -1, &ignored);
		return create_error(kind, want, err, error);
	}
	return id;
}

static int create(struct executor *ex, const struct sysv_kind *kind, const struct plan_sysv *want, struct error *error)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int id = create_once(ex, kind, want, error);

		if (id < 0 || id == want->id)
			return id;
		kind->remove(id);
	}
	return failed(error, EEXIST, kind->id_taken);
}

int sysv_get(struct executor *ex, const struct plan_op *op, const struct sysv_kind *kind, const struct plan_sysv *want,
	     struct error *error)
{
	bool take = want->flags & PLAN_SYSV_TAKE;
	struct sysv *object;
	int id;

	if (make_table(ex, error) < 0)
		return -1;
	id = take ? want->id : create(ex, kind, want, error);
	if (id < 0)
		return -1;
	object = &ex->sysv[op->slot];
	object->id = id;
	object->made = !take;
	object->kind = kind;
	/* should we be killed, the controller takes it away */
	if (!take)
		status_line(ex, "made %s %d", kind->name, id);
	return 0;
}

bool sysv_is_same(const struct ipc_perm *perm, const struct plan_sysv *want)
{
	return perm->__key == want->key && perm->cuid == want->cuid && perm->cgid == want->cgid;
}

/* Whether there is anything to be set. */
bool sysv_set_perm(struct ipc_perm *perm, const struct plan_sysv *want)
{
	if (perm->uid == want->uid && perm->gid == want->gid && (perm->mode & SYSV_PERMISSIONS) == want->mode)
		return false;
	perm->uid = want->uid;
	perm->gid = want->gid;
	perm->mode = want->mode & SYSV_PERMISSIONS;
	return true;
}

void clear_sysv(struct executor *ex)
{
	for (uint32_t i = 0; ex->sysv && i < ex->plan->nr_slots; i++)
		if (ex->sysv[i].kind)
			ex->sysv[i].kind->clear(&ex->sysv[i]);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V shared memory: segments with their old ids. The executor holds each
 * attached until the tasks have it, so that the id stays what it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"

#define PAGE		4096ull
#define PERMISSIONS	0777
/* What somebody between us and the kernel's counter may take away. */
#define ATTEMPTS	3

/* By slot. */
struct segment {
	int id;
	bool made;		/* by us: a restore that fails takes it away */
	char *address;		/* where we have it attached */
};

static struct segment *segment_of(const struct executor *ex, const struct plan_op *op)
{
	return &ex->segments[op->slot];
}

static int make_table(struct executor *ex, struct error *error)
{
	void *map;

	if (ex->segments)
		return 0;
	map = mmap(NULL, ex->plan->nr_slots * sizeof(struct segment), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return failed(error, errno, "mmap");
	ex->segments = map;
	return 0;
}

static int read_segment(const struct plan_op *op, const struct executor *ex, struct plan_segment *want,
			struct error *error)
{
	if (op->data_len != sizeof(*want))
		return failed(error, EPROTO, "a segment of the plan is malformed");
	memcpy(want, op_data(ex, op), sizeof(*want));
	return 0;
}

/* The id that the next segment of this namespace gets; -1: any. */
static int set_next_id(const struct executor *ex, int id, struct error *error)
{
	int fd = openat(ex->proc_fd, "sys/kernel/shm_next_id", O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", id), err;
	ssize_t written;

	if (fd < 0)
		return failed(error, errno, "opening /proc/sys/kernel/shm_next_id");
	written = write(fd, text, (size_t)len);
	err = errno;
	close(fd);
	if (written != len)
		return failed(error, written < 0 ? err : EIO, "writing to /proc/sys/kernel/shm_next_id");
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

/* A segment belongs to who makes it for good. Nobody else is to attach it before it is complete. */
static int get_as_creator(const struct executor *ex, const struct plan_segment *want, struct error *error)
{
	const int flags = IPC_CREAT | IPC_EXCL | SHM_NORESERVE | 0600;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int id, err;

	if (uid == want->cuid && gid == want->cgid)
		return shmget(want->key, want->size, flags);
	if (setegid(want->cgid) < 0 || seteuid(want->cuid) < 0) {
		err = errno;
		id = -1;
	} else {
		id = shmget(want->key, want->size, flags);
		err = errno;
	}
	if (seteuid(uid) < 0 || setegid(gid) < 0 || be_ourselves(ex, error) < 0) {
		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
		id = -1;
		err = EPERM;
	}
	errno = err;
	return id;
}

static int create_error(const struct plan_segment *want, int err, struct error *error)
{
	switch (err) {
	case EEXIST:
		return failed(error, err, "shmget: another segment has its key");
	case EINVAL:
		return failed(error, err, "shmget: is kernel.shmmax too small for it?");
	case ENOSPC:
		return failed(error, err, "shmget: are kernel.shmall and kernel.shmmni too small?");
	default:
		return failed(error, err, want->cuid != geteuid() ? "shmget as its creator" : "shmget");
	}
}

static int create_once(struct executor *ex, const struct plan_segment *want, struct error *error)
{
	struct error ignored;
	int id, err;

	if (set_next_id(ex, want->id, error) < 0)
		return -1;
	id = get_as_creator(ex, want, error);
	err = errno;
	/* what was marked cannot be found by its key: that may be another one's by now */
	if (id < 0 && err == EEXIST && want->flags & PLAN_SEGMENT_MARKED) {
		struct plan_segment any = *want;

		any.key = IPC_PRIVATE;
		id = get_as_creator(ex, &any, error);
		err = errno;
	}
	if (id < 0) {
		/* nobody else is to get it */
		set_next_id(ex, -1, &ignored);
		return create_error(want, err, error);
	}
	return id;
}

static int create(struct executor *ex, const struct plan_segment *want, struct error *error)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int id = create_once(ex, want, error);

		if (id < 0 || id == want->id)
			return id;
		shmctl(id, IPC_RMID, NULL);
	}
	return failed(error, EEXIST, "shmget: another segment has its id, or a place that its id needs");
}

/* One that is there already is taken over if it is the one that was saved, and nobody's now. */
static int check_unused(int id, const struct plan_segment *want, unsigned long attached, struct error *error)
{
	struct shmid_ds is;

	if (shmctl(id, IPC_STAT, &is) < 0)
		return failed(error, errno == EINVAL || errno == EIDRM ? EBUSY : errno, "the segment that was there");
	if (is.shm_perm.__key != want->key || is.shm_perm.cuid != want->cuid || is.shm_perm.cgid != want->cgid ||
	    is.shm_segsz != want->size || is.shm_perm.mode & SHM_DEST)
		return failed(error, EBUSY, "another segment has its id");
	if (is.shm_nattch > attached)
		return failed(error, EBUSY, "somebody else has attached it");
	return 0;
}

static int attach(struct executor *ex, const struct plan_op *op, const struct plan_segment *want, struct error *error)
{
	struct segment *segment = segment_of(ex, op);
	void *address = shmat(segment->id, NULL, 0);
	int fd;

	if (address == (void *)-1)
		return failed(error, errno, "shmat");
	segment->address = address;
	/* children get theirs from the module */
	if (madvise(address, want->size, MADV_DONTFORK) < 0)
		return failed(error, errno, "MADV_DONTFORK");
	/* From here on the kernel takes it away with its last attachment, whatever becomes of us. */
	if (want->flags & PLAN_SEGMENT_MARKED && shmctl(segment->id, IPC_RMID, NULL) < 0)
		return failed(error, errno, "IPC_RMID");
	fd = open_mapping(address, want->size);
	if (fd < 0)
		return failed(error, errno, "opening System V shared memory through /proc/self/mfd");
	return place_slot(ex, fd, op->slot, error);
}

static int get_segment(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct plan_segment want;
	struct segment *segment;
	bool take;

	if (read_segment(op, ex, &want, error) < 0 || make_table(ex, error) < 0)
		return -1;
	segment = segment_of(ex, op);
	take = want.flags & PLAN_SEGMENT_TAKE;
	if (take && check_unused(want.id, &want, 0, error) < 0)
		return -1;
	segment->id = take ? want.id : create(ex, &want, error);
	if (segment->id < 0)
		return -1;
	segment->made = !take;
	if (attach(ex, op, &want, error) < 0)
		return -1;
	return take ? check_unused(want.id, &want, 1, error) : 0;
}

/* Where the image has nothing, one that was there may have something. */
static int clear_holes(int in, int out, off_t size, struct error *error)
{
	off_t hole, data = 0;

	while (data < size) {
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return failed(error, errno, "lseek in a data file of the image");
		if (hole >= size)
			return 0;
		data = lseek(in, hole, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return failed(error, errno, "lseek in a data file of the image");
		if (data < 0 || data > size)
			data = size;
		if (fallocate(out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, hole, data - hole) < 0)
			return failed(error, errno, "fallocate");
	}
	return 0;
}

/* A segment ends with a page, and its file where its size says: the rest of the page is reached as memory only. */
static int fill_tail(int in, const struct segment *segment, uint64_t size, bool taken, struct error *error)
{
	size_t tail = (size_t)(-size & (PAGE - 1));
	ssize_t got;

	if (tail == 0)
		return 0;
	/* nothing is in a page that is not there */
	if (!taken && lseek(in, (off_t)(size & ~(PAGE - 1)), SEEK_DATA) < 0)
		return 0;
	got = pread(in, segment->address + size, tail, (off_t)size);
	if (got != (ssize_t)tail)
		return failed(error, got < 0 ? errno : EIO, "the last page of a segment");
	return 0;
}

static int fill_segment(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct segment *segment = segment_of(ex, op);
	bool taken = !segment->made;
	struct shmid_ds is;
	int in, ret = 0;

	if (taken) {
		/* the last look before what it held is lost; ours, and those of the tree */
		if (shmctl(segment->id, IPC_STAT, &is) < 0)
			return failed(error, errno, "IPC_STAT");
		if (is.shm_nattch > 1 + op->b || is.shm_perm.mode & SHM_DEST)
			return failed(error, EBUSY, "somebody else has attached it, or marked it for destruction");
	}
	in = openat(ex->image_fd, op_data(ex, op), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0)
		return failed(error, errno, "opening a data file of the image");
	if (taken)
		ret = clear_holes(in, slot_fd(ex, op->slot), (off_t)op->a, error);
	if (ret == 0)
		ret = fill_from_image(ex, op, error);
	if (ret == 0)
		ret = fill_tail(in, segment, op->a, taken, error);
	close(in);
	return ret;
}

/* All tasks have it: what others may do with it, and we let it go. */
static int set_segment(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct segment *segment = segment_of(ex, op);
	struct plan_segment want;
	struct shmid_ds is;
	bool locked;

	if (read_segment(op, ex, &want, error) < 0)
		return -1;
	if (shmctl(segment->id, IPC_STAT, &is) < 0)
		return failed(error, errno, "IPC_STAT");
	locked = is.shm_perm.mode & SHM_LOCKED;
	if (locked != !!(want.flags & PLAN_SEGMENT_LOCKED) &&
	    shmctl(segment->id, locked ? SHM_UNLOCK : SHM_LOCK, NULL) < 0)
		return failed(error, errno, locked ? "SHM_UNLOCK" : "SHM_LOCK");
	if (is.shm_perm.uid != want.uid || is.shm_perm.gid != want.gid || (is.shm_perm.mode & PERMISSIONS) != want.mode) {
		is.shm_perm.uid = want.uid;
		is.shm_perm.gid = want.gid;
		is.shm_perm.mode = want.mode & PERMISSIONS;
		if (shmctl(segment->id, IPC_SET, &is) < 0)
			return failed(error, errno, "IPC_SET");
	}
	if (shmdt(segment->address) < 0)
		return failed(error, errno, "shmdt");
	segment->address = NULL;
	return 0;
}

/* After a failure, when no task is left. */
void remove_segments(struct executor *ex)
{
	for (uint32_t i = 0; ex->segments && i < ex->plan->nr_slots; i++) {
		struct segment *segment = &ex->segments[i];
		struct shmid_ds is;

		/* once we have let it go, the id may be another one's */
		if (segment->made && shmctl(segment->id, IPC_STAT, &is) == 0 && is.shm_cpid == getpid())
			shmctl(segment->id, IPC_RMID, NULL);
		if (segment->address)
			shmdt(segment->address);
	}
}

int op_segment(struct executor *ex, const struct plan_op *op, struct error *error)
{
	if (op->type == PLAN_OP_SEGMENT)
		return get_segment(ex, op, error);
	if (!ex->segments || !segment_of(ex, op)->address)
		return failed(error, EPROTO, "a segment that was not made");
	return op->type == PLAN_OP_SEGMENT_FILL ? fill_segment(ex, op, error) : set_segment(ex, op, error);
}

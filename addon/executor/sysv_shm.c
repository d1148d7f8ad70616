// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V shared memory: segments with their old ids. The executor holds each
 * attached until the tasks have it, so that the id stays what it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "sysv.h"

#define PAGE		4096ull

#ifndef SHM_HUGE_SHIFT	/* from linux/shm.h, which collides with the C library's */
#define SHM_HUGE_SHIFT	26
#endif

static int get(const struct plan_sysv *want, int flags)
{
	/* whether ordinary ones were reserved is not known */
	if (!(want->flags & PLAN_SYSV_RESERVED))
		flags |= SHM_NORESERVE;
	if (want->huge_shift)
		flags |= SHM_HUGETLB | (int)want->huge_shift << SHM_HUGE_SHIFT;
	return shmget(want->key, want->size, flags);
}

static int remove_id(int id)
{
	return shmctl(id, IPC_RMID, NULL);
}

static void clear(struct sysv *segment)
{
	struct shmid_ds is;

	/* once we have let it go, the id may be another one's */
	if (segment->made && shmctl(segment->id, IPC_STAT, &is) == 0 && is.shm_cpid == getpid())
		shmctl(segment->id, IPC_RMID, NULL);
	if (segment->address)
		shmdt(segment->address);
}

static const struct sysv_kind segments = {
	.name = "segment",
	.next_id = "sys/kernel/shm_next_id",
	.get = get,
	.remove = remove_id,
	.clear = clear,
	.call = "shmget",
	.as_creator = "shmget as its creator",
	.key_taken = "shmget: another segment has its key",
	.id_taken = "shmget: another segment has its id, or a place that its id needs",
	.too_large = "shmget: is kernel.shmmax too small for it?",
	.no_room = "shmget: are kernel.shmall and kernel.shmmni too small?",
	.no_pages = "shmget: too few huge pages",
	.not_permitted = "shmget: huge pages take CAP_IPC_LOCK, or a group that is vm.hugetlb_shm_group",
};

/* One that is there already is taken over if it is the one that was saved, and nobody's now. */
static int check_unused(int id, const struct plan_sysv *want, unsigned long attached, struct error *error)
{
	struct shmid_ds is;

	if (shmctl(id, IPC_STAT, &is) < 0)
		return failed(error, errno == EINVAL || errno == EIDRM ? EBUSY : errno, "the segment that was there");
	if (!sysv_is_same(&is.shm_perm, want) || is.shm_segsz != want->size || is.shm_perm.mode & SHM_DEST)
		return failed(error, EBUSY, "another segment has its id");
	if (is.shm_nattch > attached)
		return failed(error, EBUSY, "somebody else has attached it");
	return 0;
}

static int attach(struct executor *ex, const struct plan_op *op, const struct plan_sysv *want, struct error *error)
{
	uint64_t page = want->huge_shift ? 1ull << want->huge_shift : PAGE;
	uint64_t size = (want->size + page - 1) & ~(page - 1);
	struct sysv *segment = sysv_of(ex, op);
	void *address = shmat(segment->id, NULL, 0);
	int fd;

	if (address == (void *)-1)
		return failed(error, errno, "shmat");
	segment->address = address;
	fd = open_mapping(address, size);
	if (fd < 0)
		return failed(error, errno, "opening System V shared memory through /proc/self/mfd");
	if (place_slot(ex, fd, op->slot, error) < 0)
		return -1;
	/* of one that was there the table of segments does not tell */
	if (huge_shift_of(slot_fd(ex, op->slot)) != want->huge_shift)
		return failed(error, EBUSY, "a segment of pages of another size has its id");
	/* children get theirs from the module */
	if (madvise(address, size, MADV_DONTFORK) < 0)
		return failed(error, errno, "MADV_DONTFORK");
	/* From here on the kernel takes it away with its last attachment, whatever becomes of us. */
	if (want->flags & PLAN_SYSV_MARKED && shmctl(segment->id, IPC_RMID, NULL) < 0)
		return failed(error, errno, "IPC_RMID");
	return 0;
}

static int get_segment(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct plan_sysv want;
	bool take;

	if (sysv_want(ex, op, &want, error) < 0)
		return -1;
	take = want.flags & PLAN_SYSV_TAKE;
	if (take && check_unused(want.id, &want, 0, error) < 0)
		return -1;
	if (sysv_get(ex, op, &segments, &want, error) < 0 || attach(ex, op, &want, error) < 0)
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
static int fill_tail(int in, const struct sysv *segment, uint64_t size, bool taken, struct error *error)
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
	struct sysv *segment = sysv_of(ex, op);
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
	if (op->flags & PLAN_FILL_HUGE)
		return fill_huge(ex, op, taken, error);
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
	struct sysv *segment = sysv_of(ex, op);
	struct plan_sysv want;
	struct shmid_ds is;
	bool locked;

	if (sysv_want(ex, op, &want, error) < 0)
		return -1;
	if (shmctl(segment->id, IPC_STAT, &is) < 0)
		return failed(error, errno, "IPC_STAT");
	locked = is.shm_perm.mode & SHM_LOCKED;
	if (locked != !!(want.flags & PLAN_SYSV_LOCKED) &&
	    shmctl(segment->id, locked ? SHM_UNLOCK : SHM_LOCK, NULL) < 0)
		return failed(error, errno, locked ? "SHM_UNLOCK" : "SHM_LOCK");
	if (sysv_set_perm(&is.shm_perm, &want) && shmctl(segment->id, IPC_SET, &is) < 0)
		return failed(error, errno, "IPC_SET");
	if (shmdt(segment->address) < 0)
		return failed(error, errno, "shmdt");
	segment->address = NULL;
	return 0;
}

int op_segment(struct executor *ex, const struct plan_op *op, struct error *error)
{
	if (op->type == PLAN_OP_SEGMENT)
		return get_segment(ex, op, error);
	if (!ex->sysv || !sysv_of(ex, op)->address)
		return failed(error, EPROTO, "a segment that was not made");
	return op->type == PLAN_OP_SEGMENT_FILL ? fill_segment(ex, op, error) : set_segment(ex, op, error);
}

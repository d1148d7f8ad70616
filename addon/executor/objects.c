// SPDX-License-Identifier: GPL-2.0-only
/* What descriptors and mappings of the tree lead to: opened or made once, in slots. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "sys.h"

int place_slot(struct executor *ex, int fd, int slot, struct error *error)
{
	int number = slot_fd(ex, slot);

	if (fd == number)
		return 0;
	if (dup3(fd, number, O_CLOEXEC) < 0) {
		failed(error, errno, errno == EBADF ? "dup3 (is RLIMIT_NOFILE too low?)" : "dup3");
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/* The controller looked at the file before; it may have been replaced since. */
int check_identity(int fd, const struct plan_op *op, struct error *error)
{
	struct stat st;

	if (op->a == 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return failed(error, errno, "fstat");
	if (st.st_ino != op->a || (op->b != 0 && st.st_dev != op->b))
		return failed(error, ESTALE, "the file was replaced while it was being restored");
	return 0;
}

static int open_path(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int dir = op->arg == PLAN_AT_IMAGE ? ex->image_fd : AT_FDCWD;
	int fd = openat(dir, op_data(ex, op), (int)op->flags | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return failed(error, errno, "open");
	if (check_identity(fd, op, error) < 0) {
		close(fd);
		return -1;
	}
	return place_slot(ex, fd, op->slot, error);
}

/* A second description of the same object: only the magic link leads to one without a name. */
static int reopen(struct executor *ex, const struct plan_op *op, struct error *error)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", slot_fd(ex, op->arg));
	fd = open(path, (int)op->flags | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return failed(error, errno, "open through /proc/self/fd");
	return place_slot(ex, fd, op->slot, error);
}

static int take(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int number = slot_fd(ex, op->slot);

	if (dup3(op->arg, number, O_CLOEXEC) < 0)
		return failed(error, errno, "dup3 of a descriptor handed over");
	return 0;
}

static int make_pipe(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return failed(error, errno, "pipe2");
	/* Both numbers are low and the slots are not: neither place_slot meets the other end. */
	if (place_slot(ex, ends[0], op->slot, error) < 0) {
		close(ends[1]);
		return -1;
	}
	return place_slot(ex, ends[1], op->arg, error);
}

static int set_pipe_size(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);

	/* Every new pipe has the default: do not reallocate its ring for that. */
	if (fcntl(fd, F_GETPIPE_SZ) == (int)op->a)
		return 0;
	if (fcntl(fd, F_SETPIPE_SZ, (int)op->a) < 0)
		return failed(error, errno, "F_SETPIPE_SZ");
	return 0;
}

static int check_fifo_empty(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int unread = 0;

	if (ioctl(slot_fd(ex, op->slot), FIONREAD, &unread) < 0)
		return failed(error, errno, "FIONREAD");
	if (unread != 0)
		return failed(error, EBUSY, "the FIFO is in use: it holds unread data of somebody else");
	return 0;
}

static int write_data(struct executor *ex, const struct plan_op *op, struct error *error)
{
	ssize_t written = write(slot_fd(ex, op->slot), op_data(ex, op), op->data_len);

	if (written < 0)
		return failed(error, errno, "write");
	if ((uint32_t)written != op->data_len)
		return failed(error, EMSGSIZE, "unread data do not fit into the pipe");
	return 0;
}

/*
 * Where a file that has been deleted is made again. Its path is walked once:
 * its directories may belong to somebody who would lead a second walk, of
 * unlink(2), elsewhere.
 */
enum { MAX_MADE = 64 };

struct place {
	int dir;
	const char *name;
	/* directories that were gone too, and are there for a moment */
	int nr_made;
	int above[MAX_MADE];
	const char *made[MAX_MADE];
};

static const int directory_flags = O_PATH | O_DIRECTORY | O_CLOEXEC;

static int make_directory(struct place *place, const char *name)
{
	int fd;

	if (place->nr_made == MAX_MADE) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (mkdirat(place->dir, name, 0700) < 0)
		return -1;
	fd = openat(place->dir, name, directory_flags | O_NOFOLLOW);
	place->above[place->nr_made] = place->dir;
	place->made[place->nr_made++] = name;
	return fd;
}

static void leave_place(struct place *place)
{
	int err = errno;

	if (place->dir >= 0)
		close(place->dir);
	while (place->nr_made-- > 0) {
		unlinkat(place->above[place->nr_made], place->made[place->nr_made], AT_REMOVEDIR);
		close(place->above[place->nr_made]);
	}
	errno = err;
}

/* @path is cut into its parts, which @place refers to. leave_place() has to follow, on failure too. */
static int find_place(struct place *place, char *path)
{
	char *name = path + 1, *slash;

	place->nr_made = 0;
	place->dir = open("/", directory_flags);
	while (place->dir >= 0 && (slash = strchr(name, '/')) != NULL) {
		int next;

		*slash = '\0';
		next = openat(place->dir, name, directory_flags);
		if (next >= 0)
			close(place->dir);
		else if (errno == ENOENT)
			next = make_directory(place, name);
		if (next < 0 && (place->nr_made == 0 || place->above[place->nr_made - 1] != place->dir))
			close(place->dir);
		place->dir = next;
		name = slash + 1;
	}
	place->name = name;
	return place->dir < 0 ? -1 : 0;
}

/* Under its old name, for a moment: then /proc shows the old path. Where that is taken, it never has one, or any. */
static int create_without_name(const struct place *place)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char name[40];
	int fd = openat(place->dir, place->name, flags, 0600);

	if (fd >= 0) {
		unlinkat(place->dir, place->name, 0);
		return fd;
	}
	if (errno != EEXIST)
		return -1;
	fd = openat(place->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* a file system that has no such files */
	for (unsigned int i = 0; fd < 0 && i < 1000 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EEXIST); i++) {
		snprintf(name, sizeof(name), ".crctl-%d-%u", getpid(), i);
		fd = openat(place->dir, name, flags, 0600);
		if (fd >= 0)
			unlinkat(place->dir, name, 0);
	}
	return fd;
}

/* A file that no name leads to. */
static int make_ghost(struct executor *ex, const struct plan_op *op, struct error *error)
{
	char path[PATH_MAX];
	struct place place;
	int fd = -1;

	if (op->data_len >= sizeof(path) || op_data(ex, op)[0] != '/')
		return failed(error, ENAMETOOLONG, "creating a deleted file");
	memcpy(path, op_data(ex, op), (size_t)op->data_len + 1);
	if (find_place(&place, path) == 0)
		fd = create_without_name(&place);
	leave_place(&place);
	if (fd < 0)
		return failed(error, errno, "creating a deleted file in its directory");
	return place_slot(ex, fd, op->slot, error);
}

static int make_memfd(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = memfd_create(op_data(ex, op), op->flags | MFD_CLOEXEC);

	if (fd < 0)
		return failed(error, errno, "memfd_create");
	return place_slot(ex, fd, op->slot, error);
}

/* The file behind a mapping of ours, as the module's mfd/ gives it, or map_files/ of the kernel itself. */
int open_mapping(const void *map, uint64_t size)
{
	uintptr_t start = (uintptr_t)map;
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/mfd/%lx", start);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		/* its end is rounded up to a page */
		uintptr_t end = start + ((size + 4095) & ~4095ull);

		snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, end);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	return fd;
}

/*
 * Shared anonymous memory. Mapped again it shows as "/dev/zero (deleted)" or "/anon_hugepage (deleted)" as before; a memfd would
 * have another name.
 */
static int make_shmem(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int huge = op->arg ? MAP_HUGETLB | op->arg << MAP_HUGE_SHIFT : 0;
	void *map = mmap(NULL, op->a, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | huge, -1, 0);
	int fd, err;

	if (map == MAP_FAILED)
		return failed(error, errno, "mmap of shared anonymous memory");
	fd = open_mapping(map, op->a);
	err = errno;
	munmap(map, op->a);
	if (fd < 0)
		return failed(error, err, "opening shared anonymous memory through /proc/self/mfd");
	return place_slot(ex, fd, op->slot, error);
}

/* The owner first: a change of it takes set-user-id bits away. */
static int set_permissions(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return failed(error, errno, "fstat");
	if ((st.st_uid != op->a || st.st_gid != op->b) && fchown(fd, (uid_t)op->a, (gid_t)op->b) < 0)
		return failed(error, errno, "fchown");
	if ((st.st_mode & 07777) != (op->flags & 07777) && fchmod(fd, op->flags & 07777) < 0)
		return failed(error, errno, "fchmod");
	return 0;
}

static int set_times(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)((int64_t)op->a / 1000000000), .tv_nsec = (long)(op->a % 1000000000) },
	};

	if (futimens(slot_fd(ex, op->slot), times) < 0)
		return failed(error, errno, "futimens");
	return 0;
}

/* A signal tells of the number under which O_ASYNC was set. */
static int set_async(int fd, const struct plan_op *op, struct error *error)
{
	struct borrowed borrowed;
	int result = 0;

	if (borrow_number(&borrowed, fd, op->b >> 32, error) < 0)
		return -1;
	if (fcntl(borrowed.number, F_SETFL, (int)op->flags) < 0)
		result = failed(error, errno, "F_SETFL");
	give_number_back(&borrowed);
	return result;
}

static int set_owner(struct executor *ex, const struct plan_op *op, struct error *error)
{
	struct f_owner_ex owner = { .type = (int)op->a, .pid = actual_pid(ex, op->arg) };
	int fd = slot_fd(ex, op->slot), signo = (int)(uint32_t)op->b;

	if (fcntl(fd, F_SETOWN_EX, &owner) < 0)
		return failed(error, errno, "F_SETOWN_EX");
	if (signo != 0 && fcntl(fd, F_SETSIG, signo) < 0)
		return failed(error, errno, "F_SETSIG");
	/* Only now: with O_ASYNC set earlier, signals would go to whoever owned it. */
	return op->flags != 0 ? set_async(fd, op, error) : 0;
}

int op_object(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int fd = slot_fd(ex, op->slot);

	switch (op->type) {
	case PLAN_OP_OPEN:
		return open_path(ex, op, error);
	case PLAN_OP_REOPEN:
		return reopen(ex, op, error);
	case PLAN_OP_SEEK:
		if (lseek(fd, (off_t)op->a, SEEK_SET) < 0)
			return failed(error, errno, "lseek");
		return 0;
	case PLAN_OP_SETFL:
		if (fcntl(fd, F_SETFL, (int)op->flags) < 0)
			return failed(error, errno, "F_SETFL");
		return 0;
	case PLAN_OP_CLOSE:
		close(fd);
		return 0;
	case PLAN_OP_TAKE:
		return take(ex, op, error);
	case PLAN_OP_PIPE:
		return make_pipe(ex, op, error);
	case PLAN_OP_FIFO_EMPTY:
		return check_fifo_empty(ex, op, error);
	case PLAN_OP_PIPE_SIZE:
		return set_pipe_size(ex, op, error);
	case PLAN_OP_WRITE:
		return write_data(ex, op, error);
	case PLAN_OP_GHOST:
		return make_ghost(ex, op, error);
	case PLAN_OP_MEMFD:
		return make_memfd(ex, op, error);
	case PLAN_OP_SHMEM:
		return make_shmem(ex, op, error);
	case PLAN_OP_FILL:
		return fill_from_image(ex, op, error);
	case PLAN_OP_CHOWN:
		return set_permissions(ex, op, error);
	case PLAN_OP_TIMES:
		return set_times(ex, op, error);
	case PLAN_OP_SEAL:
		if (fcntl(fd, F_ADD_SEALS, (int)op->flags) < 0)
			return failed(error, errno, "F_ADD_SEALS");
		return 0;
	default:
		return set_owner(ex, op, error);
	}
}

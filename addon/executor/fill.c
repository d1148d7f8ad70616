// SPDX-License-Identifier: GPL-2.0-only
/* Contents of shared memory and deleted files, out of the image: holes stay holes. */
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"

/* Between two looks for a signal. */
#define CHUNK	(64u << 20)

/*
 * copy_file_range shares blocks where the file system can (a deleted file of
 * the image's own), sendfile hands over page cache pages; both copy at most
 * once, and neither needs memory of ours.
 */
static ssize_t copy_some(int in, int out, off_t *offset, size_t len, bool *ranges)
{
	ssize_t copied;

	if (*ranges) {
		loff_t from = *offset, to = *offset;

		copied = copy_file_range(in, &from, out, &to, len, 0);
		if (copied > 0)
			*offset += copied;
		/* 0 bytes: some pseudo file systems say that instead of refusing */
		if (copied > 0 || (copied < 0 && errno == ENOSPC))
			return copied;
		*ranges = false;
	}
	if (lseek(out, *offset, SEEK_SET) < 0)
		return -1;
	return sendfile(out, in, offset, len);	/* moves *offset */
}

static int copy_data(int in, int out, off_t size, struct error *error)
{
	bool ranges = true;
	off_t offset = 0;

	for (;;) {
		off_t end;

		offset = lseek(in, offset, SEEK_DATA);
		if (offset < 0) {
			if (errno == ENXIO)	/* nothing but a hole up to the end */
				return 0;
			return failed(error, errno, "lseek in a data file of the image");
		}
		if (offset >= size)
			return 0;
		end = lseek(in, offset, SEEK_HOLE);
		if (end < 0)
			return failed(error, errno, "lseek in a data file of the image");
		if (end > size)
			end = size;
		while (offset < end) {
			size_t len = (size_t)(end - offset) < CHUNK ? (size_t)(end - offset) : CHUNK;
			ssize_t copied = copy_some(in, out, &offset, len, &ranges);

			if (copied < 0)
				return failed(error, errno, "copying contents out of the image");
			if (copied == 0)
				return failed(error, EIO, "a data file of the image ends too early");
			if (interrupted())
				return failed(error, EINTR, "copying contents out of the image");
		}
	}
}

int fill_from_image(struct executor *ex, const struct plan_op *op, struct error *error)
{
	int out = slot_fd(ex, op->slot);
	struct stat st;
	int in, ret;

	if (op->flags & PLAN_FILL_HUGE)
		return fill_huge(ex, op, false, error);
	/* Shared anonymous memory has its size already, and cannot change it through every kind of link. */
	if (fstat(out, &st) < 0)
		return failed(error, errno, "fstat");
	if ((uint64_t)st.st_size != op->a && ftruncate(out, (off_t)op->a) < 0)
		return failed(error, errno, "ftruncate");

	in = openat(ex->image_fd, op_data(ex, op), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0)
		return failed(error, errno, "opening a data file of the image");
	ret = copy_data(in, out, (off_t)op->a, error);
	close(in);
	if (ret < 0)
		return -1;
	if (lseek(out, 0, SEEK_SET) < 0)
		return failed(error, errno, "lseek");
	if (ex->plan->flags & PLAN_F_PROGRESS)
		status_line(ex, "filled %llu", (unsigned long long)op->a);
	return 0;
}

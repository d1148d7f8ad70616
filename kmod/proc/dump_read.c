// SPDX-License-Identifier: GPL-2.0
/*
 * Reading /proc/<pid>/dump: by copying, or by putting the process's own pages
 * into a pipe.
 */
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/pipe_fs_i.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "proc/dump.h"
#include "proc/proc.h"

/* Pages that one turn of a read holds. */
#define BATCH 256ul

/* How many pages @len bytes at @pos touch, as far as one turn goes. */
static unsigned long pages_wanted(const struct crctl_dump *d, loff_t pos, size_t len)
{
	u64 bytes = min_t(u64, len, d->size - pos);

	return min_t(u64, BATCH, (offset_in_page(pos) + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

static long get_pages(struct crctl_dump *d, loff_t pos, unsigned long nr, struct page **pages)
{
	long got;

	got = crctl_dump_lock(d);
	if (got)
		return got;
	got = crctl_pages_get(&d->pages, d->g.mm, (pos - d->data_off) >> PAGE_SHIFT, nr, pages);
	crctl_dump_unlock(d);
	return got;
}

static ssize_t read_header(struct crctl_dump *d, loff_t pos, struct iov_iter *to)
{
	size_t len, copied;
	void *buf;

	buf = crctl_fault(DUMP_HEADER) ? NULL : (void *)__get_free_page(GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	len = crctl_dump_header(d, pos, buf, iov_iter_count(to));
	copied = copy_to_iter(buf, len, to);
	free_page((unsigned long)buf);
	return copied ?: -EFAULT;
}

static ssize_t read_pages(struct crctl_dump *d, loff_t pos, struct iov_iter *to,
			  struct page **pages)
{
	size_t want, copied = 0, offset = offset_in_page(pos);
	long i, got;
	bool fault = false;

	got = crctl_fault(DUMP_READ) ?:
	      get_pages(d, pos, pages_wanted(d, pos, iov_iter_count(to)), pages);
	if (got < 0)
		return got;
	for (i = 0; i < got; i++) {
		want = min_t(size_t, iov_iter_count(to), PAGE_SIZE - offset);
		if (!fault) {
			size_t n = copy_page_to_iter(pages[i], offset, want, to);

			copied += n;
			fault = n < want;
		}
		offset = 0;
		put_page(pages[i]);
	}
	return copied ?: -EFAULT;
}

/* May the caller, and is it as it was? Then nothing of the image moves until up_read(). */
static int begin_reading(struct crctl_dump *d)
{
	int err = crctl_dump_lock(d);

	if (err)
		return err;
	crctl_dump_unlock(d);
	return down_read_killable(&d->layout);
}

/**
 * crctl_dump_read_iter() - read(2), pread(2) and their like
 * @iocb: the open file and where in it
 * @to: where the bytes go
 *
 * Return: the number of bytes or a negative errno.
 */
ssize_t crctl_dump_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct crctl_dump *d = iocb->ki_filp->private_data;
	loff_t pos = iocb->ki_pos;
	struct page **pages = NULL;
	ssize_t n, done = 0;
	int err;

	err = begin_reading(d);
	if (err)
		return err;
	while (iov_iter_count(to) && pos < d->size) {
		if (pos < d->data_off) {
			n = read_header(d, pos, to);
		} else {
			if (!pages)
				pages = kmalloc_array(pages_wanted(d, pos, iov_iter_count(to)),
						      sizeof(*pages), GFP_KERNEL);
			n = pages ? read_pages(d, pos, to, pages) : -ENOMEM;
		}
		if (n < 0) {
			/* Whoever reads on meets the error again. */
			err = n;
			break;
		}
		pos += n;
		done += n;
		cond_resched();
	}
	up_read(&d->layout);
	kfree(pages);
	if (err == -EBUSY || (err && !done))
		return err;
	/* Pages that were copied while it ran are no image. */
	err = done ? crctl_group_verify(&d->g) : 0;
	if (err)
		return err;
	iocb->ki_pos = pos;
	return done;
}

/* ---- splicing ---- */

static ssize_t splice_header(struct crctl_dump *d, loff_t pos, size_t len,
			     struct pipe_inode_info *pipe)
{
	struct pipe_buffer buf = { .ops = &nosteal_pipe_buf_ops };

	buf.page = alloc_page(GFP_USER);
	if (!buf.page)
		return -ENOMEM;
	buf.len = crctl_dump_header(d, pos, page_address(buf.page), len);
	return add_to_pipe(pipe, &buf);
}

/* The process's own pages go into the pipe; nothing is copied. */
static ssize_t splice_pages(struct crctl_dump *d, loff_t pos, size_t len,
			    struct pipe_inode_info *pipe, struct page **pages)
{
	unsigned long room = pipe->max_usage - pipe_occupancy(pipe->head, pipe->tail);
	size_t offset = offset_in_page(pos);
	ssize_t n = 0, done = 0;
	long i, got;

	got = crctl_fault(DUMP_SPLICE) ?:
	      get_pages(d, pos, min(room, pages_wanted(d, pos, len)), pages);
	if (got < 0)
		return got;
	for (i = 0; i < got; i++) {
		struct pipe_buffer buf = {
			.ops = &nosteal_pipe_buf_ops,
			.page = pages[i],
			.offset = offset,
			.len = min_t(size_t, len - done, PAGE_SIZE - offset),
		};

		if (n < 0) {
			put_page(pages[i]);
			continue;
		}
		n = add_to_pipe(pipe, &buf);	/* drops the page if it fails */
		if (n > 0)
			done += n;
		offset = 0;
	}
	return done ?: n;
}

/**
 * crctl_dump_splice_read() - splice(2) and sendfile(2)
 * @in: the open file
 * @ppos: where in it, moved on
 * @pipe: where pages go
 * @len: how many bytes are wanted
 * @flags: SPLICE_F_*
 *
 * A reader has to take the bytes out of the pipe, and find the end of this
 * file, before it lets the process run: until then they may change.
 *
 * Return: the number of bytes or a negative errno.
 */
ssize_t crctl_dump_splice_read(struct file *in, loff_t *ppos, struct pipe_inode_info *pipe,
			       size_t len, unsigned int flags)
{
	struct crctl_dump *d = in->private_data;
	struct page **pages = NULL;
	loff_t pos = *ppos;
	ssize_t n, done = 0;
	int err;

	err = begin_reading(d);
	if (err)
		return err;
	while (len && pos < d->size && !err) {
		if (pipe_full(pipe->head, pipe->tail, pipe->max_usage)) {
			err = -EAGAIN;
			break;
		}
		if (pos < d->data_off) {
			n = splice_header(d, pos, len, pipe);
		} else {
			if (!pages)
				pages = kmalloc_array(pages_wanted(d, pos, len),
						      sizeof(*pages), GFP_KERNEL);
			n = pages ? splice_pages(d, pos, len, pipe, pages) : -ENOMEM;
		}
		if (n < 0) {
			err = n;
			break;
		}
		pos += n;
		len -= n;
		done += n;
		cond_resched();
	}
	up_read(&d->layout);
	kfree(pages);
	if (done)
		*ppos = pos;
	return done ?: err;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/<pid>/dump: a stopped process as an ELF core file (see crctl_image.h).
 *
 * Everything but the pages is collected when the file is opened; pages are
 * read from the process when their turn comes. Each read makes sure that the
 * reader may still do so and that no thread has run since the file was opened,
 * before and after, and so does the read that finds the end of the file: a
 * reader that got there has a consistent image, whichever way its bytes went.
 */
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/pipe_fs_i.h>
#include <linux/ptrace.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/utsname.h>

#include "compat/proc.h"
#include "proc/proc.h"

/* Pages that one turn of a read holds. */
#define BATCH 256ul

struct dump {
	struct crctl_group g;
	struct crctl_notes notes;
	struct crctl_pages pages;
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Shdr shdr;
	} head;
	u32 phnum;
	loff_t notes_off;
	loff_t data_off;
	loff_t size;
};

/* ---- who may read, and when ---- */

/*
 * As mm_access() does: an execve() of the process that changes what the reader
 * may see cannot take place between this check and what is done under it.
 */
static int lock_and_check(struct dump *d)
{
	struct rw_semaphore *lock = &d->g.leader->signal->exec_update_lock;
	unsigned int i;
	int err;

	err = down_read_killable(lock);
	if (err)
		return err;
	for (i = 0; i < d->g.nr_threads; i++) {
		if (!crctl_call(ptrace_may_access)(d->g.threads[i],
						   PTRACE_MODE_ATTACH_FSCREDS)) {
			err = -EACCES;
			goto out;
		}
	}
	err = crctl_group_verify(&d->g);
	if (!err)
		return 0;
out:
	up_read(lock);
	return err;
}

static void unlock(struct dump *d)
{
	up_read(&d->g.leader->signal->exec_update_lock);
}

/* ---- opening ---- */

static int add_threads(struct dump *d)
{
	unsigned int i;
	int err;

	for (i = 0; i < d->g.nr_threads; i++) {
		err = crctl_regs_dump(&d->g, i, &d->notes) ?:
		      crctl_thread_dump(&d->g, i, &d->notes);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int add_kinds(struct dump *d)
{
	return add_threads(d) ?:
	       crctl_process_dump(&d->g, &d->notes) ?:
	       crctl_signals_dump(&d->g, &d->notes) ?:
	       crctl_timers_dump(&d->g, &d->notes) ?:
	       crctl_creds_dump(&d->g, &d->notes) ?:
	       crctl_shared_dump(&d->g, &d->notes) ?:
	       crctl_mm_dump(&d->g, &d->notes) ?:
	       crctl_vma_dump(&d->g, &d->notes) ?:
	       crctl_pages_find(&d->pages, &d->g, &d->notes);
}

/* The first note says what is known only in the end. */
static void fill_info(struct dump *d, size_t info_at)
{
	struct crctl_image_info info = {
		.kind = CRCTL_IMAGE_DUMP,
		.nr_threads = d->g.nr_threads,
		.xfeatures_used = d->g.xfeatures_used,
		.realtime_ns = d->g.realtime_ns,
		.monotonic_ns = d->g.monotonic_ns,
		.boottime_ns = d->g.boottime_ns,
	};

	strscpy(info.release, utsname()->release, sizeof(info.release));
	memcpy(d->notes.buf + info_at, &info, sizeof(info));
}

static int add_notes(struct dump *d)
{
	static const struct crctl_image_info later;
	struct crctl_notes *n = &d->notes;
	size_t info_at;
	int err;

	err = crctl_note_records(n, CRCTL_NT_IMAGE, &later, sizeof(later), 1, NULL, 0);
	if (err)
		return err;
	info_at = n->len - sizeof(later);

	crctl_group_refuse(&d->g, n);
	/* What has lost its first thread has no state that the rest could be taken from. */
	if (!READ_ONCE(d->g.leader->exit_state)) {
		err = add_kinds(d);
		if (err)
			return err;
	}
	if (n->nr_refusals) {
		err = crctl_note_records(n, CRCTL_NT_REFUSAL, n->refusal_recs,
					 sizeof(struct crctl_refusal), n->nr_refusals,
					 n->refusal_text, n->refusal_text_len);
		crctl_pages_free(&d->pages);
	}
	if (!err)
		err = n->error;
	if (!err)
		fill_info(d, info_at);
	return err;
}

static void lay_out(struct dump *d)
{
	d->phnum = d->pages.nr + 1;
	d->notes_off = sizeof(d->head) + (loff_t)d->phnum * sizeof(Elf64_Phdr);
	d->data_off = ALIGN(d->notes_off + (loff_t)d->notes.len, PAGE_SIZE);
	d->size = d->data_off + ((loff_t)d->pages.total << PAGE_SHIFT);

	d->head.ehdr = (Elf64_Ehdr) {
		.e_ident = {
			ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
			ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_NONE,
		},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(d->head),
		.e_shoff = sizeof(d->head.ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = min_t(u32, d->phnum, PN_XNUM),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 1,
		.e_shstrndx = SHN_UNDEF,
	};
	d->head.shdr.sh_info = d->phnum;
}

static int collect(struct dump *d, struct task_struct *task)
{
	struct rw_semaphore *lock = &task->signal->exec_update_lock;
	int err;

	err = down_read_killable(lock);
	if (err)
		return err;
	/* Before anything else: whether it is stopped is not everybody's business. */
	err = -EACCES;
	if (!crctl_call(ptrace_may_access)(task, PTRACE_MODE_ATTACH_FSCREDS))
		goto out;
	err = crctl_group_get(&d->g, task);
	if (err)
		goto out;
	err = -ESRCH;
	if (!mmget_not_zero(d->g.mm))
		goto out;
	err = add_notes(d);
	mmput(d->g.mm);
out:
	up_read(lock);
	if (err)
		return err;
	lay_out(d);
	/* Has it been still all the time? And may the reader see all its threads? */
	err = lock_and_check(d);
	if (!err)
		unlock(d);
	return err;
}

static void free_dump(struct dump *d)
{
	crctl_pages_free(&d->pages);
	crctl_notes_free(&d->notes);
	crctl_group_put(&d->g);
	kfree(d);
}

static int dump_open(struct inode *inode, struct file *file)
{
	struct task_struct *task;
	struct dump *d;
	int err;

	task = get_pid_task(crctl_proc_pid(inode), PIDTYPE_PID);
	if (!task)
		return -ESRCH;
	err = -EINVAL;		/* a kernel thread is nothing that could be dumped */
	if (task->flags & PF_KTHREAD)
		goto out;
	err = -ENOMEM;
	d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	if (!d)
		goto out;
	crctl_notes_init(&d->notes);
	err = collect(d, task);
	if (err)
		free_dump(d);
	else
		file->private_data = d;
out:
	put_task_struct(task);
	return err;
}

static int dump_release(struct inode *inode, struct file *file)
{
	free_dump(file->private_data);
	return 0;
}

static loff_t dump_llseek(struct file *file, loff_t offset, int whence)
{
	struct dump *d = file->private_data;

	return fixed_size_llseek(file, offset, whence, d->size);
}

/* ---- what comes before the pages ---- */

static void make_phdr(const struct dump *d, u32 i, Elf64_Phdr *ph)
{
	const struct crctl_run *run;
	u64 size;

	memset(ph, 0, sizeof(*ph));
	if (!i) {
		ph->p_type = PT_NOTE;
		ph->p_offset = d->notes_off;
		ph->p_filesz = d->notes.len;
		ph->p_align = 4;
		return;
	}
	run = &d->pages.runs[i - 1];
	size = (u64)(run[1].first - run[0].first) << PAGE_SHIFT;
	ph->p_type = PT_LOAD;
	ph->p_flags = run->start & ~PAGE_MASK;
	ph->p_offset = d->data_off + ((u64)run->first << PAGE_SHIFT);
	ph->p_vaddr = run->start & PAGE_MASK;
	ph->p_filesz = size;
	ph->p_memsz = size;
	ph->p_align = PAGE_SIZE;
}

/* Bytes at @pos, up to @len of them but maybe fewer; @pos is before the pages. */
static size_t some_header(const struct dump *d, loff_t pos, u8 *buf, size_t len)
{
	Elf64_Phdr ph;
	const void *from;
	u64 off, have;

	if (pos < sizeof(d->head)) {
		off = pos;
		from = &d->head;
		have = sizeof(d->head);
	} else if (pos < d->notes_off) {
		off = pos - sizeof(d->head);
		make_phdr(d, div64_u64(off, sizeof(ph)), &ph);
		off %= sizeof(ph);
		from = &ph;
		have = sizeof(ph);
	} else if (pos < d->notes_off + d->notes.len) {
		off = pos - d->notes_off;
		from = d->notes.buf;
		have = d->notes.len;
	} else {
		len = min_t(u64, len, d->data_off - pos);
		memset(buf, 0, len);
		return len;
	}
	len = min_t(u64, len, have - off);
	memcpy(buf, from + off, len);
	return len;
}

/* Fill a page with what is at @pos, as far as it is before the pages. */
static size_t fill_header(const struct dump *d, loff_t pos, void *buf, size_t len)
{
	size_t done = 0;

	len = min_t(u64, min_t(size_t, len, PAGE_SIZE), d->data_off - pos);
	while (done < len)
		done += some_header(d, pos + done, buf + done, len - done);
	return len;
}

/* ---- reading ---- */

/* How many pages @len bytes at @pos touch, as far as one turn goes. */
static unsigned long pages_wanted(const struct dump *d, loff_t pos, size_t len)
{
	u64 bytes = min_t(u64, len, d->size - pos);

	return min_t(u64, BATCH, (offset_in_page(pos) + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

static long get_pages(struct dump *d, loff_t pos, unsigned long nr, struct page **pages)
{
	long got;

	got = lock_and_check(d);
	if (got)
		return got;
	got = crctl_pages_get(&d->pages, d->g.mm, (pos - d->data_off) >> PAGE_SHIFT, nr, pages);
	unlock(d);
	return got;
}

static ssize_t read_header(struct dump *d, loff_t pos, struct iov_iter *to)
{
	size_t len, copied;
	void *buf;

	buf = (void *)__get_free_page(GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	len = fill_header(d, pos, buf, iov_iter_count(to));
	copied = copy_to_iter(buf, len, to);
	free_page((unsigned long)buf);
	return copied ?: -EFAULT;
}

static ssize_t read_pages(struct dump *d, loff_t pos, struct iov_iter *to,
			  struct page **pages)
{
	size_t want, copied = 0, offset = offset_in_page(pos);
	long i, got;
	bool fault = false;

	got = get_pages(d, pos, pages_wanted(d, pos, iov_iter_count(to)), pages);
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

static ssize_t dump_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct dump *d = iocb->ki_filp->private_data;
	loff_t pos = iocb->ki_pos;
	struct page **pages = NULL;
	ssize_t n, done = 0;
	int err;

	err = lock_and_check(d);
	if (err)
		return err;
	unlock(d);
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

static ssize_t splice_header(struct dump *d, loff_t pos, size_t len, struct pipe_inode_info *pipe)
{
	struct pipe_buffer buf = { .ops = &nosteal_pipe_buf_ops };

	buf.page = alloc_page(GFP_USER);
	if (!buf.page)
		return -ENOMEM;
	buf.len = fill_header(d, pos, page_address(buf.page), len);
	return add_to_pipe(pipe, &buf);
}

/* The process's own pages go into the pipe; nothing is copied. */
static ssize_t splice_pages(struct dump *d, loff_t pos, size_t len,
			    struct pipe_inode_info *pipe, struct page **pages)
{
	unsigned long room = pipe->max_usage - pipe_occupancy(pipe->head, pipe->tail);
	size_t offset = offset_in_page(pos);
	ssize_t n = 0, done = 0;
	long i, got;

	got = get_pages(d, pos, min(room, pages_wanted(d, pos, len)), pages);
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

/*
 * A reader has to take the bytes out of the pipe, and find the end of this
 * file, before it lets the process run: until then they may change.
 */
static ssize_t dump_splice_read(struct file *in, loff_t *ppos, struct pipe_inode_info *pipe,
				size_t len, unsigned int flags)
{
	struct dump *d = in->private_data;
	struct page **pages = NULL;
	loff_t pos = *ppos;
	ssize_t n, done = 0;
	int err;

	err = lock_and_check(d);
	if (err)
		return err;
	unlock(d);
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
	kfree(pages);
	if (done)
		*ppos = pos;
	return done ?: err;
}

const struct file_operations crctl_dump_fops = {
	.owner		= THIS_MODULE,
	.open		= dump_open,
	.release	= dump_release,
	.llseek		= dump_llseek,
	.read_iter	= dump_read_iter,
	.splice_read	= dump_splice_read,
};

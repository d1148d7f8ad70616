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
#include <linux/ptrace.h>
#include <linux/utsname.h>

#include "compat/proc.h"
#include "proc/dump.h"
#include "proc/proc.h"

/* ---- who may read, and when ---- */

/**
 * crctl_dump_lock() - make sure that the caller may read, and that nothing has run
 * @d: the dump
 *
 * As mm_access() does: an execve() of the process that changes what the reader
 * may see cannot take place before crctl_dump_unlock().
 *
 * Return: 0 or a negative errno, and then nothing is locked.
 */
int crctl_dump_lock(struct crctl_dump *d)
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

/**
 * crctl_dump_unlock() - what follows crctl_dump_lock()
 * @d: the dump
 */
void crctl_dump_unlock(struct crctl_dump *d)
{
	up_read(&d->g.leader->signal->exec_update_lock);
}

/* ---- opening ---- */

static int add_threads(struct crctl_dump *d)
{
	unsigned int i;
	int err;

	for (i = 0; i < d->g.nr_threads; i++) {
		err = crctl_fault(DUMP_THREAD) ?:
		      (i < d->g.first ? 0 : crctl_regs_dump(&d->g, i, &d->notes)) ?:
		      crctl_thread_dump(&d->g, i, &d->notes);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int add_kinds(struct crctl_dump *d)
{
	return add_threads(d) ?:
	       crctl_moment_dump(&d->g, &d->notes) ?:
	       crctl_creds_dump(&d->g, &d->notes) ?:
	       crctl_descriptors_dump(&d->g, &d->notes) ?:
	       crctl_sem_dump(&d->g, &d->notes) ?:
	       crctl_shared_dump(&d->g, &d->notes) ?:
	       crctl_mm_dump(&d->g, &d->notes) ?:
	       crctl_vma_dump(&d->g, &d->notes) ?:
	       crctl_mempolicy_dump(&d->g, &d->notes) ?:
	       crctl_pages_find(&d->pages, &d->g, &d->notes);
}

/* The first note says what is known only in the end. */
static void fill_info(struct crctl_dump *d, size_t info_at)
{
	struct crctl_image_info info = {
		.kind = CRCTL_IMAGE_DUMP,
		.nr_threads = d->g.nr_threads,
		.xfeatures_used = d->g.xfeatures_used,
		.realtime_ns = d->g.realtime_ns,
		.monotonic_ns = d->g.monotonic_ns + d->g.offsets.monotonic_ns,
		.boottime_ns = d->g.boottime_ns + d->g.offsets.boottime_ns,
	};

	strscpy(info.release, utsname()->release, sizeof(info.release));
	memcpy(d->notes.buf + info_at, &info, sizeof(info));
}

static int add_notes(struct crctl_dump *d)
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
	err = add_kinds(d);
	if (err)
		return err;
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

/**
 * crctl_dump_lay_out() - work out what lies where in the image
 * @d: the dump, with all its notes and pages
 */
void crctl_dump_lay_out(struct crctl_dump *d)
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

static int collect(struct crctl_dump *d, struct task_struct *task)
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
	crctl_dump_lay_out(d);
	/* Has it been still all the time? And may the reader see all its threads? */
	err = crctl_dump_lock(d);
	if (!err)
		crctl_dump_unlock(d);
	return err;
}

static void free_dump(struct crctl_dump *d)
{
	crctl_pages_free(&d->pages);
	crctl_notes_free(&d->notes);
	crctl_group_put(&d->g);
	kfree(d);
}

static int dump_open(struct inode *inode, struct file *file)
{
	struct task_struct *task;
	struct crctl_dump *d;
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
	init_rwsem(&d->layout);
	err = collect(d, task) ?: crctl_fault(DUMP_OPEN);
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
	struct crctl_dump *d = file->private_data;

	return fixed_size_llseek(file, offset, whence, d->size);
}

/* ---- what comes before the pages ---- */

static void make_phdr(const struct crctl_dump *d, u32 i, Elf64_Phdr *ph)
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
static size_t some_header(const struct crctl_dump *d, loff_t pos, u8 *buf, size_t len)
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

/**
 * crctl_dump_header() - what comes before the pages
 * @d: the dump
 * @pos: where in the image, before the pages
 * @buf: at least min(@len, PAGE_SIZE) bytes
 * @len: how many bytes are wanted
 *
 * Return: how many bytes were written, at least one.
 */
size_t crctl_dump_header(const struct crctl_dump *d, loff_t pos, void *buf, size_t len)
{
	size_t done = 0;

	len = min_t(u64, min_t(size_t, len, PAGE_SIZE), d->data_off - pos);
	while (done < len)
		done += some_header(d, pos + done, buf + done, len - done);
	return len;
}

const struct file_operations crctl_dump_fops = {
	.owner		= THIS_MODULE,
	.open		= dump_open,
	.release	= dump_release,
	.llseek		= dump_llseek,
	.read_iter	= crctl_dump_read_iter,
	.splice_read	= crctl_dump_splice_read,
	.unlocked_ioctl	= crctl_dump_ioctl,
};

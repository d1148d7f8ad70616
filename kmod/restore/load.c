// SPDX-License-Identifier: GPL-2.0
/*
 * From a file to a struct crctl_restore: read, check, take references. Nothing
 * here changes the calling task, so that each error is just its errno.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <linux/vmalloc.h>
#include <linux/xattr.h>

#include "compat/files.h"
#include "compat/vdso.h"
#include "proc/proc.h"
#include "restore/load.h"
#include "restore/memory.h"

static const struct vdso_image *vdso;

int crctl_load_init(void)
{
	/* the one of 64-bit programs, such as the one that loads the module */
	vdso = current->mm->context.vdso_image;
	if (!vdso || !user_64bit_mode(task_pt_regs(current))) {
		pr_err("the program that loads the module has no vdso, or is not a 64-bit one\n");
		return -EINVAL;
	}
	return 0;
}

const struct vdso_image *crctl_vdso_image(void)
{
	return vdso;
}

static void put_file(struct file *f)
{
	if (f)
		fput(f);
}

void crctl_restore_put(struct crctl_restore *r)
{
	u32 i;

	if (!refcount_dec_and_test(&r->refs))
		return;
	crctl_cow_withdraw(r);
	for (i = 0; r->vma_files && i < r->img.vma.count; i++)
		put_file(r->vma_files[i]);
	for (i = 0; r->extent_files && i < r->img.extent.count; i++)
		if (!i || r->extent_files[i] != r->extent_files[i - 1])
			put_file(r->extent_files[i]);
	put_pid(r->owner);
	put_file(r->exe_file);
	put_file(r->gate);
	put_file(r->report);
	put_file(r->image);
	kvfree(r->vma_files);
	kvfree(r->extent_files);
	kvfree(r->threads);
	kvfree(r->thread_refs);
	kvfree(r->phdrs);
	kvfree(r->notes);
	kfree(r);
	crctl_put();
}

int crctl_restore_fail(struct crctl_restore *r, int err, const char *stage,
		       u64 addr, const char *fmt, ...)
{
	char text[160], line[256];
	struct va_format vaf;
	va_list args;
	loff_t pos = 0;
	int len;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	snprintf(text, sizeof(text), "%pV", &vaf);
	va_end(args);
	pr_debug("%d: %s: %s (%d)\n", task_pid_nr(current), stage, text, err);
	/* one line below PIPE_BUF: lines of several tasks do not mix */
	len = scnprintf(line, sizeof(line), "error %d %d %s %llx %s\n",
			task_pid_vnr(current), -err, stage, addr, text);
	mutex_lock(&r->report_lock);
	if (!r->error)
		r->error = err;
	mutex_unlock(&r->report_lock);
	if (r->report)
		kernel_write(r->report, line, len, &pos);
	return err;
}

/* ---- reading ---- */

static int read_all(struct file *file, void *buf, size_t len, loff_t pos)
{
	while (len) {
		ssize_t n = crctl_fault(LOAD_READ) ?:
			    kernel_read(file, buf, min_t(size_t, len, 1 << 20), &pos);

		if (n <= 0)
			return n ?: -EINVAL;
		buf += n;
		len -= n;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * What anybody may have the kernel hold of an image's head. It is charged to the
 * memory cgroup, if there is one, but no limit of the user's knows of it and the
 * OOM killer does not see whose it is. Enough for a million pieces of memory.
 */
#define MAX_UNPRIVILEGED	(64u << 20)

static void *read_part(struct file *file, size_t len, loff_t pos, size_t held,
		       const char **why)
{
	void *buf;
	int ret;

	if (held + len > MAX_UNPRIVILEGED && !capable(CAP_SYS_RESOURCE)) {
		*why = "so many headers and notes need CAP_SYS_RESOURCE";
		return ERR_PTR(-EPERM);
	}
	buf = kvmalloc(len ?: 1, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	ret = read_all(file, buf, len, pos);
	if (ret) {
		kvfree(buf);
		return ERR_PTR(ret);
	}
	return buf;
}

/* What mmap(2) would say only when it is too late for an errno. */
static u64 lowest_address(void)
{
	unsigned long min = READ_ONCE(*crctl_symbols.mmap_min_addr);

	if (min <= PAGE_SIZE || capable(CAP_SYS_RAWIO))
		return PAGE_SIZE;
	return min;
}

static int read_image(struct crctl_restore *r, const u8 *start, u64 size,
		      const char **why)
{
	const struct crctl_limits lim = {
		.task_size = TASK_SIZE_MAX,
		.min_addr = lowest_address(),
		.xfeatures = crctl_xfeatures(),
		.time32 = IS_ENABLED(CONFIG_COMPAT_32BIT_TIME),
		.pkeys = crctl_has_pkeys(),
	};
	struct crctl_layout layout;
	size_t headers;
	u32 nr;
	void *p;
	int ret;

	*why = "it cannot be read";
	ret = crctl_parse_ehdr(start, BINPRM_BUF_SIZE, size, &layout, why);
	if (ret)
		return -ENOEXEC;	/* somebody else's core file */
	headers = (size_t)layout.phnum * sizeof(Elf64_Phdr);
	p = read_part(r->image, headers, layout.phoff, 0, why);
	if (IS_ERR(p))
		return PTR_ERR(p);
	r->phdrs = p;
	r->phnum = layout.phnum;
	ret = crctl_parse_phdrs(r->phdrs, r->phnum, size, &lim, why);
	if (ret)
		return ret;
	p = read_part(r->image, r->phdrs[0].p_filesz, r->phdrs[0].p_offset,
		      headers, why);
	if (IS_ERR(p))
		return PTR_ERR(p);
	r->notes = p;
	*why = "its notes are malformed";
	ret = crctl_parse_count(r->notes, r->phdrs[0].p_filesz, &nr);
	if (ret)
		return ret;
	r->thread_refs = kvcalloc(nr, sizeof(*r->thread_refs), GFP_KERNEL_ACCOUNT);
	r->threads = kvcalloc(nr, sizeof(*r->threads), GFP_KERNEL_ACCOUNT);
	if (!r->thread_refs || !r->threads)
		return -ENOMEM;
	r->img.threads = r->thread_refs;
	ret = crctl_parse_notes(r->notes, r->phdrs[0].p_filesz, nr, &lim, &r->img);
	*why = r->img.why;
	if (!ret)
		ret = crctl_parse_extents(&r->img, r->phdrs, r->phnum, why);
	return ret;
}

/* ---- taking hold of files ---- */

static struct file *get_pipe_end(int fd, fmode_t mode)
{
	struct file *f = fget(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (!S_ISFIFO(file_inode(f)->i_mode) || !(f->f_mode & mode)) {
		fput(f);
		return ERR_PTR(-EINVAL);
	}
	return f;
}

static int get_control(struct crctl_restore *r)
{
	const struct crctl_control *c = &r->img.control;
	struct file *f;

	if (c->flags)
		return -EINVAL;
	if (c->report_fd >= 0) {
		f = get_pipe_end(c->report_fd, FMODE_WRITE);
		if (IS_ERR(f))
			return PTR_ERR(f);
		r->report = f;
	}
	if (c->gate_fd >= 0) {
		f = get_pipe_end(c->gate_fd, FMODE_READ);
		if (IS_ERR(f))
			return PTR_ERR(f);
		r->gate = f;
	}
	return 0;
}

/* A raw dump names its files by path; they have to be the very same ones. */
static struct file *open_by_path(const struct crctl_vma *v, const u8 *extra)
{
	int flags = O_RDONLY | O_LARGEFILE;
	struct inode *inode;
	struct file *f;
	char *path;

	if (v->file_flags & (CRCTL_FILE_DELETED | CRCTL_FILE_SHMEM_ANON |
			     CRCTL_FILE_MEMFD | CRCTL_FILE_SYSV))
		return ERR_PTR(-EOPNOTSUPP);
	if (v->kind == CRCTL_VMA_FILE_SHARED && v->flags & CRCTL_VMF_MAYWRITE)
		flags = O_RDWR | O_LARGEFILE;
	path = kmemdup_nul(extra + v->name_off, v->name_len, GFP_KERNEL_ACCOUNT);
	if (!path)
		return ERR_PTR(-ENOMEM);
	f = filp_open(path, flags | O_NONBLOCK | O_NOCTTY, 0);
	kfree(path);
	if (IS_ERR(f))
		return f;
	inode = file_inode(f);
	if (!S_ISREG(inode->i_mode) || inode->i_ino != v->ino ||
	    inode->i_sb->s_dev != MKDEV(v->dev_major, v->dev_minor)) {
		fput(f);
		return ERR_PTR(-ESTALE);
	}
	return f;
}

/* System V shared memory is attached by its id, and has to be the segment that is meant by it. */
static struct file *get_mapped(const struct crctl_vma *v)
{
	struct file *f = fget(v->fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (!(v->file_flags & CRCTL_FILE_SYSV) ||
	    (crctl_file_flags(f, false) & CRCTL_FILE_SYSV && file_inode(f)->i_ino == v->ino))
		return f;
	fput(f);
	return ERR_PTR(-ESTALE);
}

static struct file *get_vma_file(const struct crctl_restore *r, const struct crctl_vma *v)
{
	struct file *f = r->img.info.kind == CRCTL_IMAGE_DUMP ?
			 open_by_path(v, r->img.vma.extra) : get_mapped(v);

	if (IS_ERR(f) || crctl_hugetlb_shift(file_inode(f)) == v->huge_shift)
		return f;
	fput(f);
	return ERR_PTR(-ESTALE);
}

static int get_vma_files(struct crctl_restore *r)
{
	struct crctl_vma v;
	struct file *f;
	u32 i;

	r->vma_files = kvcalloc(max(r->img.vma.count, 1u), sizeof(*r->vma_files),
				GFP_KERNEL_ACCOUNT);
	if (!r->vma_files)
		return -ENOMEM;
	for (i = 0; i < r->img.vma.count; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		crctl_rec(&r->img.vma, i, &v, sizeof(v));
		if (v.kind != CRCTL_VMA_FILE_PRIVATE && v.kind != CRCTL_VMA_FILE_SHARED)
			continue;
		f = get_vma_file(r, &v);
		if (IS_ERR(f))
			return crctl_restore_fail(r, PTR_ERR(f), "files", v.start,
						  "%.*s", (int)min(v.name_len, 100u),
						  r->img.vma.extra + v.name_off);
		r->vma_files[i] = f;
	}
	return 0;
}

static int get_extent_files(struct crctl_restore *r)
{
	struct file *last = NULL;
	struct crctl_extent e;
	int last_fd = -1;
	u32 i;

	r->extent_files = kvcalloc(max(r->img.extent.count, 1u),
				   sizeof(*r->extent_files), GFP_KERNEL_ACCOUNT);
	if (!r->extent_files)
		return -ENOMEM;
	for (i = 0; i < r->img.extent.count; i++) {
		crctl_rec(&r->img.extent, i, &e, sizeof(e));
		if (e.fd != last_fd) {
			struct file *f = fget(e.fd);

			if (!f)
				return -EBADF;
			if (f == last)
				fput(f);	/* another descriptor of the same */
			last = f;
			last_fd = e.fd;
			r->extent_files[i] = f;
			/* reading anything else may block for ever */
			if (!S_ISREG(file_inode(f)->i_mode) ||
			    !(f->f_mode & FMODE_READ) || !f->f_op->read_iter)
				return -EINVAL;
		}
		r->extent_files[i] = last;
	}
	return 0;
}

/* The link /proc/<pid>/exe: the rules of prctl(PR_SET_MM_EXE_FILE). */
static int get_exe(struct crctl_restore *r)
{
	struct file *f;
	int ret;

	if (r->img.mm.exe_fd < 0)
		return 0;
	if (!r->privileged)
		return -EPERM;
	f = fget(r->img.mm.exe_fd);
	if (!f)
		return -EBADF;
	r->exe_file = f;
	if (!S_ISREG(file_inode(f)->i_mode) || crctl_path_noexec(&f->f_path))
		return -EACCES;
	ret = file_permission(f, MAY_EXEC);
	return ret;
}

static int get_files(struct crctl_restore *r)
{
	int ret = get_control(r);

	if (ret)
		return ret;
	ret = crctl_fault(LOAD_FILES) ?: get_vma_files(r);
	if (!ret && r->img.info.kind == CRCTL_IMAGE_MANIFEST)
		ret = get_extent_files(r);
	if (ret)
		return crctl_restore_fail(r, ret, "files", 0, "a descriptor is unusable");
	ret = get_exe(r);
	if (ret)
		return crctl_restore_fail(r, ret, "files", 0, "the executable is unusable");
	return 0;
}

/* ---- what has to hold of caller, file and machine ---- */

static int check_caller(struct linux_binprm *bprm)
{
	struct inode *inode = file_inode(bprm->file);

	if (!S_ISREG(inode->i_mode))
		return -EACCES;
	/* an image takes on the ids that it says, never those of a file mode */
	if (inode->i_mode & S_ISUID ||
	    (inode->i_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
	    crctl_has_file_caps(bprm->file))
		return -EPERM;
	/*
	 * The restore makes system calls in the caller's name that no filter
	 * sees: not for those who live under one.
	 */
	if (current->seccomp.mode != SECCOMP_MODE_DISABLED)
		return -EPERM;
	return 0;
}

static int check_vdso(struct crctl_restore *r)
{
	const struct crctl_mm *m = &r->img.mm;

	if (!m->vdso)
		return 0;
	if (r->img.vdso.extra_size != vdso->size ||
	    memcmp(r->img.vdso.extra, vdso->data, vdso->size))
		return crctl_restore_fail(r, -EOPNOTSUPP, "vdso", m->vdso,
					  "the vdso is not that of this kernel");
	if (m->vdso - m->vvar != crctl_vdso_data_size(vdso))
		return crctl_restore_fail(r, -EOPNOTSUPP, "vdso", m->vdso,
					  "the vdso was moved away from its data");
	return 0;
}

/* The last rule of prctl(PR_SET_MM_MAP); the parser has the others. */
static int check_heap(struct crctl_restore *r)
{
	const struct crctl_mm *m = &r->img.mm;

	if (check_data_rlimit(rlimit(RLIMIT_DATA), m->brk, m->start_brk, m->end_data,
			      m->start_data))
		return crctl_restore_fail(r, -ENOMEM, "memory", m->brk,
					  "data and heap are larger than RLIMIT_DATA lets them be");
	return 0;
}

static struct crctl_restore *new_restore(struct file *image)
{
	struct crctl_restore *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);

	if (!r)
		return NULL;
	crctl_get();
	refcount_set(&r->refs, 1);
	INIT_LIST_HEAD(&r->offered);
	mutex_init(&r->lock);
	mutex_init(&r->report_lock);
	init_completion(&r->ready);
	init_completion(&r->go);
	r->image = get_file(image);
	r->privileged = crctl_checkpoint_restore_capable();
	r->host_privileged = capable(CAP_CHECKPOINT_RESTORE) || capable(CAP_SYS_ADMIN);
	r->names_peers = crctl_may_name_peers();
	return r;
}

struct crctl_restore *crctl_load(struct linux_binprm *bprm)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)bprm->buf;
	const char *why = "";
	struct crctl_restore *r;
	int ret;

	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_type != ET_CORE ||
	    eh->e_machine != EM_X86_64 || eh->e_ident[EI_CLASS] != ELFCLASS64)
		return ERR_PTR(-ENOEXEC);
	ret = check_caller(bprm);
	if (ret)
		return ERR_PTR(ret);
	r = crctl_fault(LOAD_ALLOC) ? NULL : new_restore(bprm->file);
	if (!r)
		return ERR_PTR(-ENOMEM);
	ret = read_image(r, (const u8 *)bprm->buf, i_size_read(file_inode(bprm->file)), &why);
	if (ret && ret != -ENOEXEC) {
		pr_debug("%s: %s\n", bprm->filename, why);
		/* the control note may have been read before what is wrong */
		if (r->img.mm_ref.present && !get_control(r))
			crctl_restore_fail(r, ret, "image", 0, "%s", why);
	}
	if (!ret)
		ret = get_files(r);
	if (!ret)
		ret = check_vdso(r);
	if (!ret)
		ret = check_heap(r);
	if (!ret)
		ret = crctl_fault(LOAD_CHECKED);
	if (ret) {
		crctl_restore_put(r);
		return ERR_PTR(ret);
	}
	return r;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An open /proc/<pid>/dump. Nothing of it changes until it is closed.
 */
#ifndef CRCTL_DUMP_H
#define CRCTL_DUMP_H

#include "proc/proc.h"

struct crctl_dump {
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
	struct rw_semaphore layout;	/* pages, notes, sizes: cow.c changes them once */
	bool left_out;			/* it has */
};

/* dump_file.c */
int crctl_dump_lock(struct crctl_dump *d);
void crctl_dump_unlock(struct crctl_dump *d);
size_t crctl_dump_header(const struct crctl_dump *d, loff_t pos, void *buf, size_t len);
void crctl_dump_lay_out(struct crctl_dump *d);

/* cow.c */
struct crctl_shared_pages;
int crctl_cow_ask(struct crctl_dump *d, struct crctl_shared_pages *arg, bool count_only);

/* ioctl.c */
long crctl_dump_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* dump_read.c */
ssize_t crctl_dump_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t crctl_dump_splice_read(struct file *in, loff_t *ppos, struct pipe_inode_info *pipe,
			       size_t len, unsigned int flags);

#endif /* CRCTL_DUMP_H */

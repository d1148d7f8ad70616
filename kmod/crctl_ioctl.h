/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What an open /proc/<pid>/dump can be asked to do besides being read.
 */
#ifndef CRCTL_IOCTL_H
#define CRCTL_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct crctl_shared_pages {
	__s32 fd;		/* in: the dump of another process, open in the caller */
	__u32 pad;		/* in: 0 */
	__u64 pages;		/* out: how many they share */
};

/*
 * Two dumps of one and the same memory share no pages. Both requests leave everything
 * as it was if they fail (but for EFAULT): EINVAL fd is no dump; EACCES, EBUSY, ESRCH
 * as reading either would; ENOMEM.
 */

/* Which pages of private memory are the same ones, at the same address, in both. */
#define CRCTL_DUMP_COUNT_SHARED	_IOWR('C', 1, struct crctl_shared_pages)

/*
 * Leaves those out of this image, which says where they are (CRCTL_NT_COW). Once, and
 * before it is read: its size and all offsets change. EALREADY: it was done.
 */
#define CRCTL_DUMP_LEAVE_OUT	_IOWR('C', 2, struct crctl_shared_pages)

/*
 * The descriptor @arg of the process, as a new descriptor of the caller, which is
 * returned: as by pidfd_getfd(2), which fails for a process whose first thread has exited
 * (before Linux 6.9). EBADF: it has none; EPERM; EMFILE; EACCES, EBUSY, ESRCH as above.
 */
#define CRCTL_DUMP_GET_FILE	_IO('C', 3)

struct crctl_huge_pages {
	__s32 fd;		/* in: a file of huge pages, open for reading in the caller */
	__u32 reserved;		/* in: 0. out: 1 if each page up to its size is there or reserved */
	__u64 start;		/* in: where to look from. out: the next pages that are there */
	__u64 end;		/* in: 0. out: where they end; as start: there are none */
};

/* What has nothing to do with the process: lseek(2) knows no holes in such a file. */
#define CRCTL_DUMP_HUGE_PAGES	_IOWR('C', 4, struct crctl_huge_pages)

#endif /* CRCTL_IOCTL_H */

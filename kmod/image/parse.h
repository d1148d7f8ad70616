/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading an image or exec manifest: every offset, count, length, address,
 * flag and selector is checked here, before anything acts on it. The input is
 * hostile. Plain C over a buffer: the same file compiles in user space.
 */
#ifndef CRCTL_PARSE_H
#define CRCTL_PARSE_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/elf.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <string.h>
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
#define ARRAY_SIZE(array) (sizeof(array) / sizeof(*(array)))
#endif

#include "crctl_image.h"

/* Sizes fixed by the x86_64 ABI (struct elf_prstatus, struct user_regs_struct). */
#define CRCTL_PRSTATUS_SIZE	336
#define CRCTL_PRSTATUS_REGS	112	/* offset of pr_reg */
#define CRCTL_NR_REGS		27
#define CRCTL_XSTATE_MIN	576	/* legacy area and header */
#define CRCTL_XSTATE_MAX	65536
#define CRCTL_SIGINFO_SIZE	128
#define CRCTL_MAX_AUXV		512

/* Indices into the registers, in the order of struct user_regs_struct. */
enum crctl_reg {
	CRCTL_REG_AX = 10, CRCTL_REG_ORIG_AX = 15, CRCTL_REG_IP = 16,
	CRCTL_REG_CS = 17, CRCTL_REG_FLAGS = 18, CRCTL_REG_SP = 19,
	CRCTL_REG_SS = 20, CRCTL_REG_FS_BASE = 21, CRCTL_REG_GS_BASE = 22,
	CRCTL_REG_DS = 23, CRCTL_REG_ES = 24, CRCTL_REG_FS = 25, CRCTL_REG_GS = 26,
};

/* A checked "CRCTL" note: count records, each readable by crctl_rec(). */
struct crctl_ref {
	const u8 *recs;
	u32 rec_size, count;
	const u8 *extra;
	u32 extra_size;
	bool present;
};

struct crctl_thread_ref {
	const u8 *prstatus;	/* CRCTL_PRSTATUS_SIZE bytes; NULL: it has exited */
	const u8 *xstate;	/* NULL likewise */
	u32 xstate_size;
	struct crctl_ref rec;	/* one struct crctl_thread */
};

/* What the reading side knows of the machine; addresses are checked against it. */
struct crctl_limits {
	u64 task_size;		/* first address that no mapping may reach */
	u64 min_addr;		/* vm.mmap_min_addr, as it holds for the caller */
	u64 xfeatures;		/* features this CPU and kernel have, and we know */
	bool time32;		/* has system calls with times of 32 bits */
	bool pkeys;		/* has protection keys */
};

/*
 * The result points into the caller's buffer, which has to outlive it.
 * @threads is provided by the caller (see crctl_parse_count()).
 */
struct crctl_parsed {
	struct crctl_image_info info;
	struct crctl_mm mm;
	struct crctl_process process;
	struct crctl_control control;	/* gate and report -1 when there is none */
	struct crctl_ref mm_ref, vma, sigaction, sigpending, timer, creds,
			 vdso, seccomp, descriptor, sem_undo, cow, mempolicy, extent, cloexec, lock,
			 peercred, notify;
	const u8 *auxv;
	u32 auxv_size;
	u32 nr_threads;
	struct crctl_thread_ref *threads;
	const char *why;	/* what is wrong, when parsing failed */
};

/* Copy record @i, zero-filled or cut to @size. @i must be below count. */
void crctl_rec(const struct crctl_ref *ref, u32 i, void *out, u32 size);

/*
 * Check the ELF header (@len bytes of file start, at least 128) of a file of
 * @file_size bytes. Tells where program headers and notes lie.
 */
struct crctl_layout {
	u64 phoff;
	u32 phnum;
};

int crctl_parse_ehdr(const u8 *buf, size_t len, u64 file_size,
		     struct crctl_layout *out, const char **why);

/* Check program headers; [0] must be the PT_NOTE, the rest page extents. */
int crctl_parse_phdrs(const Elf64_Phdr *ph, u32 phnum, u64 file_size,
		      const struct crctl_limits *lim, const char **why);

/* Count the threads of a note area, -errno if it is malformed. */
int crctl_parse_count(const u8 *notes, size_t len, u32 *nr_threads);

/*
 * Parse a note area whose threads were counted. @p->threads must hold
 * @nr_threads entries. Returns 0 or a negative errno with p->why set.
 */
int crctl_parse_notes(const u8 *notes, size_t len, u32 nr_threads,
		      const struct crctl_limits *lim, struct crctl_parsed *p);

/*
 * A dump's extents are its PT_LOADs, a manifest's the records of its EXTENT
 * note. Each has to lie within one private mapping.
 */
int crctl_parse_extents(const struct crctl_parsed *p, const Elf64_Phdr *ph,
			u32 phnum, const char **why);

/*
 * Has the mapping pages that are another process's, too? Asked of all in their order;
 * @pos, 0 at first, is the first record that is not before the mapping.
 */
static inline bool crctl_shares(const struct crctl_parsed *p, const struct crctl_vma *v, u32 *pos)
{
	struct crctl_cow c;

	for (; *pos < p->cow.count; ++*pos) {
		crctl_rec(&p->cow, *pos, &c, sizeof(c));
		if (c.start >= v->start)
			return c.start < v->end;
	}
	return false;
}

/* The registers of a thread, as struct user_regs_struct has them. */
static inline u64 crctl_reg(const struct crctl_thread_ref *t, unsigned int reg)
{
	u64 v;

	memcpy(&v, t->prstatus + CRCTL_PRSTATUS_REGS + 8 * reg, 8);
	return v;
}

#endif /* CRCTL_PARSE_H */

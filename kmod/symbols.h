/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Symbols that the kernel does not export: found by name at load time, called
 * only through crctl_call(), which is a direct call. An indirect call to such
 * a function is a control protection fault on a CPU with IBT, because kernels
 * built with CONFIG_X86_KERNEL_IBT take the ENDBR away from every function
 * whose address they do not use themselves.
 *
 *	mm = crctl_call(mm_access)(task, PTRACE_MODE_READ_FSCREDS);
 *	if (restart->fn == (void *)crctl_symbols.do_restart_poll) ...
 *
 * To add a symbol is to add a line to symbols_list.h.
 */
#ifndef CRCTL_SYMBOLS_H
#define CRCTL_SYMBOLS_H

#include <linux/static_call.h>
#include <linux/types.h>
#include <linux/uidgid.h>

struct dentry;
struct dentry_operations;
struct dir_context;
struct file;
struct fpstate;
struct inode;
struct lsm_blob_sizes;
struct kernel_clone_args;
struct mm_struct;
struct mm_walk_ops;
struct path;
struct pt_regs;
struct sighand_struct;
struct super_block;
struct task_struct;
struct vdso_image;

#define CRCTL_SYM(ret, name, args) DECLARE_STATIC_CALL(crctl_##name, ret args)
#include "symbols_list.h"

/* Call a function of symbols_list.h: crctl_call(name)(arguments). */
#define crctl_call(name) static_call(crctl_##name)

/**
 * struct crctl_symbols - addresses of kernel objects, and of functions that
 * are compared and never called
 */
struct crctl_symbols {
#define CRCTL_DATA(type, name) type *name;
#define CRCTL_OPT(type, name) type *name;
#define CRCTL_ADDR(name) unsigned long name;
#include "symbols_list.h"
};

extern struct crctl_symbols crctl_symbols;

int crctl_symbols_init(void);

#endif /* CRCTL_SYMBOLS_H */

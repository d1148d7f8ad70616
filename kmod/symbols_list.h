/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's symbols that are not exported and that this module needs, one
 * a line, included several times with different meanings (see symbols.h and
 * symbols.c). There is no include guard, on purpose.
 *
 *   CRCTL_SYM(return type, name, (arguments))	functions that are called
 *   CRCTL_SYM_WAS(return type, name, old, (arguments))
 *						the same, called @old by older kernels
 *   CRCTL_DATA(type, name)			objects that are looked at
 *   CRCTL_OPT(type, name)			objects that some kernels do not have: NULL
 *   CRCTL_ADDR(name)				functions whose address is only
 *						compared, never called
 */
#ifndef CRCTL_SYM
#define CRCTL_SYM(ret, name, args)
#endif
#ifndef CRCTL_SYM_WAS
#define CRCTL_SYM_WAS(ret, name, old, args) CRCTL_SYM(ret, name, args)
#endif
#ifndef CRCTL_DATA
#define CRCTL_DATA(type, name)
#endif
#ifndef CRCTL_OPT
#define CRCTL_OPT(type, name)
#endif
#ifndef CRCTL_ADDR
#define CRCTL_ADDR(name)
#endif

/* looking at another task */
CRCTL_SYM(struct mm_struct *, mm_access, (struct task_struct *task, unsigned int mode))
CRCTL_SYM(bool, ptrace_may_access, (struct task_struct *task, unsigned int mode))
CRCTL_SYM(unsigned long, wait_task_inactive,
	  (struct task_struct *task, unsigned int match_state))
CRCTL_SYM_WAS(struct sighand_struct *, lock_task_sighand, __lock_task_sighand,
	      (struct task_struct *task, unsigned long *flags))
CRCTL_SYM(int, walk_page_range,
	  (struct mm_struct *mm, unsigned long start, unsigned long end,
	   const struct mm_walk_ops *ops, void *private))
CRCTL_SYM(struct file *, get_mm_exe_file, (struct mm_struct *mm))
CRCTL_SYM(int, security_file_receive, (struct file *file))

/* entries in /proc/<pid> */
CRCTL_SYM(struct inode *, proc_pid_make_inode,
	  (struct super_block *sb, struct task_struct *task, umode_t mode))
CRCTL_SYM(void, task_dump_owner,
	  (struct task_struct *task, umode_t mode, kuid_t *ruid, kgid_t *rgid))
CRCTL_SYM(void, security_task_to_inode, (struct task_struct *task, struct inode *inode))
CRCTL_SYM(bool, proc_fill_cache,
	  (struct file *file, struct dir_context *ctx, const char *name, unsigned int len,
	   struct dentry *(*instantiate)(struct dentry *dentry, struct task_struct *task,
					 const void *ptr),
	   struct task_struct *task, const void *ptr))
CRCTL_SYM(int, nd_jump_link, (const struct path *path))
CRCTL_SYM(int, kallsyms_lookup_size_offset,
	  (unsigned long addr, unsigned long *size, unsigned long *offset))
CRCTL_DATA(const void, tgid_base_stuff)
CRCTL_DATA(const struct dentry_operations, pid_dentry_operations)
CRCTL_DATA(unsigned long, mmap_min_addr)

/* a sandbox that cannot be saved, where the kernel has it (5.13) */
CRCTL_OPT(const struct lsm_blob_sizes, landlock_blob_sizes)
CRCTL_OPT(const bool, landlock_initialized)

/* POSIX message queues, where the kernel has them */
CRCTL_OPT(const struct file_operations, mqueue_file_operations)
CRCTL_OPT(struct kmem_cache *const, mqueue_inode_cachep)

CRCTL_SYM(void, put_task_stack, (struct task_struct *tsk))

/* making current what an image says */
CRCTL_SYM(int, map_vdso_once, (const struct vdso_image *image, unsigned long addr))
CRCTL_SYM(int, anon_vma_fork, (struct vm_area_struct *vma, struct vm_area_struct *pvma))
CRCTL_SYM(int, copy_page_range,
	  (struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma))
CRCTL_SYM(void, flush_tlb_mm_range,
	  (struct mm_struct *mm, unsigned long start, unsigned long end,
	   unsigned int stride_shift, bool freed_tables))
CRCTL_SYM(int, set_mm_exe_file, (struct mm_struct *mm, struct file *file))
CRCTL_SYM(pid_t, kernel_clone, (struct kernel_clone_args *args))
CRCTL_SYM(void, set_personality_64bit, (void))
CRCTL_SYM(void, set_close_on_exec, (unsigned int fd, int flag))
CRCTL_SYM(long, do_arch_prctl_64,
	  (struct task_struct *task, int option, unsigned long arg))
CRCTL_SYM(void, __set_task_comm, (struct task_struct *task, const char *from, bool exec))
CRCTL_SYM(long, __x64_sys_set_robust_list, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_rseq, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_membarrier, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_arch_prctl, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_prctl, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_setitimer, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_timer_create, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_timer_settime, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_rt_sigqueueinfo, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_rt_tgsigqueueinfo, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_seccomp, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_mmap, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_madvise, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_mbind, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_set_mempolicy, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_mprotect, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_mlock2, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_pkey_mprotect, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_shmat, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_mlockall, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_setgroups, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_setresuid, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_setresgid, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_setfsuid, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_setfsgid, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_capset, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_fcntl, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_exit, (const struct pt_regs *regs))
CRCTL_SYM(long, __x64_sys_mq_notify, (const struct pt_regs *regs))

/* what a restart block may point to */
CRCTL_ADDR(hrtimer_nanosleep_restart)
CRCTL_ADDR(do_restart_poll)
CRCTL_ADDR(futex_wait_restart)
CRCTL_ADDR(posix_cpu_nsleep_restart)
CRCTL_ADDR(alarm_timer_nsleep_restart)
CRCTL_ADDR(do_no_restart_syscall)

#include "compat/symbols_list.h"

#undef CRCTL_SYM
#undef CRCTL_SYM_WAS
#undef CRCTL_DATA
#undef CRCTL_OPT
#undef CRCTL_ADDR

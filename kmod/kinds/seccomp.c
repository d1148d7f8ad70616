// SPDX-License-Identifier: GPL-2.0
/*
 * Seccomp. The filters are read by the controller (ptrace(2),
 * PTRACE_SECCOMP_GET_FILTER) and come back with the manifest; strict mode is
 * part of the thread's record. What the module does for the thread afterwards
 * is not a system call of the thread's, and no filter sees it.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "restore/restore.h"

int crctl_seccomp_restore(struct crctl_restore *r, u32 idx)
{
	struct sock_fprog __user *prog = (void __user *)r->scratch;
	struct crctl_seccomp f;
	struct crctl_thread t;
	unsigned long insns;
	bool any = false;
	long ret = 0;
	u32 i;

	crctl_rec(&r->img.threads[idx].rec, 0, &t, sizeof(t));
	if (t.seccomp_mode == SECCOMP_MODE_STRICT) {
		ret = CRCTL_SYS(seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
		goto out;
	}
	if (t.seccomp_mode != SECCOMP_MODE_FILTER)
		return 0;
	insns = vm_mmap(NULL, 0, PAGE_ALIGN(BPF_MAXINSNS * sizeof(struct sock_filter)),
			PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(insns))
		return crctl_restore_fail(r, insns, "seccomp", idx, "no room for a filter");
	for (i = 0; i < r->img.seccomp.count && !ret; i++) {
		struct sock_fprog fp = { .filter = (void __user *)insns };

		cond_resched();
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		crctl_rec(&r->img.seccomp, i, &f, sizeof(f));
		if (f.thread != idx + 1)
			continue;
		any = true;
		fp.len = f.nr_insns;
		if (copy_to_user(prog, &fp, sizeof(fp)) ||
		    copy_to_user((void __user *)insns, r->img.seccomp.extra + f.insns_off,
				 8ul * f.nr_insns))
			ret = -EFAULT;
		else
			ret = CRCTL_SYS(seccomp, SECCOMP_SET_MODE_FILTER, f.flags, prog);
	}
	vm_munmap(insns, PAGE_ALIGN(BPF_MAXINSNS * sizeof(struct sock_filter)));
	/* never run without the filter that the thread had */
	if (!ret && !any)
		ret = -ENOENT;
out:
	if (ret)
		return crctl_restore_fail(r, ret, "seccomp", idx,
					  "cannot install the seccomp filters of thread %u", idx);
	return 0;
}

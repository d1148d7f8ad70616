// SPDX-License-Identifier: GPL-2.0
/*
 * Registers of a thread: NT_PRSTATUS (general, segment, bases) and
 * NT_X86_XSTATE (x87, SSE, AVX, AVX-512, PKRU in the standard XSAVE format).
 *
 * Both directions go through the kernel's own regsets, as ptrace does, so its
 * checks of flags, selectors and the XSAVE header hold and its layout of the
 * buffer never matters here. regset->set() is only for a task that is off its
 * CPU; a thread being restored therefore queues a work item and sleeps while a
 * kworker sets its registers.
 */
#include <linux/elfcore.h>
#include <linux/regset.h>
#include <linux/workqueue.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/api.h>
#include <asm/prctl.h>

#include "compat/signals.h"
#include "compat/task.h"
#include "compat/xstate.h"
#include "restore/restore.h"

/* Components of the standard format that are saved: x87, SSE, AVX, MPX, AVX-512, PKRU. */
#define XF_KNOWN	0x2ffull

static const struct user_regset *find_regset(unsigned int note_type)
{
	const struct user_regset_view *view = task_user_regset_view(current);
	unsigned int i;

	for (i = 0; i < view->n; i++)
		if (view->regsets[i].core_note_type == note_type)
			return &view->regsets[i];
	return NULL;
}

static size_t regset_bytes(const struct user_regset *rs)
{
	return (size_t)rs->n * rs->size;
}

u64 crctl_xfeatures(void)
{
	u64 have = XFEATURE_MASK_FPSSE;

	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		have = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	return have & XF_KNOWN;
}

/* ---- dump ---- */

/*
 * The base that segment register @selector of @t gives, which has been saved as
 * @saved by its last switch. As x86_fsgsbase_read_task() for selectors that an
 * image may have; that function looks up others in the memory of the process,
 * and a process that is killed has none from one moment to the next.
 */
static u64 base_of(unsigned short selector, u64 saved)
{
	return !selector || boot_cpu_has(X86_FEATURE_FSGSBASE) ? saved : 0;
}

/* As the regset of NT_PRSTATUS has them. */
static void get_regs(struct task_struct *t, u64 *out)
{
	const struct pt_regs *regs = task_pt_regs(t);

	BUILD_BUG_ON(offsetof(struct pt_regs, ss) != 8 * CRCTL_REG_SS);
	BUILD_BUG_ON(sizeof(struct user_regs_struct) != 8 * CRCTL_NR_REGS);
	memcpy(out, regs, sizeof(*regs));
	/* newer processors keep more about the event beside these two */
	out[CRCTL_REG_CS] = regs->cs & 0xffff;
	out[CRCTL_REG_SS] = regs->ss & 0xffff;
	/* a debugger's single step */
	if (test_tsk_thread_flag(t, TIF_FORCED_TF))
		out[CRCTL_REG_FLAGS] &= ~X86_EFLAGS_TF;
	out[CRCTL_REG_DS] = t->thread.ds;
	out[CRCTL_REG_ES] = t->thread.es;
	out[CRCTL_REG_FS] = t->thread.fsindex;
	out[CRCTL_REG_GS] = t->thread.gsindex;
	out[CRCTL_REG_FS_BASE] = base_of(t->thread.fsindex, t->thread.fsbase);
	out[CRCTL_REG_GS_BASE] = base_of(t->thread.gsindex, t->thread.gsbase);
}

/* Segments other than the flat ones are in tables that are not saved. */
static void refuse_segments(struct crctl_group *g, struct task_struct *t, const u64 *regs,
			    struct crctl_notes *n)
{
	static const u8 which[] = { CRCTL_REG_DS, CRCTL_REG_ES, CRCTL_REG_FS, CRCTL_REG_GS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(which); i++)
		if (regs[which[i]] && regs[which[i]] != __USER_DS) {
			crctl_refuse(n, CRCTL_REFUSE_LDT, task_pid_nr_ns(t, g->ns), 0,
				     regs[which[i]],
				     "a segment register that is not the usual one (0x%llx)",
				     regs[which[i]]);
			return;
		}
	for (i = 0; i < GDT_ENTRY_TLS_ENTRIES; i++)
		if (t->thread.tls_array[i].p) {
			crctl_refuse(n, CRCTL_REFUSE_LDT, task_pid_nr_ns(t, g->ns), 0, i,
				     "a segment for thread-local storage (set_thread_area)");
			return;
		}
}

static int dump_prstatus(struct crctl_group *g, unsigned int idx,
			 struct crctl_notes *n)
{
	struct task_struct *t = g->threads[idx];
	struct elf_prstatus *ps;
	u64 regs[CRCTL_NR_REGS];

	BUILD_BUG_ON(sizeof(*ps) != CRCTL_PRSTATUS_SIZE);
	BUILD_BUG_ON(offsetof(struct elf_prstatus, pr_reg) != CRCTL_PRSTATUS_REGS);
	BUILD_BUG_ON(sizeof(ps->pr_reg) != sizeof(regs));
	ps = crctl_note_reserve(n, "CORE", NT_PRSTATUS, sizeof(*ps));
	if (!ps)
		return -ENOMEM;
	crctl_prstatus_common(ps)->pr_sigpend = t->pending.signal.sig[0];
	crctl_prstatus_common(ps)->pr_sighold = t->blocked.sig[0];
	crctl_prstatus_common(ps)->pr_pid = task_pid_nr_ns(t, g->ns);
	crctl_prstatus_common(ps)->pr_ppid = task_ppid_nr_ns(t, g->ns);
	crctl_prstatus_common(ps)->pr_pgrp = task_pgrp_nr_ns(t, g->ns);
	crctl_prstatus_common(ps)->pr_sid = task_session_nr_ns(t, g->ns);
	ps->pr_fpvalid = 1;
	get_regs(t, regs);
	memcpy(&ps->pr_reg, regs, sizeof(regs));
	refuse_segments(g, t, regs, n);
	return 0;
}

static int dump_xstate(struct crctl_group *g, unsigned int idx,
		       struct crctl_notes *n)
{
	const struct user_regset *rs = find_regset(NT_X86_XSTATE);
	struct task_struct *t = g->threads[idx];
	u64 bv;
	u8 *buf;
	int ret;

	if (!rs)
		return -EOPNOTSUPP;
	buf = crctl_note_reserve(n, "LINUX", NT_X86_XSTATE, regset_bytes(rs));
	if (!buf)
		return -ENOMEM;
	ret = crctl_xstate_get(t, rs, buf);
	if (ret)
		return ret;
	memcpy(&bv, buf + 512, sizeof(bv));
	g->xfeatures_used |= bv;
	bv |= crctl_xfeatures_permitted(g->leader);
	if (bv & ~XF_KNOWN)
		crctl_refuse(n, CRCTL_REFUSE_XFEATURE, task_pid_nr_ns(t, g->ns), 0,
			     bv & ~XF_KNOWN,
			     "a thread uses CPU state components 0x%llx, or may use them, which are not saved",
			     bv & ~XF_KNOWN);
	return 0;
}

int crctl_regs_dump(struct crctl_group *g, unsigned int idx, struct crctl_notes *n)
{
	int ret = dump_prstatus(g, idx, n);

	return ret ?: dump_xstate(g, idx, n);
}

/* ---- restore ---- */

struct regs_job {
	struct work_struct work;
	struct completion done;
	struct task_struct *task;
	const struct user_regset *gen, *xstate;
	const void *gen_buf, *xstate_buf;
	int error;
};

static void set_regs(struct work_struct *work)
{
	struct regs_job *job = container_of(work, struct regs_job, work);

	/* The queueing thread is on its way to sleep: wait until it is off its CPU. */
	while (!crctl_wait_inactive(job->task, TASK_UNINTERRUPTIBLE))
		cond_resched();
	job->error = job->gen->set(job->task, job->gen, 0, regset_bytes(job->gen),
				   job->gen_buf, NULL);
	if (!job->error)
		job->error = crctl_xstate_set(job->task, job->xstate, job->xstate_buf);
	complete(&job->done);
}

/*
 * The saved buffer may come from a CPU with more or fewer features. Offsets of
 * the standard format are the same as long as no component behind the shorter
 * one's end is in use, which the check of the features has shown.
 */
static void *convert_xstate(const struct crctl_thread_ref *t, size_t want)
{
	u8 *buf = kvzalloc(want, GFP_KERNEL_ACCOUNT);

	if (buf)
		memcpy(buf, t->xstate, min_t(size_t, want, t->xstate_size));
	return buf;
}

int crctl_regs_restore(struct crctl_restore *r, u32 idx)
{
	const struct crctl_thread_ref *t = &r->img.threads[idx];
	struct regs_job job = {
		.task = current,
		.gen = find_regset(NT_PRSTATUS),
		.xstate = find_regset(NT_X86_XSTATE),
	};
	unsigned long *gen;
	void *xstate;
	int ret = 0;

	if (!job.gen || !job.xstate)
		return crctl_restore_fail(r, -EOPNOTSUPP, "registers", 0, "no regsets");
	gen = crctl_fault(RESTORE_REGS) ? NULL :
	      kmemdup(t->prstatus + CRCTL_PRSTATUS_REGS, 8 * CRCTL_NR_REGS,
		      GFP_KERNEL_ACCOUNT);
	xstate = convert_xstate(t, regset_bytes(job.xstate));
	if (!gen || !xstate) {
		ret = crctl_restore_fail(r, -ENOMEM, "registers", 0, "no memory");
		goto out;
	}
	job.gen_buf = gen;
	job.xstate_buf = xstate;
	init_completion(&job.done);
	INIT_WORK_ONSTACK(&job.work, set_regs);
	queue_work(crctl_wq, &job.work);
	wait_for_completion(&job.done);
	flush_work(&job.work);	/* the worker has left our text and stack */
	destroy_work_on_stack(&job.work);
	ret = job.error;
	/*
	 * A wake-up that was not ours may have let this task run for a moment
	 * while its bases were set, and then they were lost when it was
	 * switched out: set them again from here.
	 */
	if (!ret && !gen[CRCTL_REG_FS])
		ret = crctl_call(do_arch_prctl_64)(current, ARCH_SET_FS,
						   gen[CRCTL_REG_FS_BASE]);
	if (!ret && !gen[CRCTL_REG_GS])
		ret = crctl_call(do_arch_prctl_64)(current, ARCH_SET_GS,
						   gen[CRCTL_REG_GS_BASE]);
	if (ret)
		crctl_restore_fail(r, ret, "registers", 0, "cannot set the registers");
out:
	kfree(gen);
	kvfree(xstate);
	return ret;
}

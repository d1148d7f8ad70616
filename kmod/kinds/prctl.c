// SPDX-License-Identifier: GPL-2.0
/*
 * What prctl(2) and arch_prctl(2) set for one thread with effect on nothing
 * else, as bits (CRCTL_SETTING_*).
 */
#include <linux/prctl.h>
#include <linux/sched.h>
#include <asm/prctl.h>

#include "restore/restore.h"

/* ---- dump ---- */

u32 crctl_prctl_dump(struct task_struct *t)
{
	u32 bits = 0;

	if (task_no_new_privs(t))
		bits |= CRCTL_SETTING_NO_NEW_PRIVS;
	if (test_tsk_thread_flag(t, TIF_NOTSC))
		bits |= CRCTL_SETTING_NO_TSC;
	if (test_tsk_thread_flag(t, TIF_NOCPUID))
		bits |= CRCTL_SETTING_NO_CPUID;
	if (task_spec_ssb_disable(t))
		bits |= CRCTL_SETTING_SSB_DISABLE;
	if (task_spec_ssb_force_disable(t))
		bits |= CRCTL_SETTING_SSB_FORCE_DISABLE;
	if (task_spec_ssb_noexec(t))
		bits |= CRCTL_SETTING_SSB_NOEXEC;
	if (task_spec_ib_disable(t))
		bits |= CRCTL_SETTING_IB_DISABLE;
	if (task_spec_ib_force_disable(t))
		bits |= CRCTL_SETTING_IB_FORCE_DISABLE;
	if (t->flags & PF_MCE_PROCESS)
		bits |= t->flags & PF_MCE_EARLY ? CRCTL_SETTING_MCE_EARLY
						: CRCTL_SETTING_MCE_LATE;
	if (t->flags & PF_MEMALLOC_NOIO)
		bits |= CRCTL_SETTING_IO_FLUSHER;
	return bits;
}

/* ---- restore ---- */

static const struct {
	u32 bit;
	int option;
	unsigned long a, b;
	const char *name;
} settings[] = {
	{ CRCTL_SETTING_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, 1, 0, "no_new_privs" },
	{ CRCTL_SETTING_NO_TSC, PR_SET_TSC, PR_TSC_SIGSEGV, 0, "the time stamp counter" },
	{ CRCTL_SETTING_SSB_DISABLE, PR_SET_SPECULATION_CTRL,
	  PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, "store bypass" },
	{ CRCTL_SETTING_SSB_NOEXEC, PR_SET_SPECULATION_CTRL,
	  PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE_NOEXEC, "store bypass" },
	{ CRCTL_SETTING_SSB_FORCE_DISABLE, PR_SET_SPECULATION_CTRL,
	  PR_SPEC_STORE_BYPASS, PR_SPEC_FORCE_DISABLE, "store bypass" },
	{ CRCTL_SETTING_IB_DISABLE, PR_SET_SPECULATION_CTRL,
	  PR_SPEC_INDIRECT_BRANCH, PR_SPEC_DISABLE, "indirect branches" },
	{ CRCTL_SETTING_IB_FORCE_DISABLE, PR_SET_SPECULATION_CTRL,
	  PR_SPEC_INDIRECT_BRANCH, PR_SPEC_FORCE_DISABLE, "indirect branches" },
	{ CRCTL_SETTING_MCE_EARLY, PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY,
	  "memory failures" },
	{ CRCTL_SETTING_MCE_LATE, PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE,
	  "memory failures" },
	{ CRCTL_SETTING_IO_FLUSHER, PR_SET_IO_FLUSHER, 1, 0, "the I/O flusher mark" },
};

/* A mitigation that the processor does not need, or has for everybody, is no task's to choose. */
static bool may_choose(unsigned long which)
{
	long how = CRCTL_SYS(prctl, PR_GET_SPECULATION_CTRL, which);

	return how > 0 && how & PR_SPEC_PRCTL;
}

/*
 * Comes before the credentials: the last needs privilege. DISABLE_NOEXEC comes
 * after DISABLE, which would undo it.
 */
int crctl_prctl_restore(struct crctl_restore *r, u32 idx)
{
	struct crctl_thread t;
	unsigned int i;
	long ret;

	crctl_rec(&r->img.threads[idx].rec, 0, &t, sizeof(t));
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!(t.settings & settings[i].bit))
			continue;
		ret = CRCTL_SYS(prctl, settings[i].option, settings[i].a, settings[i].b);
		if (ret && settings[i].option == PR_SET_SPECULATION_CTRL &&
		    !may_choose(settings[i].a))
			continue;
		if (ret)
			return crctl_restore_fail(r, ret, "thread", settings[i].bit,
						  "cannot set %s", settings[i].name);
	}
	if (!(t.settings & CRCTL_SETTING_NO_CPUID))
		return 0;
	ret = CRCTL_SYS(arch_prctl, ARCH_SET_CPUID, 0);
	return ret ? crctl_restore_fail(r, ret, "thread", ARCH_SET_CPUID,
					"this processor cannot forbid CPUID") : 0;
}

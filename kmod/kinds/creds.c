// SPDX-License-Identifier: GPL-2.0
/*
 * Credentials of each thread. They are set by the system calls that a program
 * would use, so an image gains nothing that its caller may not do, and security
 * modules see each change.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "compat/caps.h"
#include "compat/landlock.h"
#include "restore/restore.h"

/* Ids as the opener of the dump has them; an unmapped one becomes the overflow id. */
static void fill(const struct cred *c, struct crctl_creds *out, u32 *groups)
{
	struct user_namespace *ns = current_user_ns();
	int i;

	out->uid = from_kuid_munged(ns, c->uid);
	out->euid = from_kuid_munged(ns, c->euid);
	out->suid = from_kuid_munged(ns, c->suid);
	out->fsuid = from_kuid_munged(ns, c->fsuid);
	out->gid = from_kgid_munged(ns, c->gid);
	out->egid = from_kgid_munged(ns, c->egid);
	out->sgid = from_kgid_munged(ns, c->sgid);
	out->fsgid = from_kgid_munged(ns, c->fsgid);
	out->cap_inheritable = crctl_cap_get(&c->cap_inheritable);
	out->cap_permitted = crctl_cap_get(&c->cap_permitted);
	out->cap_effective = crctl_cap_get(&c->cap_effective);
	out->cap_bset = crctl_cap_get(&c->cap_bset);
	out->cap_ambient = crctl_cap_get(&c->cap_ambient);
	out->securebits = c->securebits;
	for (i = 0; groups && i < out->nr_groups; i++)
		groups[i] = from_kgid_munged(ns, c->group_info->gid[i]);
}

/* ---- dump ---- */

int crctl_creds_dump(struct crctl_group *g, struct crctl_notes *n)
{
	struct crctl_creds *recs;
	const struct cred **creds;
	u32 *groups = NULL, total = 0;
	unsigned int i;
	int ret = -ENOMEM;

	recs = kvcalloc(g->nr_threads, sizeof(*recs), GFP_KERNEL_ACCOUNT);
	creds = kvcalloc(g->nr_threads, sizeof(*creds), GFP_KERNEL_ACCOUNT);
	if (!recs || !creds)
		goto out;
	for (i = 0; i < g->nr_threads; i++) {
		creds[i] = get_task_cred(g->threads[i]);
		recs[i].nr_groups = creds[i]->group_info->ngroups;
		recs[i].groups_off = total * sizeof(u32);
		total += recs[i].nr_groups;
	}
	groups = kvcalloc(max(total, 1u), sizeof(*groups), GFP_KERNEL_ACCOUNT);
	if (!groups)
		goto out;
	for (i = 0; i < g->nr_threads; i++)
		if (crctl_in_landlock(creds[i]))
			crctl_refuse(n, CRCTL_REFUSE_LANDLOCK,
				     task_pid_nr_ns(g->threads[i], g->ns), 0, 0,
				     "a Landlock sandbox, whose rules cannot be read");
	for (i = 0; i < g->nr_threads; i++)
		fill(creds[i], &recs[i], groups + recs[i].groups_off / sizeof(u32));
	ret = crctl_note_records(n, CRCTL_NT_CREDS, recs, sizeof(*recs), g->nr_threads,
				 groups, total * sizeof(u32));
out:
	for (i = 0; creds && i < g->nr_threads; i++)
		if (creds[i])
			put_cred(creds[i]);
	kvfree(groups);
	kvfree(creds);
	kvfree(recs);
	return ret;
}

/* ---- restore ---- */

static bool same_groups(const struct crctl_creds *want, const u8 *groups)
{
	const struct group_info *gi = current_cred()->group_info;
	u32 gid, i;

	if (gi->ngroups != want->nr_groups)
		return false;
	for (i = 0; i < want->nr_groups; i++) {
		memcpy(&gid, groups + 4 * i, 4);
		if (from_kgid_munged(current_user_ns(), gi->gid[i]) != gid)
			return false;
	}
	return true;
}

static int set_groups_from(struct crctl_restore *r, const struct crctl_creds *want,
			   const u8 *groups)
{
	unsigned long addr = r->scratch;
	size_t bytes = 4ul * want->nr_groups;
	long ret;

	/* 65536 groups do not fit the scratch page */
	if (bytes > PAGE_SIZE) {
		addr = vm_mmap(NULL, 0, PAGE_ALIGN(bytes), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, 0);
		if (IS_ERR_VALUE(addr))
			return addr;
	}
	if (copy_to_user((void __user *)addr, groups, bytes))
		ret = -EFAULT;
	else
		ret = CRCTL_SYS(setgroups, want->nr_groups, addr);
	if (addr != r->scratch)
		vm_munmap(addr, PAGE_ALIGN(bytes));
	return ret;
}

struct capset_args {
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[2];
};

static int capset(struct crctl_restore *r, u64 inheritable, u64 permitted, u64 effective)
{
	struct capset_args args = {
		.head = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 },
		.data = {
			{
				.effective = lower_32_bits(effective),
				.permitted = lower_32_bits(permitted),
				.inheritable = lower_32_bits(inheritable),
			}, {
				.effective = upper_32_bits(effective),
				.permitted = upper_32_bits(permitted),
				.inheritable = upper_32_bits(inheritable),
			},
		},
	};

	if (copy_to_user((void __user *)r->scratch, &args, sizeof(args)))
		return -EFAULT;
	return CRCTL_SYS(capset, r->scratch + offsetof(struct capset_args, head),
			 r->scratch + offsetof(struct capset_args, data));
}

static int set_ids(const struct crctl_creds *want)
{
	long ret;

	ret = CRCTL_SYS(setresgid, want->gid, want->egid, want->sgid);
	if (!ret)
		ret = CRCTL_SYS(setresuid, want->uid, want->euid, want->suid);
	if (ret)
		return ret;
	/* these two tell of no error: what was set is what a second call returns */
	CRCTL_SYS(setfsgid, want->fsgid);
	CRCTL_SYS(setfsuid, want->fsuid);
	if (CRCTL_SYS(setfsgid, -1) != want->fsgid || CRCTL_SYS(setfsuid, -1) != want->fsuid)
		return -EPERM;
	return 0;
}

static int drop_bounding(u64 want)
{
	u64 have = crctl_cap_get(&current_cred()->cap_bset);
	long ret;
	int cap;

	if (want & ~have)
		return -EPERM;	/* a bounding set never grows */
	for (cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (!(have & ~want & BIT_ULL(cap)))
			continue;
		ret = CRCTL_SYS(prctl, PR_CAPBSET_DROP, cap);
		if (ret)
			return ret;
	}
	return 0;
}

static int set_ambient(u64 want)
{
	long ret = 0;
	int cap;

	if (crctl_cap_get(&current_cred()->cap_ambient) == want)
		return 0;
	ret = CRCTL_SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
	for (cap = 0; !ret && cap <= CAP_LAST_CAP; cap++)
		if (want & BIT_ULL(cap))
			ret = CRCTL_SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
	return ret;
}

static int set_all(struct crctl_restore *r, const struct crctl_creds *want,
		   const u8 *groups)
{
	/* while identities change, the capabilities to go on with have to stay */
	const unsigned long keep = SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS;
	u64 setpcap = BIT_ULL(CAP_SETPCAP);
	long ret = 0;

	if (capable(CAP_SETPCAP) && !(current_cred()->securebits & SECBIT_NO_SETUID_FIXUP_LOCKED))
		ret = CRCTL_SYS(prctl, PR_SET_SECUREBITS, current_cred()->securebits | keep);
	if (!ret && !same_groups(want, groups))
		ret = set_groups_from(r, want, groups);
	if (!ret)
		ret = set_ids(want);
	/* inheritable ones may lie outside of the bounding set, but are not raised there */
	if (!ret && want->cap_inheritable & ~want->cap_bset)
		ret = capset(r, want->cap_inheritable,
			     crctl_cap_get(&current_cred()->cap_permitted),
			     crctl_cap_get(&current_cred()->cap_effective));
	if (!ret)
		ret = drop_bounding(want->cap_bset);
	setpcap &= crctl_cap_get(&current_cred()->cap_permitted);
	if (!ret)
		ret = capset(r, want->cap_inheritable, want->cap_permitted | setpcap,
			     want->cap_effective | setpcap);
	if (!ret)
		ret = set_ambient(want->cap_ambient);
	if (!ret && current_cred()->securebits != want->securebits)
		ret = CRCTL_SYS(prctl, PR_SET_SECUREBITS, want->securebits);
	if (!ret)
		ret = capset(r, want->cap_inheritable, want->cap_permitted,
			     want->cap_effective);
	return ret;
}

int crctl_creds_restore(struct crctl_restore *r, u32 idx)
{
	struct crctl_creds want, have = { };
	const u8 *groups;
	int ret;

	crctl_rec(&r->img.creds, idx, &want, sizeof(want));
	groups = r->img.creds.extra + want.groups_off;
	have.nr_groups = want.nr_groups;
	have.groups_off = want.groups_off;
	fill(current_cred(), &have, NULL);
	/* a plain user's own program needs no permission for what is so already */
	if (!memcmp(&have, &want, sizeof(have)) && same_groups(&want, groups))
		return 0;
	ret = set_all(r, &want, groups);
	if (ret)
		return crctl_restore_fail(r, ret, "credentials", idx,
					  "cannot set the ids and capabilities of thread %u (uid %u)",
					  idx, want.uid);
	return 0;
}

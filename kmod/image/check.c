// SPDX-License-Identifier: GPL-2.0
/* The meaning of an image's notes: no field is used that was not looked at here. */
#include "image/check.h"

#define VMF_KNOWN	(((1ull << 17) - 1) | CRCTL_VMF_PKEY)
#define FILE_KNOWN	0xfu
#define PROT_KNOWN	7u

/* Selectors of a 64-bit task: __USER_CS, __USER_DS; data segments may be null. */
#define SEL_USER_CS	0x33
#define SEL_USER_DS	0x2b

static bool in_extra(const struct crctl_ref *ref, u64 off, u64 len)
{
	return off <= ref->extra_size && len <= ref->extra_size - off;
}

int crctl_check_mm(const struct crctl_parsed *p, const struct crctl_limits *lim,
		   const char **why)
{
	const struct crctl_mm *m = &p->mm;
	const u64 addr[] = {
		m->start_code, m->end_code, m->start_data, m->end_data,
		m->start_brk, m->brk, m->start_stack, m->arg_start, m->arg_end,
		m->env_start, m->env_end, m->mmap_base,
	};
	size_t i;

	/* the rules of prctl(PR_SET_MM_MAP) */
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		if (addr[i] >= lim->task_size || addr[i] < lim->min_addr)
			return bad(why, "an address of the memory layout is out of range");
	if (m->start_code >= m->end_code || m->start_data > m->end_data ||
	    m->start_brk > m->brk || m->arg_start > m->arg_end ||
	    m->env_start > m->env_end)
		return bad(why, "the memory layout is out of order");
	if (m->mmap_base % PAGE_BYTES || m->vdso % PAGE_BYTES || m->vvar % PAGE_BYTES)
		return bad(why, "the memory layout is not page aligned");
	if (m->vdso >= lim->task_size || m->vvar >= lim->task_size ||
	    (m->vdso && (!m->vvar || m->vvar >= m->vdso || m->vvar < lim->min_addr)))
		return bad(why, "the vdso is out of range");
	if (m->lock_future > 2 || m->dumpable > 2 || m->thp_disable > 1 ||
	    m->membarrier > 15)
		return bad(why, "a memory attribute is out of range");
	if (m->pkeys >> 16 || (m->pkeys && !(m->pkeys & 1)) || m->execute_only_pkey > 15 ||
	    (m->execute_only_pkey && !(m->pkeys & 1u << m->execute_only_pkey)))
		return bad(why, "the protection keys are out of range");
	if (m->pkeys && !lim->pkeys)
		return bad(why, "the image uses protection keys, which are not here");
	if (!in_extra(&p->mm_ref, m->exe_off, m->exe_len))
		return bad(why, "the path of the executable is out of range");
	return 0;
}

/* Parts of one attachment are of the same segment, with the same right to it. */
static int check_attachment(const struct crctl_parsed *p, u32 i, const struct crctl_vma *v,
			    const char **why)
{
	struct crctl_vma first;

	if (v->attachment && !(v->file_flags & CRCTL_FILE_SYSV))
		return bad(why, "a mapping is part of an attachment that is none");
	if (!(v->file_flags & CRCTL_FILE_SYSV))
		return 0;
	if (v->kind != CRCTL_VMA_FILE_SHARED || v->ino >> 31)
		return bad(why, "an attachment of no System V shared memory");
	if (!v->attachment)
		return 0;
	if (v->attachment > i)
		return bad(why, "an attachment begins after its parts");
	crctl_rec(&p->vma, v->attachment - 1, &first, sizeof(first));
	if (!(first.file_flags & CRCTL_FILE_SYSV) || first.attachment || first.ino != v->ino ||
	    first.huge_shift != v->huge_shift || (first.flags ^ v->flags) & CRCTL_VMF_MAYWRITE)
		return bad(why, "an attachment is of something else than its parts");
	return 0;
}

/* The sizes that huge pages have on x86_64. */
static int check_huge(const struct crctl_vma *v, const char **why)
{
	if (!v->huge_shift && v->kind != CRCTL_VMA_HUGE)
		return 0;
	if (v->kind != CRCTL_VMA_HUGE && v->kind != CRCTL_VMA_FILE_PRIVATE &&
	    v->kind != CRCTL_VMA_FILE_SHARED)
		return bad(why, "an ordinary mapping of huge pages");
	if (v->huge_shift != 21 && v->huge_shift != 30)
		return bad(why, "huge pages of unknown size");
	if ((v->start | v->end | v->offset) & ((1ull << v->huge_shift) - 1))
		return bad(why, "a mapping of huge pages is not aligned to them");
	if ((v->kind == CRCTL_VMA_HUGE && (v->offset || v->file_flags)) ||
	    v->flags & (CRCTL_VMF_GROWSDOWN | CRCTL_VMF_WIPEONFORK | CRCTL_VMF_DROPPABLE |
			CRCTL_VMF_ACCOUNT | CRCTL_VMF_MERGEABLE))
		return bad(why, "a mapping of huge pages has flags of another one");
	return 0;
}

int crctl_check_vmas(const struct crctl_parsed *p, const struct crctl_limits *lim,
		     const char **why)
{
	struct crctl_vma v;
	u64 next = lim->min_addr;
	bool manifest = p->info.kind == CRCTL_IMAGE_MANIFEST;
	u32 i;

	if (p->vma.count > CRCTL_MAX_VMAS)
		return bad(why, "too many mappings");
	for (i = 0; i < p->vma.count; i++) {
		crctl_rec(&p->vma, i, &v, sizeof(v));
		if (v.start % PAGE_BYTES || v.end % PAGE_BYTES || v.start >= v.end)
			return bad(why, "a mapping is empty or not page aligned");
		if (v.start < next || v.end > lim->task_size)
			return bad(why, "a mapping is out of order or range");
		next = v.end;
		if (v.prot & ~PROT_KNOWN || v.flags & ~VMF_KNOWN ||
		    v.file_flags & ~FILE_KNOWN || v.flags & CRCTL_VMF_SYNC)
			return bad(why, "a mapping has unknown flags");
		if (v.flags & CRCTL_VMF_PKEY && !lim->pkeys)
			return bad(why, "the image uses protection keys, which are not here");
		if (!in_extra(&p->vma, v.name_off, v.name_len) || v.name_len > 4096)
			return bad(why, "the path of a mapping is out of range");
		if (v.fd != -1 && v.kind != CRCTL_VMA_FILE_PRIVATE &&
		    v.kind != CRCTL_VMA_FILE_SHARED)
			return bad(why, "a mapping of no file has a descriptor");
		switch (v.kind) {
		case CRCTL_VMA_ANON:
		case CRCTL_VMA_HUGE:
			break;
		case CRCTL_VMA_FILE_PRIVATE:
		case CRCTL_VMA_FILE_SHARED:
			if (v.offset % PAGE_BYTES || v.offset >> 63 ||
			    (v.offset + (v.end - v.start)) >> 63)
				return bad(why, "a mapping's file offset is out of range");
			if (manifest ? v.fd < 0 : v.fd != -1)
				return bad(why, "a file mapping has the wrong descriptor");
			if (v.flags & (CRCTL_VMF_GROWSDOWN | CRCTL_VMF_WIPEONFORK |
				       CRCTL_VMF_DROPPABLE))
				return bad(why, "a file mapping has flags of anonymous memory");
			break;
		case CRCTL_VMA_VDSO:
			if (v.start != p->mm.vdso)
				return bad(why, "the vdso is not where it should be");
			break;
		case CRCTL_VMA_VVAR:
			if (!p->mm.vvar || v.start < p->mm.vvar || v.start >= p->mm.vdso)
				return bad(why, "the vvar area is not where it should be");
			break;
		default:
			return bad(why, "a mapping of unknown kind");
		}
		if (check_attachment(p, i, &v, why) || check_huge(&v, why))
			return -EINVAL;
	}
	return 0;
}

static int check_regs(const struct crctl_thread_ref *t, u64 task_size,
		      const char **why)
{
	static const u8 data_regs[] = {
		CRCTL_REG_DS, CRCTL_REG_ES, CRCTL_REG_FS, CRCTL_REG_GS,
	};
	u32 i;

	if (crctl_reg(t, CRCTL_REG_CS) != SEL_USER_CS ||
	    crctl_reg(t, CRCTL_REG_SS) != SEL_USER_DS)
		return bad(why, "a code or stack selector is not that of a 64-bit task");
	for (i = 0; i < sizeof(data_regs); i++) {
		u64 sel = crctl_reg(t, data_regs[i]);

		if (sel && sel != SEL_USER_DS)
			return bad(why, "a data selector is not that of a 64-bit task");
	}
	if (crctl_reg(t, CRCTL_REG_IP) >= task_size ||
	    crctl_reg(t, CRCTL_REG_FS_BASE) >= task_size ||
	    crctl_reg(t, CRCTL_REG_GS_BASE) >= task_size)
		return bad(why, "an instruction pointer or segment base is out of range");
	return 0;
}

int crctl_check_thread(const struct crctl_thread_ref *t,
		       const struct crctl_limits *lim, const char **why)
{
	struct crctl_thread r;
	u32 pid, i;
	u64 bv, comp;

	crctl_rec(&t->rec, 0, &r, sizeof(r));
	if (!r.nr_pids || r.nr_pids > CRCTL_MAX_PID_LEVELS || r.pids_off % 4 ||
	    !in_extra(&t->rec, r.pids_off, 4ull * r.nr_pids))
		return bad(why, "a thread's ids are out of range");
	for (i = 0; i < r.nr_pids; i++) {
		memcpy(&pid, t->rec.extra + r.pids_off + 4 * i, 4);
		if (!pid || pid > (1u << 22))
			return bad(why, "a thread's id is out of range");
	}
	if (r.comm[15])
		return bad(why, "a thread's name is not terminated");
	if (r.clear_child_tid >= lim->task_size || r.robust_list >= lim->task_size ||
	    r.rseq >= lim->task_size || r.sas_sp >= lim->task_size ||
	    r.sas_size >= lim->task_size)
		return bad(why, "an address of a thread is out of range");
	if (r.pdeath_signal > 64 || r.seccomp_mode > 2 || r.settings & ~CRCTL_SETTINGS ||
	    r.in_syscall > 1)
		return bad(why, "an attribute of a thread is out of range");
	if (r.exit_status > (r.exited ? 255 : 0))
		return bad(why, "an exit status is out of range");
	if (r.exited)
		return all_zero((const u8 *)&r.sigmask, (u8 *)&r.exited - (u8 *)&r.sigmask) ? 0 :
		       bad(why, "a thread that has exited has a state");
	switch (r.restart_kind) {
	case CRCTL_RESTART_NONE:
		break;
	case CRCTL_RESTART_NANOSLEEP:
		if (r.restart_arg[2] > (lim->time32 ? 2 : 1) ||
		    r.restart_arg[1] >= lim->task_size)
			return bad(why, "a sleep to go on with is malformed");
		switch (r.restart_arg[0]) {
		case 0: case 1: case 7: case 11:	/* the clocks hrtimers have */
			break;
		default:
			return bad(why, "a sleep on an unknown clock");
		}
		break;
	case CRCTL_RESTART_POLL:
		if (r.restart_arg[0] >= lim->task_size ||
		    r.restart_arg[1] > 0x7fffffff || r.restart_arg[2] > 1)
			return bad(why, "a poll to go on with is malformed");
		break;
	case CRCTL_RESTART_FUTEX:
		if (r.restart_arg[0] >= lim->task_size ||
		    r.restart_arg[1] >> 32 || r.restart_arg[2] >> 32 ||
		    !r.restart_arg[2] || r.restart_arg[3] > 7 || r.restart_arg[4] > 1)
			return bad(why, "a futex wait to go on with is malformed");
		break;
	default:
		return bad(why, "a system call to go on with is of unknown kind");
	}
	if (r.restart_left_ns >> 62)
		return bad(why, "a time left is out of range");

	/* the XSAVE header: only known features, standard format, no reserved bits */
	memcpy(&bv, t->xstate + 512, 8);
	memcpy(&comp, t->xstate + 520, 8);
	if (bv & ~lim->xfeatures)
		return bad(why, "the image uses CPU features that are not here");
	if (comp || !all_zero(t->xstate + 528, 48))
		return bad(why, "the extended state's header is malformed");
	return check_regs(t, lim->task_size, why);
}

/* Far beyond what RLIMIT_SIGPENDING and fs.nr_open are, and soon over. */
#define MAX_PENDING	(1u << 20)
#define MAX_CLOEXEC	(1u << 24)
#define MAX_LOCKS	(1u << 20)
#define MAX_NOTIFIES	(1u << 20)

static int check_locks(const struct crctl_parsed *p, const char **why)
{
	struct crctl_lock l;
	u32 i;

	if (p->lock.count > MAX_LOCKS)
		return bad(why, "too many file locks");
	for (i = 0; i < p->lock.count; i++) {
		crctl_rec(&p->lock, i, &l, sizeof(l));
		/* the last byte of a file is at 2^63 - 1 */
		if (l.write > 1 || l.fd >> 31 || l.start >> 63 || l.len >> 63 ||
		    (l.len && (l.start + l.len - 1) >> 63))
			return bad(why, "a file lock is out of range");
	}
	return 0;
}

static int check_notifies(const struct crctl_parsed *p, const char **why)
{
	struct crctl_notify nt;
	u32 i;

	if (p->notify.count > MAX_NOTIFIES)
		return bad(why, "too many message queues that notify");
	for (i = 0; i < p->notify.count; i++) {
		crctl_rec(&p->notify, i, &nt, sizeof(nt));
		/* SIGEV_SIGNAL, SIGEV_NONE: the others mean memory or a socket */
		if (nt.fd >> 31 || nt.notify < 0 || nt.notify > 1 ||
		    nt.signal < 0 || nt.signal > 64 || nt.pad)
			return bad(why, "a message queue notifies in an unknown way");
	}
	return 0;
}

static int check_peercreds(const struct crctl_parsed *p, const char **why)
{
	struct crctl_peercred pc;
	u32 i;

	if (p->peercred.count > MAX_CLOEXEC)
		return bad(why, "too many sockets");
	for (i = 0; i < p->peercred.count; i++) {
		crctl_rec(&p->peercred, i, &pc, sizeof(pc));
		if (pc.pid < 0 || pc.nr_groups > 65536 || pc.groups_off % 4 ||
		    !in_extra(&p->peercred, pc.groups_off, 4ull * pc.nr_groups))
			return bad(why, "the peer of a socket is out of range");
	}
	return 0;
}

/* Those that mbind(2) and set_mempolicy(2) of some kernel take. */
static bool known_policy(const struct crctl_mempolicy *m)
{
	const u32 given = CRCTL_POLICY_STATIC_NODES | CRCTL_POLICY_RELATIVE_NODES;
	bool none = all_zero((const u8 *)m->nodes, sizeof(m->nodes));
	u32 flags = m->mode & CRCTL_POLICY_FLAGS;

	if ((flags & given) == given || m->home_node < -1 || m->home_node >= CRCTL_POLICY_NODES)
		return false;
	switch (m->mode - flags) {
	case CRCTL_POLICY_LOCAL:
		return none && !flags && m->home_node == -1;
	case CRCTL_POLICY_PREFERRED:
		return !(none && flags) && !(flags & CRCTL_POLICY_NUMA_BALANCING) &&
		       m->home_node == -1;
	case CRCTL_POLICY_BIND:
	case CRCTL_POLICY_PREFERRED_MANY:
		return !none;
	case CRCTL_POLICY_INTERLEAVE:
	case CRCTL_POLICY_WEIGHTED_INTERLEAVE:
		return !none && !(flags & CRCTL_POLICY_NUMA_BALANCING) && m->home_node == -1;
	default:
		return false;
	}
}

static int check_policies(const struct crctl_parsed *p, const char **why)
{
	struct crctl_vma v = { .end = 0 };
	u32 i, next_vma = 0, thread = 0;
	struct crctl_mempolicy m;
	u64 next = 0;

	for (i = 0; i < p->mempolicy.count; i++) {
		crctl_rec(&p->mempolicy, i, &m, sizeof(m));
		if (m.pad || !known_policy(&m))
			return bad(why, "a memory policy is of unknown kind");
		if (m.thread) {
			if (m.thread <= thread || m.thread > p->nr_threads || m.start || m.end ||
			    m.home_node != -1)
				return bad(why, "a thread's memory policy is out of range");
			thread = m.thread;
			continue;
		}
		if (thread || m.start < next || m.start >= m.end || m.start % PAGE_BYTES ||
		    m.end % PAGE_BYTES)
			return bad(why, "a memory policy is out of order or range");
		next = m.end;
		while (m.start >= v.end) {
			if (next_vma == p->vma.count)
				return bad(why, "a memory policy lies outside every mapping");
			crctl_rec(&p->vma, next_vma++, &v, sizeof(v));
		}
		if (m.start < v.start || m.end > v.end || v.kind == CRCTL_VMA_VDSO ||
		    v.kind == CRCTL_VMA_VVAR)
			return bad(why, "a memory policy does not lie within one mapping");
	}
	return 0;
}

/* Clocks that count a thread's time are for one that is in the image; no other clock has one. */
static bool timer_clock_ok(const struct crctl_timer *tm, u32 nr_threads)
{
	switch (tm->clock_id) {
	case -4: case -3: case -2:
		return tm->clock_thread && tm->clock_thread <= nr_threads;
	case -8: case -7: case -6:
	case 0: case 1: case 7: case 8: case 9: case 11:
		return !tm->clock_thread;
	default:
		return false;
	}
}

int crctl_check_rest(const struct crctl_parsed *p, const struct crctl_limits *lim,
		     const char **why)
{
	struct crctl_sigaction sa;
	struct crctl_sigpending sp;
	struct crctl_timer tm;
	struct crctl_creds cr;
	struct crctl_seccomp sc;
	u32 i;
	s32 last_id = -1;

	if (p->sigaction.count != 64)
		return bad(why, "the signal actions are not 64");
	for (i = 0; i < 64; i++) {
		crctl_rec(&p->sigaction, i, &sa, sizeof(sa));
		if (sa.handler >= lim->task_size || sa.restorer >= lim->task_size)
			return bad(why, "a signal handler is out of range");
	}
	if (p->sigpending.count > MAX_PENDING)
		return bad(why, "too many pending signals");
	for (i = 0; i < p->sigpending.count; i++) {
		crctl_rec(&p->sigpending, i, &sp, sizeof(sp));
		if (sp.target > p->nr_threads || !sp.signo || sp.signo > 64)
			return bad(why, "a pending signal is out of range");
	}
	for (i = 0; i < p->timer.count; i++) {
		crctl_rec(&p->timer, i, &tm, sizeof(tm));
		if (tm.id <= last_id || tm.target > p->nr_threads ||
		    tm.left_ns >> 62 || tm.interval_ns >> 62 ||
		    tm.signo < 0 || tm.signo > 64)
			return bad(why, "a timer is out of range");
		if (!timer_clock_ok(&tm, p->nr_threads))
			return bad(why, "a timer on an unknown clock");
		last_id = tm.id;
	}
	for (i = 0; i < 3; i++)
		if (p->process.itimer[i].value_ns >> 62 ||
		    p->process.itimer[i].interval_ns >> 62)
			return bad(why, "an interval timer is out of range");
	if (p->process.exit_signal < 0 || p->process.exit_signal > 64 ||
	    p->process.stop_signal > 64 || p->process.next_timer_id < 0)
		return bad(why, "an attribute of the process is out of range");
	if (p->creds.count != p->nr_threads)
		return bad(why, "the credentials are not one for each thread");
	for (i = 0; i < p->creds.count; i++) {
		crctl_rec(&p->creds, i, &cr, sizeof(cr));
		if (cr.nr_groups > 65536 || cr.groups_off % 4 ||
		    !in_extra(&p->creds, cr.groups_off, 4ull * cr.nr_groups))
			return bad(why, "the groups of a thread are out of range");
	}
	for (i = 0; i < p->seccomp.count; i++) {
		crctl_rec(&p->seccomp, i, &sc, sizeof(sc));
		if (!sc.thread || sc.thread > p->nr_threads || !sc.nr_insns ||
		    sc.nr_insns > 4096 || sc.insns_off % 4 || sc.flags & ~6u ||
		    !in_extra(&p->seccomp, sc.insns_off, 8ull * sc.nr_insns))
			return bad(why, "a seccomp filter is out of range");
	}
	if (p->mm.vdso && !p->vdso.extra_size)
		return bad(why, "the bytes of the vdso are missing");
	if (p->cloexec.extra_size % 4 || p->cloexec.extra_size / 4 > MAX_CLOEXEC)
		return bad(why, "the close-on-exec list is malformed");
	return check_policies(p, why) ?: check_peercreds(p, why) ?: check_locks(p, why) ?:
	       check_notifies(p, why);
}

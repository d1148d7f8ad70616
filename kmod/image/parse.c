// SPDX-License-Identifier: GPL-2.0
/*
 * The parser of images and manifests. It allocates nothing, touches nothing
 * but its buffers, and is linear in their size.
 */
#include "parse.h"

#define PAGE_BYTES	4096ull
#define VMF_KNOWN	((1ull << 17) - 1)
#define FILE_KNOWN	0xfu
#define PROT_KNOWN	7u

/* Selectors of a 64-bit task: __USER_CS, __USER_DS; data segments may be null. */
#define SEL_USER_CS	0x33
#define SEL_USER_DS	0x2b

static int bad(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

void crctl_rec(const struct crctl_ref *ref, u32 i, void *out, u32 size)
{
	u32 n = ref->rec_size < size ? ref->rec_size : size;

	memcpy(out, ref->recs + (size_t)i * ref->rec_size, n);
	if (n < size)
		memset((u8 *)out + n, 0, size - n);
}

static bool all_zero(const u8 *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static bool in_extra(const struct crctl_ref *ref, u64 off, u64 len)
{
	return off <= ref->extra_size && len <= ref->extra_size - off;
}

int crctl_parse_ehdr(const u8 *buf, size_t len, u64 file_size,
		     struct crctl_layout *out, const char **why)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sh;
	u64 phnum;

	if (len < sizeof(eh) + sizeof(sh) || file_size < sizeof(eh) + sizeof(sh))
		return bad(why, "the file is too short");
	memcpy(&eh, buf, sizeof(eh));
	memcpy(&sh, buf + sizeof(eh), sizeof(sh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_type != ET_CORE || eh.e_machine != EM_X86_64)
		return bad(why, "not an x86_64 ELF core");
	if (eh.e_shoff != sizeof(eh) || eh.e_shnum != 1 ||
	    eh.e_shentsize != sizeof(sh) ||
	    eh.e_phoff != sizeof(eh) + sizeof(sh) ||
	    eh.e_phentsize != sizeof(Elf64_Phdr))
		return bad(why, "not laid out as an image");
	phnum = sh.sh_info;
	if (eh.e_phnum != (phnum < PN_XNUM ? phnum : PN_XNUM))
		return bad(why, "numbers of program headers differ");
	if (!phnum || phnum > CRCTL_MAX_PHDRS ||
	    phnum * sizeof(Elf64_Phdr) > file_size - eh.e_phoff)
		return bad(why, "program headers beyond the end of the file");
	out->phoff = eh.e_phoff;
	out->phnum = phnum;
	return 0;
}

int crctl_parse_phdrs(const Elf64_Phdr *ph, u32 phnum, u64 file_size,
		      const struct crctl_limits *lim, const char **why)
{
	u64 low = sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr) + (u64)phnum * sizeof(*ph);
	u64 next_off, next_addr = 0;
	u32 i;

	if (ph[0].p_type != PT_NOTE)
		return bad(why, "the first program header is no PT_NOTE");
	if (ph[0].p_offset < low || ph[0].p_offset > file_size ||
	    ph[0].p_filesz > file_size - ph[0].p_offset ||
	    ph[0].p_filesz > CRCTL_MAX_NOTES_SIZE)
		return bad(why, "notes beyond the end of the file");
	next_off = ph[0].p_offset + ph[0].p_filesz;
	for (i = 1; i < phnum; i++) {
		const Elf64_Phdr *p = &ph[i];

		if (p->p_type != PT_LOAD)
			return bad(why, "a program header is no PT_LOAD");
		if (!p->p_filesz || p->p_filesz != p->p_memsz ||
		    p->p_filesz % PAGE_BYTES || p->p_offset % PAGE_BYTES ||
		    p->p_vaddr % PAGE_BYTES)
			return bad(why, "a PT_LOAD is not page aligned");
		if (p->p_vaddr < next_addr || p->p_vaddr > lim->task_size ||
		    p->p_filesz > lim->task_size - p->p_vaddr)
			return bad(why, "a PT_LOAD's address is out of order or range");
		if (p->p_offset < next_off || p->p_offset > file_size ||
		    p->p_filesz > file_size - p->p_offset)
			return bad(why, "a PT_LOAD lies beyond the end of the file");
		next_addr = p->p_vaddr + p->p_filesz;
		next_off = p->p_offset + p->p_filesz;
	}
	return 0;
}

/* ---- walking notes ---- */

struct note {
	const u8 *desc;
	u32 type, size;
	bool crctl;		/* owner "CRCTL"; otherwise "CORE" or "LINUX" */
	bool known;
};

/* Returns 1 with a note, 0 at the end, negative when malformed. */
static int next_note(const u8 *buf, size_t len, size_t *pos, struct note *n)
{
	Elf64_Nhdr nh;
	size_t off = *pos, name, desc;

	if (off == len)
		return 0;
	if (len - off < sizeof(nh))
		return -EINVAL;
	memcpy(&nh, buf + off, sizeof(nh));
	off += sizeof(nh);
	name = off;
	if (nh.n_namesz > 64 || nh.n_namesz > len - off)
		return -EINVAL;
	off += (nh.n_namesz + 3u) & ~3u;
	if (off > len || nh.n_descsz > len - off)
		return -EINVAL;
	desc = off;
	if (((u64)nh.n_descsz + 3) / 4 * 4 > len - off)
		return -EINVAL;
	off += ((size_t)nh.n_descsz + 3) & ~(size_t)3;
	n->desc = buf + desc;
	n->size = nh.n_descsz;
	n->type = nh.n_type;
	n->crctl = nh.n_namesz == sizeof(CRCTL_NOTE_NAME) &&
		   !memcmp(buf + name, CRCTL_NOTE_NAME, sizeof(CRCTL_NOTE_NAME));
	n->known = n->crctl ||
		   (nh.n_namesz == 5 && !memcmp(buf + name, "CORE", 5)) ||
		   (nh.n_namesz == 6 && !memcmp(buf + name, "LINUX", 6));
	*pos = off;
	return 1;
}

int crctl_parse_count(const u8 *notes, size_t len, u32 *nr_threads)
{
	struct note n;
	size_t pos = 0;
	int ret;

	*nr_threads = 0;
	while ((ret = next_note(notes, len, &pos, &n)) > 0)
		if (n.crctl && n.type == CRCTL_NT_THREAD &&
		    ++*nr_threads > CRCTL_MAX_THREADS)
			return -EINVAL;
	if (ret)
		return ret;
	return *nr_threads ? 0 : -EINVAL;
}

/* Check a note's head; records longer than @known bytes must be zero behind. */
static int open_ref(const struct note *n, u32 known, struct crctl_ref *ref,
		    const char **why)
{
	struct crctl_note_head h;
	u64 total;
	u32 i;

	if (ref->present)
		return bad(why, "a note that may stand once stands twice");
	if (n->size < sizeof(h))
		return bad(why, "a note is too short");
	memcpy(&h, n->desc, sizeof(h));
	if (h.version != CRCTL_IMAGE_VERSION)
		return bad(why, "a note has another version");
	if ((!h.rec_size && h.count) || h.rec_size > 65536)
		return bad(why, "a note's record size is out of range");
	total = sizeof(h) + (u64)h.rec_size * h.count + h.extra_size;
	if (total != n->size)
		return bad(why, "a note's counts do not fit its size");
	ref->recs = n->desc + sizeof(h);
	ref->rec_size = h.rec_size;
	ref->count = h.count;
	ref->extra = ref->recs + (size_t)h.rec_size * h.count;
	ref->extra_size = h.extra_size;
	ref->present = true;
	if (h.rec_size > known)
		for (i = 0; i < h.count; i++)
			if (!all_zero(ref->recs + (size_t)i * h.rec_size + known,
				      h.rec_size - known))
				return bad(why, "a record has fields of a newer version");
	return 0;
}

static int one_record(const struct note *n, void *out, u32 size,
		      struct crctl_ref *ref, const char **why)
{
	int ret = open_ref(n, size, ref, why);

	if (ret)
		return ret;
	if (ref->count != 1)
		return bad(why, "a note needs exactly one record");
	crctl_rec(ref, 0, out, size);
	return 0;
}

/* ---- checks of meaning ---- */

static int check_mm(const struct crctl_parsed *p, const struct crctl_limits *lim,
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
	if (!in_extra(&p->mm_ref, m->exe_off, m->exe_len))
		return bad(why, "the path of the executable is out of range");
	return 0;
}

static int check_vmas(struct crctl_parsed *p, const struct crctl_limits *lim,
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
		if (!in_extra(&p->vma, v.name_off, v.name_len) || v.name_len > 4096)
			return bad(why, "the path of a mapping is out of range");
		if (v.fd != -1 && v.kind != CRCTL_VMA_FILE_PRIVATE &&
		    v.kind != CRCTL_VMA_FILE_SHARED)
			return bad(why, "a mapping of no file has a descriptor");
		switch (v.kind) {
		case CRCTL_VMA_ANON:
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

static int check_thread(const struct crctl_thread_ref *t,
			const struct crctl_limits *lim, u64 *xfeatures,
			const char **why)
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
	*xfeatures |= bv;
	return check_regs(t, lim->task_size, why);
}

/* Far beyond what RLIMIT_SIGPENDING and fs.nr_open are, and soon over. */
#define MAX_PENDING	(1u << 20)
#define MAX_CLOEXEC	(1u << 24)

static int check_rest(const struct crctl_parsed *p, const struct crctl_limits *lim,
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
	return 0;
}

/* Notes whose record is copied out; only whether they were there is kept. */
enum { SEEN_IMAGE, SEEN_PROCESS, SEEN_CONTROL, NR_SEEN };

static int parse_crctl(const struct note *n, struct crctl_parsed *p,
		       struct crctl_ref *seen, u32 nr_threads, u32 *thread)
{
	const char **why = &p->why;
	struct crctl_thread_ref *t;
	int ret;

	switch (n->type) {
	case CRCTL_NT_IMAGE:
		return one_record(n, &p->info, sizeof(p->info), &seen[SEEN_IMAGE], why);
	case CRCTL_NT_MM:
		return one_record(n, &p->mm, sizeof(p->mm), &p->mm_ref, why);
	case CRCTL_NT_PROCESS:
		return one_record(n, &p->process, sizeof(p->process),
				  &seen[SEEN_PROCESS], why);
	case CRCTL_NT_CONTROL:
		return one_record(n, &p->control, sizeof(p->control),
				  &seen[SEEN_CONTROL], why);
	case CRCTL_NT_VMA:
		return open_ref(n, sizeof(struct crctl_vma), &p->vma, why);
	case CRCTL_NT_SIGACTION:
		return open_ref(n, sizeof(struct crctl_sigaction), &p->sigaction, why);
	case CRCTL_NT_SIGPENDING:
		return open_ref(n, sizeof(struct crctl_sigpending), &p->sigpending, why);
	case CRCTL_NT_TIMER:
		return open_ref(n, sizeof(struct crctl_timer), &p->timer, why);
	case CRCTL_NT_CREDS:
		return open_ref(n, sizeof(struct crctl_creds), &p->creds, why);
	case CRCTL_NT_SECCOMP:
		return open_ref(n, sizeof(struct crctl_seccomp), &p->seccomp, why);
	case CRCTL_NT_VDSO:
		return open_ref(n, 0, &p->vdso, why);
	case CRCTL_NT_EXTENT:
		return open_ref(n, sizeof(struct crctl_extent), &p->extent, why);
	case CRCTL_NT_CLOEXEC:
		return open_ref(n, 0, &p->cloexec, why);
	case CRCTL_NT_THREAD:
		if (*thread >= nr_threads)
			return bad(why, "more threads than counted");
		t = &p->threads[*thread];
		if (!t->prstatus || !t->xstate)
			return bad(why, "a thread without registers");
		ret = open_ref(n, sizeof(struct crctl_thread), &t->rec, why);
		if (ret)
			return ret;
		if (t->rec.count != 1)
			return bad(why, "a thread note needs exactly one record");
		++*thread;
		return 0;
	case CRCTL_NT_REFUSAL:
		return bad(why, "the image is of a task that could not be saved");
	default:
		return bad(why, "a note of unknown type");
	}
}

static int parse_core(const struct note *n, struct crctl_parsed *p,
		      u32 nr_threads, u32 thread)
{
	switch (n->type) {
	case NT_PRSTATUS:
	case NT_X86_XSTATE:
		if (thread >= nr_threads)
			return bad(&p->why, "more registers than threads");
		if (n->type == NT_PRSTATUS) {
			if (n->size != CRCTL_PRSTATUS_SIZE ||
			    p->threads[thread].prstatus)
				return bad(&p->why, "a register note is malformed");
			p->threads[thread].prstatus = n->desc;
		} else {
			if (n->size < CRCTL_XSTATE_MIN ||
			    n->size > CRCTL_XSTATE_MAX || n->size % 8 ||
			    p->threads[thread].xstate)
				return bad(&p->why, "an extended state note is malformed");
			p->threads[thread].xstate = n->desc;
			p->threads[thread].xstate_size = n->size;
		}
		return 0;
	case NT_AUXV:
		if (n->size % 16 || n->size > CRCTL_MAX_AUXV || p->auxv)
			return bad(&p->why, "the auxiliary vector is malformed");
		p->auxv = n->desc;
		p->auxv_size = n->size;
		return 0;
	default:
		return 0;	/* notes for debuggers */
	}
}

int crctl_parse_notes(const u8 *notes, size_t len, u32 nr_threads,
		      const struct crctl_limits *lim, struct crctl_parsed *p)
{
	struct crctl_thread_ref *threads = p->threads;
	struct crctl_ref seen[NR_SEEN];
	struct note n;
	size_t pos = 0;
	u32 thread = 0, i;
	u64 xfeatures = 0;
	int ret;

	memset(p, 0, sizeof(*p));
	memset(seen, 0, sizeof(seen));
	memset(threads, 0, sizeof(*threads) * nr_threads);
	p->threads = threads;
	p->nr_threads = nr_threads;
	p->control.gate_fd = -1;
	p->control.report_fd = -1;
	p->why = "a note is malformed";

	while ((ret = next_note(notes, len, &pos, &n)) > 0) {
		if (!n.known)
			continue;
		if (n.crctl)
			ret = parse_crctl(&n, p, seen, nr_threads, &thread);
		else
			ret = parse_core(&n, p, nr_threads, thread);
		if (ret)
			return ret;
	}
	if (ret)
		return ret;
	if (!seen[SEEN_IMAGE].present || !seen[SEEN_PROCESS].present ||
	    !p->mm_ref.present || !p->vma.present || !p->sigaction.present ||
	    !p->creds.present || thread != nr_threads || !p->auxv)
		return bad(&p->why, "a note is missing");
	if (p->info.kind != CRCTL_IMAGE_DUMP && p->info.kind != CRCTL_IMAGE_MANIFEST)
		return bad(&p->why, "an image of unknown kind");
	if (p->info.nr_threads != nr_threads)
		return bad(&p->why, "the number of threads differs");
	if (p->info.kind == CRCTL_IMAGE_DUMP &&
	    (p->extent.present || seen[SEEN_CONTROL].present || p->cloexec.present ||
	     p->mm.exe_fd != -1))
		return bad(&p->why, "a dump has notes of a manifest");
	ret = check_mm(p, lim, &p->why);
	if (!ret)
		ret = check_vmas(p, lim, &p->why);
	for (i = 0; !ret && i < nr_threads; i++)
		ret = check_thread(&p->threads[i], lim, &xfeatures, &p->why);
	if (!ret)
		ret = check_rest(p, lim, &p->why);
	return ret;
}

static bool private_vma(const struct crctl_vma *v)
{
	return v->kind == CRCTL_VMA_ANON || v->kind == CRCTL_VMA_FILE_PRIVATE;
}

int crctl_parse_extents(const struct crctl_parsed *p, const Elf64_Phdr *ph,
			u32 phnum, const char **why)
{
	bool dump = p->info.kind == CRCTL_IMAGE_DUMP;
	u32 nr = dump ? phnum - 1 : p->extent.count, i, k = 0;
	struct crctl_extent e = { .fd = -1 };
	struct crctl_vma v = { .end = 0 };
	u64 next = 0;

	if (!dump && phnum != 1)
		return bad(why, "a manifest holds pages");
	for (i = 0; i < nr; i++) {
		if (dump) {
			e.vaddr = ph[i + 1].p_vaddr;
			e.len = ph[i + 1].p_filesz;
		} else {
			crctl_rec(&p->extent, i, &e, sizeof(e));
			if (e.source != CRCTL_EXTENT_FILE || e.fd < 0)
				return bad(why, "an extent's source is not supported");
			if (e.vaddr % PAGE_BYTES || e.len % PAGE_BYTES || !e.len ||
			    e.vaddr + e.len < e.vaddr || e.offset >> 62)
				return bad(why, "an extent is not page aligned or out of range");
		}
		if (e.vaddr < next)
			return bad(why, "an extent is out of order");
		next = e.vaddr + e.len;
		while (e.vaddr >= v.end) {
			if (k == p->vma.count)
				return bad(why, "an extent lies outside every mapping");
			crctl_rec(&p->vma, k++, &v, sizeof(v));
		}
		if (e.vaddr < v.start || next > v.end || !private_vma(&v))
			return bad(why, "an extent does not lie within a private mapping");
	}
	return 0;
}

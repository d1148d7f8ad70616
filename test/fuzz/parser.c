/*
 * The image parser as kmod/restore/load.c calls it: headers, program headers
 * and notes each in a buffer of just its size, so that the sanitizers see any
 * step beyond. What is accepted is then used the way the module uses it, and
 * held against the rules once more, in other words than the parser's.
 */
#include "parser.h"

#include <stdio.h>
#include <stdlib.h>

#include "image/parse.h"

#define HEADER_SIZE 256			/* BINPRM_BUF_SIZE */
#define TASK_SIZE 0x7ffffffff000ull
#define XFEATURES 0x2ffull		/* x87, SSE, AVX, MPX, AVX-512, PKRU */

/* This machine's, and that of one without protection keys. */
static const struct crctl_limits limits = {
	.task_size = TASK_SIZE, .min_addr = 4096, .xfeatures = XFEATURES, .time32 = true, .pkeys = true,
}, keyless = {
	.task_size = TASK_SIZE, .min_addr = 4096, .xfeatures = XFEATURES, .time32 = true,
};

#define MUST(condition) do {								\
	if (!(condition)) {								\
		fprintf(stderr, "%s:%d: accepted, but not %s\n", __FILE__, __LINE__, #condition); \
		abort();								\
	}										\
} while (0)

static volatile uint64_t sink;

static void touch(const uint8_t *p, size_t len)
{
	while (len--)
		sink += *p++;
}

static void touch_ref(const struct crctl_ref *ref, size_t known)
{
	uint8_t rec[512];
	uint32_t i;

	for (i = 0; i < ref->count; i++) {
		crctl_rec(ref, i, rec, known);
		touch(rec, known);
	}
	touch(ref->extra, ref->extra_size);
}

static void check_thread(const struct crctl_thread_ref *t)
{
	struct crctl_thread rec;
	unsigned int reg;
	uint64_t v;

	touch_ref(&t->rec, sizeof(rec));
	crctl_rec(&t->rec, 0, &rec, sizeof(rec));
	touch(t->rec.extra + rec.pids_off, 4 * rec.nr_pids);
	MUST(rec.nr_pids >= 1);
	MUST(memchr(rec.comm, 0, sizeof(rec.comm)));
	MUST(rec.exited <= 1 && !rec.exited == !!t->prstatus && !rec.exited == !!t->xstate);
	if (rec.exited) {
		MUST(!rec.clear_child_tid && !rec.robust_list && !rec.rseq && !rec.seccomp_mode && !rec.restart_kind);
		return;
	}
	touch(t->prstatus, CRCTL_PRSTATUS_SIZE);
	touch(t->xstate, t->xstate_size);
	for (reg = 0; reg < CRCTL_NR_REGS; reg++)
		sink += crctl_reg(t, reg);
	MUST(crctl_reg(t, CRCTL_REG_CS) == 0x33 && crctl_reg(t, CRCTL_REG_SS) == 0x2b);
	MUST(crctl_reg(t, CRCTL_REG_IP) < TASK_SIZE);
	MUST(crctl_reg(t, CRCTL_REG_FS_BASE) < TASK_SIZE && crctl_reg(t, CRCTL_REG_GS_BASE) < TASK_SIZE);
	memcpy(&v, t->xstate + 512, 8);
	MUST(!(v & ~XFEATURES));
	MUST(rec.restart_kind <= CRCTL_RESTART_FUTEX);
	MUST(rec.restart_kind != CRCTL_RESTART_NANOSLEEP || rec.restart_arg[0] <= 11);
}

static void check_vmas(const struct crctl_parsed *p)
{
	struct crctl_vma v;
	uint64_t last = 0;
	uint32_t i;

	for (i = 0; i < p->vma.count; i++) {
		crctl_rec(&p->vma, i, &v, sizeof(v));
		touch(p->vma.extra + v.name_off, v.name_len);
		MUST(v.start >= last && v.start < v.end && v.end <= TASK_SIZE && v.start >= 4096);
		MUST(!((v.start | v.end) & 4095));
		MUST(v.huge_shift ? v.kind == CRCTL_VMA_HUGE || v.kind == CRCTL_VMA_FILE_PRIVATE ||
				    v.kind == CRCTL_VMA_FILE_SHARED : v.kind != CRCTL_VMA_HUGE);
		MUST(!v.huge_shift || !((v.start | v.end | v.offset) & ((1ull << v.huge_shift) - 1)));
		MUST(v.prot < 8);
		MUST(p->info.kind == CRCTL_IMAGE_MANIFEST || v.fd == -1);
		last = v.end;
	}
}

/* Is [addr, addr + len) within one mapping that is private, or may be shared? */
static int within(const struct crctl_parsed *p, uint64_t addr, uint64_t len, int shared)
{
	struct crctl_vma v;
	uint32_t i;

	for (i = 0; i < p->vma.count; i++) {
		crctl_rec(&p->vma, i, &v, sizeof(v));
		if (addr >= v.start && addr < v.end)
			return len <= v.end - addr &&
			       (v.kind == CRCTL_VMA_ANON || v.kind == CRCTL_VMA_FILE_PRIVATE || v.kind == CRCTL_VMA_HUGE ||
				(shared && v.kind == CRCTL_VMA_FILE_SHARED)) &&
			       (shared || !v.huge_shift || !((addr | len) & ((1ull << v.huge_shift) - 1)));
	}
	return 0;
}

static int within_private(const struct crctl_parsed *p, uint64_t addr, uint64_t len)
{
	return within(p, addr, len, 0);
}

static void check_extents(const struct crctl_parsed *p, const Elf64_Phdr *ph, uint32_t phnum)
{
	struct crctl_extent e;
	uint32_t i;

	/* Each is looked up by itself; some at either end will do for a long table. */
	for (i = 1; p->info.kind == CRCTL_IMAGE_DUMP && i < phnum && i < 64; i++)
		MUST(within_private(p, ph[i].p_vaddr, ph[i].p_memsz));
	for (i = 0; i < p->extent.count && i < 64; i++) {
		crctl_rec(&p->extent, i, &e, sizeof(e));
		MUST(p->info.kind == CRCTL_IMAGE_MANIFEST);
		MUST(e.fd >= 0 && within_private(p, e.vaddr, e.len));
	}
}

/* Of areas, then of threads, each at most once. */
static void check_policies(const struct crctl_parsed *p)
{
	uint64_t last = 0;
	uint32_t i, thread = 0;

	for (i = 0; i < p->mempolicy.count; i++) {
		struct crctl_mempolicy m;
		uint32_t mode, flags;

		crctl_rec(&p->mempolicy, i, &m, sizeof(m));
		mode = m.mode & 0x1fff;
		flags = m.mode >> 13;
		MUST(mode >= 1 && mode <= 6 && flags < 6);
		MUST(m.home_node == -1 || ((mode == 2 || mode == 5) && !m.thread && m.home_node < 1024));
		MUST(m.thread >= thread && m.thread <= p->nr_threads);
		MUST(m.thread ? m.thread > thread && !m.start && !m.end : m.start >= last && m.end > m.start);
		/* each is looked up by itself */
		MUST(m.thread || i >= 64 || within(p, m.start, m.end - m.start, 1));
		last = m.end;
		thread = m.thread;
	}
}

/* Taken from another process of the same restore. */
static void check_shared(const struct crctl_parsed *p)
{
	struct crctl_cow c;
	uint64_t last = 0;
	uint32_t i;

	touch_ref(&p->cow, sizeof(c));
	if (!p->cow.count)
		return;
	MUST(p->info.kind == CRCTL_IMAGE_MANIFEST && p->cow.count <= CRCTL_MAX_PHDRS);
	MUST(p->control.source && p->control.source != p->control.id && p->control.report_fd >= 0);
	for (i = 0; i < p->cow.count; i++) {
		crctl_rec(&p->cow, i, &c, sizeof(c));
		MUST(c.start >= last && c.len && !((c.start | c.len) & 4095) && c.start + c.len > c.start);
		/* each is looked up by itself */
		MUST(i >= 64 || within_private(p, c.start, c.len));
		last = c.start + c.len;
	}
}

static void check_all(const struct crctl_parsed *p)
{
	struct crctl_creds cr;
	struct crctl_seccomp sc;
	struct crctl_timer tm;
	struct crctl_peercred pc;
	struct crctl_lock l;
	struct crctl_notify nt;
	uint32_t i;

	touch_ref(&p->mm_ref, sizeof(struct crctl_mm));
	touch(p->mm_ref.extra + p->mm.exe_off, p->mm.exe_len);
	touch_ref(&p->vma, sizeof(struct crctl_vma));
	touch_ref(&p->sigaction, sizeof(struct crctl_sigaction));
	touch_ref(&p->sigpending, sizeof(struct crctl_sigpending));
	touch_ref(&p->timer, sizeof(struct crctl_timer));
	touch_ref(&p->descriptor, sizeof(struct crctl_descriptor));
	touch_ref(&p->mempolicy, sizeof(struct crctl_mempolicy));
	touch_ref(&p->creds, sizeof(struct crctl_creds));
	touch_ref(&p->vdso, 0);
	touch_ref(&p->seccomp, sizeof(struct crctl_seccomp));
	touch_ref(&p->extent, sizeof(struct crctl_extent));
	touch_ref(&p->cloexec, 0);
	touch_ref(&p->peercred, sizeof(struct crctl_peercred));
	touch_ref(&p->lock, sizeof(struct crctl_lock));
	touch_ref(&p->notify, sizeof(struct crctl_notify));
	/* the module does nothing with it */
	touch_ref(&p->sem_undo, sizeof(struct crctl_sem_undo));
	touch(p->auxv, p->auxv_size);
	MUST(p->sigaction.count == 64);
	MUST(p->creds.count == p->nr_threads);
	MUST(p->mm.brk < TASK_SIZE && p->mm.start_stack < TASK_SIZE);
	for (i = 0; i < p->nr_threads; i++)
		check_thread(&p->threads[i]);
	for (i = 0; i < p->creds.count; i++) {
		crctl_rec(&p->creds, i, &cr, sizeof(cr));
		touch(p->creds.extra + cr.groups_off, 4ul * cr.nr_groups);
	}
	for (i = 0; i < p->seccomp.count; i++) {
		crctl_rec(&p->seccomp, i, &sc, sizeof(sc));
		touch(p->seccomp.extra + sc.insns_off, 8ul * sc.nr_insns);
		MUST(sc.thread >= 1 && sc.thread <= p->nr_threads);
	}
	for (i = 0; i < p->timer.count; i++) {
		crctl_rec(&p->timer, i, &tm, sizeof(tm));
		MUST(tm.id >= 0 && tm.target <= p->nr_threads);
	}
	for (i = 0; i < p->peercred.count; i++) {
		crctl_rec(&p->peercred, i, &pc, sizeof(pc));
		touch(p->peercred.extra + pc.groups_off, 4ul * pc.nr_groups);
		MUST(p->info.kind == CRCTL_IMAGE_MANIFEST);
		MUST(pc.pid >= 0);
	}
	MUST(p->info.kind == CRCTL_IMAGE_MANIFEST || !p->lock.count);
	MUST(p->info.kind == CRCTL_IMAGE_MANIFEST || !p->notify.count);
	for (i = 0; i < p->notify.count; i++) {
		crctl_rec(&p->notify, i, &nt, sizeof(nt));
		MUST(nt.fd <= INT32_MAX && nt.signal >= 0 && nt.signal <= 64);
		MUST(nt.notify == 0 || nt.notify == 1);
	}
	MUST(p->mm.pkeys < 1u << 16 && p->mm.execute_only_pkey < 16);
	MUST(!p->mm.execute_only_pkey || p->mm.pkeys & 1u << p->mm.execute_only_pkey);
	for (i = 0; i < p->lock.count; i++) {
		crctl_rec(&p->lock, i, &l, sizeof(l));
		MUST((int64_t)l.start >= 0 && (int64_t)l.len >= 0 && (int32_t)l.fd >= 0 && l.write <= 1);
	}
	check_vmas(p);
	check_policies(p);
}

/* A buffer of just this size, of what the file has there. NULL: the file is too short. */
static uint8_t *part(const uint8_t *data, size_t size, uint64_t off, uint64_t len)
{
	uint8_t *p;

	if (off > size || len > size - off)
		return NULL;
	p = malloc(len ? len : 1);
	if (p)
		memcpy(p, data + off, len);
	return p;
}

static int parse(const uint8_t *data, size_t size, uint64_t file_size, const struct crctl_limits *lim)
{
	uint8_t *start = calloc(1, HEADER_SIZE), *phdrs = NULL, *notes = NULL;
	const Elf64_Phdr *ph;
	struct crctl_layout layout;
	struct crctl_parsed p;
	const char *why = NULL;
	uint32_t nr;
	int ret;

	p.threads = NULL;
	memcpy(start, data, size < HEADER_SIZE ? size : HEADER_SIZE);
	ret = crctl_parse_ehdr(start, HEADER_SIZE, file_size, &layout, &why);
	if (ret)
		goto out;
	MUST(layout.phnum >= 1 && layout.phnum <= CRCTL_MAX_PHDRS);
	MUST(layout.phoff + layout.phnum * sizeof(*ph) <= file_size);
	ret = -1;
	phdrs = part(data, size, layout.phoff, layout.phnum * sizeof(*ph));
	if (!phdrs)
		goto out;
	ph = (const void *)phdrs;
	ret = crctl_parse_phdrs(ph, layout.phnum, file_size, lim, &why);
	if (ret)
		goto out;
	MUST(ph[0].p_filesz <= CRCTL_MAX_NOTES_SIZE);
	ret = -1;
	notes = part(data, size, ph[0].p_offset, ph[0].p_filesz);
	if (!notes)
		goto out;
	why = "its notes are malformed";	/* the caller's words */
	ret = crctl_parse_count(notes, ph[0].p_filesz, &nr);
	if (ret)
		goto out;
	p.threads = calloc(nr, sizeof(*p.threads));
	ret = crctl_parse_notes(notes, ph[0].p_filesz, nr, lim, &p);
	MUST(ret || p.nr_threads == nr);
	why = p.why;
	if (!ret)
		ret = crctl_parse_extents(&p, ph, layout.phnum, &why);
	if (!ret) {
		MUST(lim->pkeys || !p.mm.pkeys);
		check_all(&p);
		check_extents(&p, ph, layout.phnum);
		check_shared(&p);
	}
out:
	/* An error has its reason, unless the file could not be read at all. */
	if (ret < -1)
		MUST(why && *why);
	free(p.threads);
	free(notes);
	free(phdrs);
	free(start);
	return !ret;
}

int parse_once(const uint8_t *data, size_t size)
{
	/* Once as a whole file, and once as the start of one whose pages are not at hand. */
	int whole = parse(data, size, size, &limits);

	MUST(whole || !parse(data, size, size, &keyless));
	return parse(data, size, 1ull << 62, &limits) || whole;
}

// SPDX-License-Identifier: GPL-2.0
/* The ELF side of an image: its headers, and where its pages go. */
#include "image/check.h"

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

static bool private_vma(const struct crctl_vma *v)
{
	return v->kind == CRCTL_VMA_ANON || v->kind == CRCTL_VMA_FILE_PRIVATE ||
	       v->kind == CRCTL_VMA_HUGE;
}

/* Ranges of pages, in order: each lies within one private mapping, huge pages are whole. */
struct ranges {
	const struct crctl_parsed *p;
	struct crctl_vma v;	/* of the one before */
	u32 next_vma;
	u64 next;		/* where the one before ends */
	bool huge;		/* huge pages may be in it */
};

static int check_range(struct ranges *r, u64 start, u64 len, const char **why)
{
	if (start % PAGE_BYTES || len % PAGE_BYTES || !len || start + len < start)
		return bad(why, "a range of pages is not page aligned or out of range");
	if (start < r->next)
		return bad(why, "a range of pages is out of order");
	r->next = start + len;
	while (start >= r->v.end) {
		if (r->next_vma == r->p->vma.count)
			return bad(why, "a range of pages lies outside every mapping");
		crctl_rec(&r->p->vma, r->next_vma++, &r->v, sizeof(r->v));
	}
	if (start < r->v.start || r->next > r->v.end || !private_vma(&r->v) ||
	    (r->v.huge_shift && !r->huge))
		return bad(why, "a range of pages does not lie within a private mapping");
	if (r->v.huge_shift && (start | len) & ((1ull << r->v.huge_shift) - 1))
		return bad(why, "a range of huge pages is not aligned to them");
	return 0;
}

/* What another process of the same restore has. */
static int check_cow(const struct crctl_parsed *p, const char **why)
{
	struct ranges r = { .p = p };
	struct crctl_cow c;
	u32 i;

	if (!p->cow.count)
		return 0;
	if (p->cow.count > CRCTL_MAX_PHDRS)
		return bad(why, "too many ranges of shared pages");
	if (!p->control.source || p->control.source == p->control.id ||
	    p->control.report_fd < 0)
		return bad(why, "shared pages without a process that has them");
	for (i = 0; i < p->cow.count; i++) {
		crctl_rec(&p->cow, i, &c, sizeof(c));
		if (check_range(&r, c.start, c.len, why))
			return -EINVAL;
	}
	return 0;
}

int crctl_parse_extents(const struct crctl_parsed *p, const Elf64_Phdr *ph,
			u32 phnum, const char **why)
{
	bool dump = p->info.kind == CRCTL_IMAGE_DUMP;
	u32 nr = dump ? phnum - 1 : p->extent.count, i;
	struct crctl_extent e = { .fd = -1 };
	struct ranges r = { .p = p, .huge = true };

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
			if (e.offset >> 62)
				return bad(why, "an extent is out of range");
		}
		if (check_range(&r, e.vaddr, e.len, why))
			return -EINVAL;
	}
	return check_cow(p, why);
}

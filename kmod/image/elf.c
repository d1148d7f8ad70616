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

/* SPDX-License-Identifier: GPL-2.0-only */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"

uint8_t *find_note(const struct image *im, const char *owner, uint32_t type, uint32_t *size)
{
	const Elf64_Phdr *ph = (const void *)(im->data + 128);
	uint8_t *p = im->data + ph->p_offset, *end = p + ph->p_filesz;

	while (p < end) {
		Elf64_Nhdr *nh = (void *)p;
		uint8_t *desc = p + sizeof(*nh) + ((nh->n_namesz + 3) & ~3u);

		if (nh->n_type == type && !strcmp((char *)p + sizeof(*nh), owner)) {
			*size = nh->n_descsz;
			return desc;
		}
		p = desc + ((nh->n_descsz + 3) & ~3u);
	}
	errx(2, "no note %x", type);
}

void *record(const struct image *im, uint32_t type)
{
	uint32_t size;

	return find_note(im, CRCTL_NOTE_NAME, type, &size) + sizeof(struct crctl_note_head);
}

struct crctl_note_head *head(const struct image *im, uint32_t type)
{
	return (struct crctl_note_head *)record(im, type) - 1;
}

uint64_t *reg(const struct image *im, int nr)
{
	uint32_t size;

	return (uint64_t *)(find_note(im, "CORE", NT_PRSTATUS, &size) + 112) + nr;
}

uint8_t *xstate(const struct image *im)
{
	uint32_t size;

	return find_note(im, "LINUX", NT_X86_XSTATE, &size);
}

struct crctl_vma *vma_of(const struct image *im, uint32_t kind)
{
	struct crctl_vma *v = record(im, CRCTL_NT_VMA);
	uint32_t i;

	for (i = 0; i < head(im, CRCTL_NT_VMA)->count; i++)
		if (v[i].kind == kind)
			return &v[i];
	errx(2, "no mapping of kind %u", kind);
}

void add_note(struct image *im, uint32_t type, const void *rec, uint32_t rec_size, uint32_t count,
	      const void *extra, uint32_t extra_size)
{
	struct crctl_note_head h = {
		.version = CRCTL_IMAGE_VERSION, .rec_size = rec_size, .count = count, .extra_size = extra_size,
	};
	Elf64_Nhdr nh = { .n_namesz = 6, .n_descsz = sizeof(h) + rec_size * count + extra_size, .n_type = type };
	uint8_t *p = im->data + im->size;

	memset(p, 0, 12 + 8 + nh.n_descsz + 4);
	memcpy(p, &nh, sizeof(nh));
	memcpy(p + 12, CRCTL_NOTE_NAME, 6);
	memcpy(p + 20, &h, sizeof(h));
	memcpy(p + 36, rec, (size_t)rec_size * count);
	memcpy(p + 36 + (size_t)rec_size * count, extra, extra_size);
	im->size += 20 + ((nh.n_descsz + 3) & ~3u);
	((Elf64_Phdr *)(im->data + 128))->p_filesz = im->size - 128 - sizeof(Elf64_Phdr);
}

void save(const struct image *im, const char *path, int mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0700);
	if (fd < 0 || write(fd, im->data, im->size) != (ssize_t)im->size || fchmod(fd, mode) || close(fd))
		err(2, "%s", path);
}

void to_manifest(struct image *im, const char *pages)
{
	const Elf64_Phdr *ph = (const void *)(im->data + 128);
	uint32_t nr = ((Elf64_Shdr *)(im->data + 64))->sh_info - 1, i;
	struct crctl_extent *e = calloc(nr, sizeof(*e));
	struct crctl_vma *v = record(im, CRCTL_NT_VMA);
	Elf64_Phdr notes = ph[0];

	if (!e)
		err(2, "memory");
	save(im, pages, 0600);
	for (i = 0; i < nr; i++)
		e[i] = (struct crctl_extent){
			.vaddr = ph[i + 1].p_vaddr, .len = ph[i + 1].p_filesz, .offset = ph[i + 1].p_offset, .fd = FD_PAGES,
		};
	((struct crctl_image_info *)record(im, CRCTL_NT_IMAGE))->kind = CRCTL_IMAGE_MANIFEST;
	for (i = 0; i < head(im, CRCTL_NT_VMA)->count; i++) {
		/* files but its own, libraries, are mapped by the names that they have here */
		if (v[i].kind != CRCTL_VMA_FILE_PRIVATE)
			continue;
		char name[4097] = "";

		memcpy(name, (uint8_t *)(v + head(im, CRCTL_NT_VMA)->count) + v[i].name_off, v[i].name_len);
		v[i].fd = open(name, O_RDONLY);
		if (v[i].fd < 0)
			err(2, "%s", name);
	}
	memmove(im->data + 128 + sizeof(notes), im->data + notes.p_offset, notes.p_filesz);
	notes.p_offset = 128 + sizeof(notes);
	memcpy(im->data + 128, &notes, sizeof(notes));
	((Elf64_Ehdr *)im->data)->e_phnum = 1;
	((Elf64_Shdr *)(im->data + 64))->sh_info = 1;
	im->size = notes.p_offset + notes.p_filesz;
	add_note(im, CRCTL_NT_EXTENT, e, sizeof(*e), nr, NULL, 0);
	free(e);
}

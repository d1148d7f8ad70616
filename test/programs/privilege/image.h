/* SPDX-License-Identifier: GPL-2.0-only */
/* An image in memory: to find things in it, to change and to save it. */
#ifndef HOSTILE_IMAGE_H
#define HOSTILE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "../../../kmod/crctl_image.h"

/* Where a manifest finds its files. */
enum { FD_PAGES = 100, FD_EXE, FD_PIPE_READ, FD_PIPE_WRITE, FD_SOCKET };

struct image {
	uint8_t *data;
	size_t size;
};

/* Of struct user_regs_struct; pr_reg of NT_PRSTATUS. */
enum { R_IP = 16, R_CS = 17, R_FLAGS = 18, R_SS = 20, R_FS_BASE = 21, R_GS_BASE = 22, R_DS = 23 };

/* The description of a note. */
uint8_t *find_note(const struct image *im, const char *owner, uint32_t type, uint32_t *size);
/* The first record of a note of ours, and what stands before it. */
void *record(const struct image *im, uint32_t type);
struct crctl_note_head *head(const struct image *im, uint32_t type);
uint64_t *reg(const struct image *im, int nr);
uint8_t *xstate(const struct image *im);
/* The first mapping of a kind, CRCTL_VMA_*. */
struct crctl_vma *vma_of(const struct image *im, uint32_t kind);

void add_note(struct image *im, uint32_t type, const void *rec, uint32_t rec_size, uint32_t count, const void *extra,
	      uint32_t extra_size);
/* Make a manifest of a dump whose pages go to a file of their own. */
void to_manifest(struct image *im, const char *pages);
void save(const struct image *im, const char *path, int mode);

#endif

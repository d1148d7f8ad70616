/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CRCTL_MEMORY_H
#define CRCTL_MEMORY_H

#include "restore/restore.h"

struct vdso_image;

/* The vdso of 64-bit programs of this kernel. */
const struct vdso_image *crctl_vdso_image(void);

/* memory.c: the mapping that record @idx tells, or the part of it that @v was cut down to */
int crctl_memory_map(struct crctl_restore *r, u32 idx, const struct crctl_vma *v);

/* pages.c: put the image's pages in place; all mappings are there. */
int crctl_pages_fill(struct crctl_restore *r);

#endif /* CRCTL_MEMORY_H */

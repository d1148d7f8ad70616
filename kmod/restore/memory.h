/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CRCTL_MEMORY_H
#define CRCTL_MEMORY_H

#include "restore/restore.h"

struct vdso_image;

/* The vdso of 64-bit programs of this kernel. */
const struct vdso_image *crctl_vdso_image(void);

/* pages.c: put the image's pages in place; all mappings are there. */
int crctl_pages_fill(struct crctl_restore *r);

#endif /* CRCTL_MEMORY_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The vdso: code, and in front of it the data that the code reads.
 */
#ifndef CRCTL_COMPAT_VDSO_H
#define CRCTL_COMPAT_VDSO_H

#include <asm/vdso.h>
#ifdef CRCTL_HAVE_VDSO_DATASTORE_H
#include <asm/vdso/vsyscall.h>
#endif

/*
 * Bytes from the start of the data to the code. Since the data of all
 * architectures is kept in one place (6.15) it is a constant.
 */
static inline unsigned long crctl_vdso_data_size(const struct vdso_image *image)
{
#ifdef CRCTL_HAVE_VDSO_DATASTORE_H
	return __VDSO_PAGES * PAGE_SIZE;
#else
	return -image->sym_vvar_start;
#endif
}

#endif /* CRCTL_COMPAT_VDSO_H */

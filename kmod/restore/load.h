/* SPDX-License-Identifier: GPL-2.0 */
/* Reading and checking an image before the point of no return. */
#ifndef CRCTL_LOAD_H
#define CRCTL_LOAD_H

#include "restore/restore.h"

int crctl_load_init(void);
/*
 * Read, check and take hold of everything an image names. Returns a restore
 * with one reference, or an ERR_PTR: -ENOEXEC if the file is no image of ours,
 * -EINVAL if it is malformed, -EPERM, -EBADF, -ESTALE (a mapped file is not
 * the one that was mapped), -EOPNOTSUPP, -ENOMEM.
 */
struct crctl_restore *crctl_load(struct linux_binprm *bprm);

#endif /* CRCTL_LOAD_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* Annotations that only checkers read. */
#ifndef CRCTL_COMPAT_SPARSE_H
#define CRCTL_COMPAT_SPARSE_H

#include <linux/compiler.h>

/* 7.x has others in its place, for another checker. */
#ifndef __cond_lock
#define __cond_lock(lock, taken) (taken)
#endif

#endif /* CRCTL_COMPAT_SPARSE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Landlock (5.13): whether a task is in a domain. Its part of the credentials
 * (security/landlock/cred.h) starts with the pointer to the domain; where that
 * part lies is in an object of its own, whose name is the same on all kernels.
 */
#ifndef CRCTL_COMPAT_LANDLOCK_H
#define CRCTL_COMPAT_LANDLOCK_H

#include <linux/cred.h>
#include <linux/lsm_hooks.h>

#include "symbols.h"

static inline bool crctl_in_landlock(const struct cred *cred)
{
	const struct lsm_blob_sizes *sizes = crctl_symbols.landlock_blob_sizes;
	const bool *on = crctl_symbols.landlock_initialized;

	if (!sizes || !on || !*on || !cred->security)
		return false;
	return *(void **)(cred->security + sizes->lbs_cred);
}

#endif /* CRCTL_COMPAT_LANDLOCK_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* Capability sets as 64-bit numbers. */
#ifndef CRCTL_COMPAT_CAPS_H
#define CRCTL_COMPAT_CAPS_H

#include <linux/capability.h>
#include <linux/version.h>

/* f122a08b197d "capability: just use a 'u64' instead of a 'u32[2]' array" (6.3) */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
static inline __u64 crctl_cap_get(const kernel_cap_t *cap)
{
	return cap->val;
}
#else
static inline __u64 crctl_cap_get(const kernel_cap_t *cap)
{
	return cap->cap[0] | (__u64)cap->cap[1] << 32;
}
#endif

#endif /* CRCTL_COMPAT_CAPS_H */

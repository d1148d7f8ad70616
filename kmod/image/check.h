/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the parser share. */
#ifndef CRCTL_CHECK_H
#define CRCTL_CHECK_H

#include "image/parse.h"

#define PAGE_BYTES	4096ull

static inline int bad(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

static inline bool all_zero(const u8 *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/* What each kind of note has to be like, once all are found. */
int crctl_check_mm(const struct crctl_parsed *p, const struct crctl_limits *lim,
		   const char **why);
int crctl_check_vmas(const struct crctl_parsed *p, const struct crctl_limits *lim,
		     const char **why);
int crctl_check_thread(const struct crctl_thread_ref *t,
		       const struct crctl_limits *lim, const char **why);
int crctl_check_rest(const struct crctl_parsed *p, const struct crctl_limits *lim,
		     const char **why);

#endif /* CRCTL_CHECK_H */

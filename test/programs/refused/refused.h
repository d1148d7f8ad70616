/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef REFUSED_H
#define REFUSED_H

struct refused_kind {
	const char *name;
	void (*set_up)(void);
	void (*verify)(void);	/* NULL: that it still runs says all */
};

/* In tasks.c; ends with an entry without a name. */
extern const struct refused_kind refused_tasks[];
/* In newer.c, descriptors.c and sockets.c, likewise. */
extern const struct refused_kind refused_newer[];
extern const struct refused_kind refused_descriptors[];
extern const struct refused_kind refused_sockets[];

/* In descriptors.c: a descriptor of an eBPF program that can be a socket's filter. */
int load_filter(void);

#endif

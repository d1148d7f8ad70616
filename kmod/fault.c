// SPDX-License-Identifier: GPL-2.0
/* Faults on demand (fault.h): the parameter, and counting. */
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "crctl.h"

static const struct {
	const char *name;
	int err;
} points[] = {
#define CRCTL_FAULT_LINE(id, text, error) { text, error },
	CRCTL_FAULT_POINTS(CRCTL_FAULT_LINE)
#undef CRCTL_FAULT_LINE
};

static DEFINE_SPINLOCK(lock);
static unsigned int wanted = CRCTL_NR_FAULTS;	/* none */
static unsigned int left;			/* how often still to get there */

int __crctl_fault(enum crctl_fault_point point)
{
	int err = 0;

	if (READ_ONCE(wanted) != point)
		return 0;
	spin_lock(&lock);
	if (wanted == point && !--left) {
		wanted = CRCTL_NR_FAULTS;
		err = -points[point].err;
	}
	spin_unlock(&lock);
	return err;
}

static int fault_set(const char *val, const struct kernel_param *kp)
{
	unsigned int nth = 1, i = CRCTL_NR_FAULTS;
	char name[32], *p, *colon;
	int err;

	if (strscpy(name, val, sizeof(name)) < 0)
		return -EINVAL;
	p = strim(name);
	colon = strchr(p, ':');
	if (colon) {
		*colon = '\0';
		err = kstrtouint(colon + 1, 10, &nth);
		if (err)
			return err;
	}
	if (*p || colon) {
		for (i = 0; i < CRCTL_NR_FAULTS && strcmp(p, points[i].name); i++)
			;
		if (i == CRCTL_NR_FAULTS || !nth)
			return -EINVAL;
	}
	spin_lock(&lock);
	left = nth;
	wanted = i;
	spin_unlock(&lock);
	return 0;
}

/* What is still to come; empty once it has. */
static int fault_get(char *buffer, const struct kernel_param *kp)
{
	int len;

	spin_lock(&lock);
	if (wanted == CRCTL_NR_FAULTS)
		len = sprintf(buffer, "\n");
	else
		len = sprintf(buffer, "%s:%u\n", points[wanted].name, left);
	spin_unlock(&lock);
	return len;
}

static const struct kernel_param_ops fault_ops = {
	.set = fault_set,
	.get = fault_get,
};
module_param_cb(fault, &fault_ops, NULL, 0600);
MODULE_PARM_DESC(fault, "POINT[:NTH]: the step that shall fail, for tests; empty: none");

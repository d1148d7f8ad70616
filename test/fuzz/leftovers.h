/* What must be on a machine as it was before. */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include <stdbool.h>

struct baseline {
	long users;		/* the module's use count */
	long memory;		/* memory_used() */
};

/* What the kernel has allocated for itself and for tasks, without what it can give back, in kB. */
long memory_used(void);

void take_baseline(struct baseline *before);

/* Waits up to a minute for things to be as they were. Prints how it is. */
bool nothing_left(const struct baseline *before);

#endif /* LEFTOVERS_H */

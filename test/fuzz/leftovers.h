/* What must be on a machine as it was before. */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include <stdbool.h>

/* What the kernel has allocated for itself and for tasks, without what it can give back, in kB. */
long memory_used(void);

/* The module's use count. */
long module_users(void);

/* Wait until @get() is at most @want + @tolerance, for a minute; @got: what it is. */
bool wait_for(long want, long tolerance, long (*get)(void), long *got);

#endif /* LEFTOVERS_H */

#include "leftovers.h"

#include <err.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* kB: what comes and goes by itself. Lost memory adds up: 48 bytes in each of 100,000 runs are more. */
#define TOLERANCE 4096

static long number_in(const char *path, const char *key)
{
	char line[256];
	FILE *f = fopen(path, "r");
	long n = -1;

	if (!f)
		err(2, "%s", path);
	while (n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			n = atol(line + strlen(key));
	fclose(f);
	return n;
}

/*
 * Caches keep what was freed: in part-used slabs, and a kernel with KASAN for a
 * while on purpose, to find uses of it.
 */
static void shrink_caches(void)
{
	glob_t g;
	size_t i;
	int fd;

	if (glob("/sys/kernel/slab/*/shrink", GLOB_NOSORT, NULL, &g))
		return;	/* an allocator without */
	for (i = 0; i < g.gl_pathc; i++) {
		fd = open(g.gl_pathv[i], O_WRONLY);
		if (fd < 0 || write(fd, "1", 1) != 1)
			err(2, "%s", g.gl_pathv[i]);
		close(fd);
	}
	globfree(&g);
}

long memory_used(void)
{
	static const char *const keys[] = { "SUnreclaim:", "KernelStack:", "PageTables:", "VmallocUsed:", "Percpu:", "AnonPages:", "Shmem:" };
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	long sum = 0;
	size_t i;

	if (fd < 0 || write(fd, "3", 1) != 1)
		err(2, "drop_caches");
	close(fd);
	shrink_caches();
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		sum += number_in("/proc/meminfo", keys[i]);
	return sum;
}

/* For @get() to be at most @want + @tolerance; @got: what it is. */
static bool wait_for(long want, long tolerance, long (*get)(void), long *got)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	int i;

	for (i = 0; i < 600; i++) {
		*got = get();
		if (*got <= want + tolerance)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static long module_users(void)
{
	return number_in("/sys/module/crctl/refcnt", "");
}

void take_baseline(struct baseline *before)
{
	before->users = module_users();
	before->memory = memory_used();
}

bool nothing_left(const struct baseline *before)
{
	long now;

	if (!wait_for(before->users, 0, module_users, &now)) {
		printf("the module has %ld users, it had %ld\n", now, before->users);
		return false;
	}
	if (!wait_for(before->memory, TOLERANCE, memory_used, &now)) {
		printf("%ld kB of memory are in use, it were %ld\n", now, before->memory);
		return false;
	}
	printf("the module's use count is %ld as before, memory in use %+ld kB\n", before->users, now - before->memory);
	return true;
}

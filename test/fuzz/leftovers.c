#include "leftovers.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

long memory_used(void)
{
	static const char *const keys[] = { "SUnreclaim:", "KernelStack:", "PageTables:", "VmallocUsed:", "Percpu:", "AnonPages:", "Shmem:" };
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	long sum = 0;
	size_t i;

	if (fd < 0 || write(fd, "3", 1) != 1)
		err(2, "drop_caches");
	close(fd);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		sum += number_in("/proc/meminfo", keys[i]);
	return sum;
}

bool wait_for(long want, long tolerance, long (*get)(void), long *got)
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

long module_users(void)
{
	return number_in("/sys/module/crctl/refcnt", "");
}

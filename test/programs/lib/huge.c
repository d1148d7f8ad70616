// SPDX-License-Identifier: GPL-2.0-only
#include "huge.h"

#include <fcntl.h>
#include <sys/stat.h>

long huge_pages_of(int fd)
{
	struct stat st;

	TRY(fstat(fd, &st));
	return st.st_blocks * 512 / st.st_blksize;
}

long huge_pages_behind(const char *map, size_t size)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)map, (unsigned long)map + size);
	int fd = TRY(open(path, O_RDONLY | O_CLOEXEC));
	long pages = huge_pages_of(fd);
	close(fd);
	return pages;
}

long huge_page_size(const char *map)
{
	const char *line = proc_read(0, "/proc/self/smaps");
	char start[32];

	snprintf(start, sizeof(start), "\n%lx-", (unsigned long)map);
	line = strstr(line, start);
	CHECK(line, "no mapping starts at %p", map);
	return strtol(strstr(line, "KernelPageSize:") + strlen("KernelPageSize:"), NULL, 10);
}

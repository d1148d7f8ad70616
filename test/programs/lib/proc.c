// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <ctype.h>
#include <fcntl.h>

#define PROC_TEXT_MAX (2u << 20)

const char *proc_read(int slot, const char *path)
{
	static char texts[4][PROC_TEXT_MAX];
	char *text = texts[slot];
	size_t used = 0;
	int fd = TRY(open(path, O_RDONLY | O_CLOEXEC));

	for (;;) {
		ssize_t got = TRY(read(fd, text + used, PROC_TEXT_MAX - 1 - used));
		if (got == 0)
			break;
		used += got;
		CHECK(used < PROC_TEXT_MAX - 1, "%s is longer than %u bytes", path, PROC_TEXT_MAX);
	}
	close(fd);
	/* What a longer text before it left there must not show, as callers compare NUL-separated ones too. */
	memset(text + used, 0, PROC_TEXT_MAX - used > 65536 ? 65536 : PROC_TEXT_MAX - used);
	return text;
}

const char *proc_field(const char *path, const char *name)
{
	static char value[4096];
	const char *line = proc_read(3, path);
	size_t size = strlen(name);

	while (line && *line) {
		if (strncmp(line, name, size) == 0 && line[size] == ':') {
			line += size + 1;
			line += strspn(line, " \t");
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\n"), line);
			return value;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	FAIL("%s has no line %s", path, name);
}

static void drop(char *text, const char *word)
{
	char *found = strstr(text, word);

	if (found)
		memmove(found, found + strlen(word), strlen(found + strlen(word)) + 1);
}

const char *proc_vm_flags(const void *addr)
{
	static char flags[256];
	const char *line = proc_read(3, "/proc/self/smaps");
	bool mine = false;

	while (line && *line) {
		if (islower(*line) || isdigit(*line))
			mine = strtoul(line, NULL, 16) == (unsigned long)addr;
		if (mine && strncmp(line, "VmFlags: ", 9) == 0) {
			snprintf(flags, sizeof(flags), " %.*s", (int)strcspn(line + 9, "\n"), line + 9);
			drop(flags, " sd");
			drop(flags, " ac");
			return flags;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return "";
}

size_t proc_pages_there(const void *p, size_t size)
{
	static uint64_t entries[4096];
	int fd = TRY(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	size_t there = 0, pages = size / PAGE;
	off_t first = (uintptr_t)p / PAGE;

	for (size_t done = 0; done < pages;) {
		size_t batch = pages - done < COUNT(entries) ? pages - done : COUNT(entries);
		ssize_t got = TRY(pread(fd, entries, batch * 8, (first + done) * 8));
		CHECK(got > 0, "pagemap ends at page %zu of %zu", done, pages);
		for (size_t i = 0; i < (size_t)got / 8; i++)
			there += entries[i] >> 62 != 0;	/* bit 63 present, bit 62 swapped */
		done += got / 8;
	}
	close(fd);
	return there;
}

char proc_state(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	const char *end = strrchr(proc_read(3, path), ')');
	CHECK(end && end[1] == ' ', "%s cannot be read", path);
	return end[2];
}

void proc_wait_state(pid_t pid, char state)
{
	WAIT_FOR(proc_state(pid) == state);
}

static bool in_syscall(pid_t tid, long nr)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	const char *text = proc_read(3, path);
	/* "running" while on a CPU, else the number first */
	return isdigit(text[0]) && strtol(text, NULL, 10) == nr && proc_state(tid) == 'S';
}

void proc_wait_syscall(pid_t tid, long nr)
{
	WAIT_FOR(in_syscall(tid, nr));
}

// SPDX-License-Identifier: GPL-2.0-only
/* What /proc says of the process, to the byte: maps, exe, cmdline, environ, comm, auxv; with texts that were changed. */
#include "test.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static const char *const files[] = { "maps", "cmdline", "environ", "comm", "auxv" };

/* Counts the terminating NULs in, so that NUL-separated texts compare as a whole. */
static size_t take(const char *file, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/%s", file);
	/* Longer than any of them; what is behind the text is zero. */
	memcpy(text, proc_read(0, path), size);
	return size;
}

int main(int argc, char **argv)
{
	enum { SIZE = 65536 };
	static char before[COUNT(files)][SIZE], now[SIZE];
	static char exe_before[4096], exe[4096];

	test_init(argc, argv);
	/* As setproctitle() does it, within the room that there is. */
	memset(argv[0], 'A', strlen(argv[0]));
	TRY(prctl(PR_SET_NAME, "identity test ("));
	do {
		TRY(readlink("/proc/self/exe", exe_before, sizeof(exe_before)));
		for (size_t i = 0; i < COUNT(files); i++)
			take(files[i], before[i], SIZE);
		test_ready();
		test_wait();

		TRY(readlink("/proc/self/exe", exe, sizeof(exe)));
		CHECK(strcmp(exe, exe_before) == 0, "exe is %s, was %s", exe, exe_before);
		struct stat st;
		TRY(stat("/proc/self/exe", &st));
		for (size_t i = 0; i < COUNT(files); i++) {
			take(files[i], now, SIZE);
			size_t at = 0;
			while (at < SIZE && now[at] == before[i][at])
				at++;
			if (at == SIZE)
				continue;
			while (at > 0 && now[at - 1] != '\n' && now[at - 1] != 0)
				at--;
			FAIL("%s differs: '%.*s', was '%.*s'", files[i], (int)strcspn(now + at, "\n"), now + at,
			     (int)strcspn(before[i] + at, "\n"), before[i] + at);
		}
	} while (test_pass());
	return 0;
}

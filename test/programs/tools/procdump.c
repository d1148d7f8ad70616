// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads /proc/PID/dump in ways that a shell cannot. Arguments:
 *	PID splice			splice it to standard output
 *	PID pread SEED			read pieces at places in any order, print the whole
 *	PID hold			open it, print "open", wait for the end of the input, read: prints "ok" or the error's name
 *	PID take			the same, asking it for a descriptor of the process instead of reading
 *	PID path			the same with O_PATH, without either
 *	PID chdir			stand in mfd/, print "open", wait for the end of the input
 */
#include "test.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "../../../kmod/crctl_ioctl.h"

static char path[64];

static void by_splice(int fd)
{
	int pipe_fds[2];
	ssize_t size;

	TRY(pipe(pipe_fds));
	while ((size = TRY(splice(fd, NULL, pipe_fds[1], NULL, 65536, 0))) > 0)
		while (size > 0)
			size -= TRY(splice(pipe_fds[0], NULL, STDOUT_FILENO, NULL, size, 0));
}

/* Files of /proc have no size of their own: the first place where nothing can be read. */
static size_t size_of(int fd)
{
	size_t there = 0, end = 1;
	char byte;

	while (TRY(pread(fd, &byte, 1, end)) == 1)
		end *= 2;
	while (end - there > 1) {
		size_t middle = (there + end) / 2;

		if (TRY(pread(fd, &byte, 1, middle)) == 1)
			there = middle;
		else
			end = middle;
	}
	return end;
}

static void by_pread(int fd, unsigned int seed)
{
	size_t size = size_of(fd);

	/* Pieces of uneven size, the order by a step that is prime to their number. */
	size_t piece = 1000 + seed % 10007, pieces = (size + piece - 1) / piece, at = seed % pieces, step = 1000003;
	char *whole = calloc(1, size);
	CHECK(whole, "out of memory");
	for (size_t i = 0; i < pieces; i++) {
		size_t from = at * piece, left = size - from < piece ? size - from : piece;
		while (left > 0) {
			ssize_t got = TRY(pread(fd, whole + from, left, from));
			CHECK(got > 0, "nothing at %zu of %zu", from, size);
			from += got;
			left -= got;
		}
		at = (at + step) % pieces;
	}
	CHECK(step % pieces != 0 || pieces == 1, "the step meets not every piece");
	for (size_t done = 0; done < size;)
		done += TRY(write(STDOUT_FILENO, whole + done, size - done));
}

static void wait_for_end_of_input(void)
{
	char byte;

	SAME(write(STDOUT_FILENO, "open\n", 5), 5);
	while (TRY(read(STDIN_FILENO, &byte, 1)) > 0)
		;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: procdump PID splice|pread|hold|take|path|chdir [SEED]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%s/dump", argv[1]);
	if (strcmp(argv[2], "chdir") == 0) {
		snprintf(path, sizeof(path), "/proc/%s/mfd", argv[1]);
		TRY(chdir(path));
		wait_for_end_of_input();
		return 0;
	}
	int fd = open(path, strcmp(argv[2], "path") == 0 ? O_PATH : O_RDONLY);
	if (fd < 0) {
		printf("%s\n", strerrorname_np(errno));
		return 1;
	}
	if (strcmp(argv[2], "splice") == 0) {
		by_splice(fd);
	} else if (strcmp(argv[2], "pread") == 0) {
		by_pread(fd, argc > 3 ? atoi(argv[3]) : 1);
	} else {
		char byte;

		wait_for_end_of_input();
		if (strcmp(argv[2], "hold") == 0)
			printf("%s\n", read(fd, &byte, 1) == 1 ? "ok" : strerrorname_np(errno));
		if (strcmp(argv[2], "take") == 0)
			printf("%s\n", ioctl(fd, CRCTL_DUMP_GET_FILE, 0) >= 0 ? "ok" : strerrorname_np(errno));
	}
	return 0;
}

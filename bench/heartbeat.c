// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notes the time every millisecond, so that it can be told from the outside when it stood still, and for how long.
 *
 *	heartbeat FILE MEGABYTES CHILDREN
 *
 * FILE is mapped shared and holds a ring of readings of CLOCK_REALTIME: CRIU restores into a time namespace, in which
 * CLOCK_MONOTONIC goes on from where it was. MEGABYTES of memory are filled, CHILDREN are there and do nothing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BEATS = 1 << 16 };

struct ring {
	volatile uint64_t count;
	volatile int64_t at[BEATS];	/* ns; the n-th beat is in place n % BEATS */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	static const struct timespec millisecond = { .tv_nsec = 1000000 };

	if (argc != 4) {
		fprintf(stderr, "usage: heartbeat FILE MEGABYTES CHILDREN\n");
		return 2;
	}
	int fd = open(argv[1], O_RDWR | O_CREAT, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(struct ring)) < 0)
		die(argv[1]);
	struct ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		die(argv[1]);
	close(fd);

	size_t size = strtoul(argv[2], NULL, 10) << 20;
	uint64_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("memory");
	/* No page is like another, and none is zero. */
	for (size_t i = 0; i < size / sizeof(*memory); i++)
		memory[i] = i * 0x9e3779b97f4a7c15 + 1;

	for (int i = atoi(argv[3]); i > 0; i--) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			for (;;)
				pause();
	}
	for (;;) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		ring->at[ring->count % BEATS] = now.tv_sec * 1000000000ll + now.tv_nsec;
		ring->count++;
		nanosleep(&millisecond, NULL);
	}
}

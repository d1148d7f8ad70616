// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notes the time every millisecond, so that it can be told from the outside when it stood still, and for how long.
 *
 *	heartbeat FILE [NAME=NUMBER...] [COMMAND [ARGUMENT...]]
 *
 * FILE is mapped shared and holds a ring of readings of CLOCK_REALTIME: CRIU restores into a time namespace, in which
 * CLOCK_MONOTONIC goes on from where it was. What else is there when the first of them is made:
 *
 *	memory=MIB	filled memory, before anything is forked
 *	children=N	processes that do nothing
 *	threads=N	more threads, that do nothing
 *	pipes=N		pipes and
 *	sockets=N	connected unix sockets, of each of the children or, without children, of the first process; with unread
 *			data in all of them
 *
 * and COMMAND, as a child.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BEATS = 1 << 16, STACK = 64 << 10 };

struct ring {
	volatile uint64_t count;
	volatile int64_t at[BEATS];	/* ns; the n-th beat is in place n % BEATS */
};

static unsigned long memory, children, threads, pipes, sockets;

static const struct { const char *name; unsigned long *value; } options[] = {
	{ "memory=", &memory }, { "children=", &children }, { "threads=", &threads },
	{ "pipes=", &pipes }, { "sockets=", &sockets },
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int set_option(const char *word)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		size_t length = strlen(options[i].name);

		if (strncmp(word, options[i].name, length) == 0) {
			*options[i].value = strtoul(word + length, NULL, 10);
			return 1;
		}
	}
	return 0;
}

static struct ring *open_ring(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0644);

	if (fd < 0 || ftruncate(fd, sizeof(struct ring)) < 0)
		die(path);
	struct ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (ring == MAP_FAILED)
		die(path);
	close(fd);
	return ring;
}

/* No page is like another, and none is zero. */
static void fill_memory(size_t size)
{
	if (size == 0)
		return;
	uint64_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("memory");
	for (size_t i = 0; i < size / sizeof(*at); i++)
		at[i] = i * 0x9e3779b97f4a7c15 + 1;
}

static void open_descriptors(void)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	int pair[2];

	if (pipes + sockets > 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit");
	for (unsigned long i = 0; i < pipes; i++)
		if (pipe(pair) < 0 || write(pair[1], &i, sizeof(i)) != sizeof(i))
			die("pipe");
	for (unsigned long i = 0; i < sockets; i += 2)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || write(pair[0], &i, sizeof(i)) != sizeof(i) ||
		    write(pair[1], &i, sizeof(i)) != sizeof(i))
			die("socketpair");
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void start_threads(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr) != 0 || pthread_attr_setstacksize(&attr, STACK) != 0)
		die("pthread_attr");
	for (unsigned long i = 0; i < threads; i++)
		if (pthread_create(&thread, &attr, wait_for_ever, NULL) != 0)
			die("pthread_create");
}

/* Each says when it is ready, by closing the pipe that it has from here. */
static void start_children(char **command)
{
	int ready[2];
	char none;

	if (pipe(ready) < 0)
		die("pipe");
	for (unsigned long i = 0; i < children; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid > 0)
			continue;
		close(ready[0]);
		open_descriptors();
		close(ready[1]);
		wait_for_ever(NULL);
	}
	close(ready[1]);
	if (read(ready[0], &none, 1) != 0)
		die("children");
	close(ready[0]);
	if (children == 0)
		open_descriptors();
	if (!*command)
		return;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		execvp(*command, command);
		die(*command);
	}
}

int main(int argc, char **argv)
{
	static const struct timespec millisecond = { .tv_nsec = 1000000 };
	char **word = argv + 2;

	if (argc < 2) {
		fprintf(stderr, "usage: heartbeat FILE [NAME=NUMBER...] [COMMAND [ARGUMENT...]]\n");
		return 2;
	}
	while (*word && set_option(*word))
		word++;
	struct ring *ring = open_ring(argv[1]);

	fill_memory(memory << 20);
	start_children(word);
	start_threads();
	for (;;) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		ring->at[ring->count % BEATS] = now.tv_sec * 1000000000ll + now.tv_nsec;
		ring->count++;
		nanosleep(&millisecond, NULL);
	}
}

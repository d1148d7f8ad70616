/* Images to start from: real processes of many kinds, dumped by the module. */
#ifndef SEEDS_H
#define SEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors that a manifest made here names; see manifest_descriptors(). */
enum {
	FD_DUMP = 40,		/* the image whose pages are wanted */
	FD_EXE = 41,		/* this program */
	FD_SHARED = 42,		/* a file for shared mappings */
	FD_GATE = 43,		/* a pipe with one byte in it */
	FD_REPORT = 44,		/* a pipe that nobody reads much of */
	FD_SOCKET = 45,		/* an end of a pair of unix sockets */
	FD_SEGMENT = 46,	/* the file of System V shared memory */
	FD_HUGE = 47,		/* a file of huge pages, if the kernel has any */
	FD_QUEUE = 48,		/* a POSIX message queue */
};

struct seed {
	char name[32];
	uint8_t *data;
	size_t size;
	int dump_fd;		/* of a manifest: the image whose pages it wants; else -1 */
	bool shares;		/* and these pages are another process' */
};

/* The name of a kind of process, NULL behind the last. */
const char *seed_kind(size_t kind);

/* Start a process of that kind. It has stopped when this returns. */
pid_t start_seed(size_t kind);

/* A set of semaphores, of which processes have something to be undone as long as it is there. */
void make_set(void);
void remove_set(void);

/*
 * Make the seeds, at most @room; returns how many. Ends the program with a
 * sentence when the module is not there or one cannot be made.
 */
size_t make_seeds(struct seed *seeds, size_t room);

/* Make an executable file of an image, in place of what has that name. */
void write_image(const char *path, const uint8_t *data, size_t size);

/* In a child that is about to execve() a mutation of @seed: open what it names. */
void manifest_descriptors(const struct seed *seed);

#endif /* SEEDS_H */

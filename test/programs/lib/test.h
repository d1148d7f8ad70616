/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test program is made of: set a state up, say "ready", wait to be
 * told, verify that the state is still the same.
 *
 *	int main(int argc, char **argv)
 *	{
 *		test_init(argc, argv);
 *		do {
 *			... set up ...
 *			test_ready();
 *			test_wait();
 *			... CHECK(...) ...
 *		} while (test_pass());
 *		return 0;
 *	}
 *
 * A driver starts it as `PROGRAM --status FILE [ARG...]` and follows FILE, to
 * which one line is appended at each step: "ready N", "PASS N", "FAIL N why"
 * (N counts rounds from 1). SIGUSR1 means verify, then set up again; SIGUSR2
 * means verify and end, with status 0. A program that fails says so and ends
 * with status 1. In between it may be dumped and restored any number of times.
 *
 * The status file is opened anew for each line, so that what a program holds
 * open is what its test is about and nothing else.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Returns the index of the program's own first argument. */
int test_init(int argc, char **argv);
void test_ready(void);
/* Until SIGUSR1 or SIGUSR2; both are blocked in all of the program. */
void test_wait(void);
/* For a program that waits in a way of its own: a signal handler's or reader's report of what it was sent. */
void test_woken(int signo);
/* True if another round is wanted. */
bool test_pass(void);

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define FAIL(...) test_fail(__FILE_NAME__, __LINE__, __VA_ARGS__)

/* The condition must hold; the message says what was found. */
#define CHECK(condition, ...) \
	do { \
		if (!(condition)) \
			FAIL(__VA_ARGS__); \
	} while (0)

/* A call that must not fail (a value other than -1, MAP_FAILED included). */
#define TRY(call) \
	({ \
		__typeof__(call) try_value_ = (call); \
		if ((long)try_value_ == -1) \
			FAIL("%s: %s", #call, strerror(errno)); \
		try_value_; \
	})

/* A pthread function, which returns its error. */
#define TRY0(call) \
	do { \
		int try_error_ = (call); \
		if (try_error_) \
			FAIL("%s: %s", #call, strerror(try_error_)); \
	} while (0)

/* Both must be the same number. */
#define SAME(found, expected) \
	do { \
		long long found_ = (long long)(found), expected_ = (long long)(expected); \
		if (found_ != expected_) \
			FAIL("%s is %lld (%#llx), not %lld (%#llx)", #found, found_, found_, expected_, expected_); \
	} while (0)

/* The status file's path, for names derived from it. */
const char *test_status_path(void);
/* A path beside the status file, for a program's own files; from a pool of static buffers. */
const char *test_path(const char *suffix);
/* Keep the status file open: for a program that will not be able to open it any more. */
void test_keep_status_open(void);

/*
 * Children. fn sets its state up, calls test_child_ready(), waits (test_wait()
 * as a rule), verifies and returns: the child ends with status 0. test_fork()
 * returns once the child is ready.
 */
pid_t test_fork(void (*fn)(void *), void *arg);
void test_child_ready(void);
/* Have a child verify, and reap it; it must end well. */
void test_finish(pid_t pid);
/* Reap a child that ends by itself, and well. */
void test_reap(pid_t pid);

/* Until condition holds; fails after a minute. The pause is between looks, nothing depends on its length. */
#define WAIT_FOR(condition) \
	do { \
		int wait_left_ = 60000; \
		while (!(condition)) { \
			if (wait_left_-- == 0) \
				FAIL("waited a minute for %s", #condition); \
			usleep(1000); \
		} \
	} while (0)

/*
 * How long the program was away since it last said "ready", in ns: the driver knows two bounds, from the outside of
 * its commands (0 and 0 if it was not away).
 */
struct downtime { int64_t at_least, at_most; };
struct downtime test_downtime(void);

/*
 * For a tool that has something until it is let go: prints a line, and waits for the end of the input. With
 * FIRST_THREAD=exits in the environment a second thread does that, once the first one has exited.
 */
void test_hold(void);

/* Memory with content that tells its place: any shift, loss or mix-up shows. */
void pattern_fill(void *p, size_t size, uint64_t seed);
void pattern_check(const void *p, size_t size, uint64_t seed, const char *what);

/* ---- /proc, as the program itself sees it ---- */

/* The whole of a file of /proc, in a static buffer of its own for each slot 0..3 (so that the heap stays as it is). */
const char *proc_read(int slot, const char *path);
/* The value of a "Name:\tvalue" line of /proc/self/status or another such file. */
const char *proc_field(const char *path, const char *name);
/*
 * The VmFlags line of the mapping that starts at addr, "" if there is none such; without those that come and go by
 * themselves (soft-dirty; accounted, which also tells that a mapping was writable once).
 */
const char *proc_vm_flags(const void *addr);
/* How many of the pages are there (present or swapped). */
size_t proc_pages_there(const void *p, size_t size);
/* The state letter of /proc/<pid>/stat, and wait until a task has it. */
char proc_state(pid_t pid);
void proc_wait_state(pid_t pid, char state);
/* Wait until a thread of this process, or another task, sleeps in system call nr. */
void proc_wait_syscall(pid_t tid, long nr);

#define PAGE 4096ul
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif

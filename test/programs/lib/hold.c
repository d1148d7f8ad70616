// SPDX-License-Identifier: GPL-2.0-only
#include "test.h"

#include <pthread.h>
#include <sys/syscall.h>

static void hold(void)
{
	char byte;

	puts("done");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static void *hold_alone(void *arg)
{
	proc_wait_state(getpid(), 'Z');
	hold();
	exit(0);
	return arg;
}

void test_hold(void)
{
	const char *first = getenv("FIRST_THREAD");
	pthread_t thread;

	if (!first || strcmp(first, "exits") != 0) {
		hold();
		return;
	}
	TRY0(pthread_create(&thread, NULL, hold_alone, NULL));
	syscall(SYS_exit, 0);
}

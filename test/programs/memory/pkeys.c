// SPDX-License-Identifier: GPL-2.0-only
/*
 * pkeys(7): keys and the gaps between them, what a thread may do with each, memory of a key that has been given back, memory that may be
 * executed only, with a key of the kernel's and without one, and other memory that has the very same key.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "test.h"

static sigjmp_buf again;
static volatile int code, fault_key;

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	code = info->si_code;
	fault_key = (int)info->si_pkey;
	siglongjmp(again, 1);
}

/* Returns the key that forbids it, 0 if nothing does. */
static int touch(volatile char *p, int write)
{
	code = fault_key = 0;
	if (sigsetjmp(again, 1) == 0) {
		if (write)
			*p = *p;
		else
			(void)*p;
		return 0;
	}
	SAME(code, SEGV_PKUERR);
	return fault_key;
}

static char *area(int key)
{
	char *p = TRY(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	pattern_fill(p, 2 * PAGE, (uint64_t)key);
	TRY(pkey_mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE, key));
	return p;
}

static int thread_key;
static char *thread_area;

/* A thread has rights of its own. */
static void *other(void *arg)
{
	pthread_barrier_t *barrier = arg;

	TRY(pkey_set(thread_key, PKEY_DISABLE_WRITE));
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	SAME(pkey_get(thread_key), PKEY_DISABLE_WRITE);
	SAME(touch(thread_area, 0), 0);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	/* mov $42, %eax; ret */
	static const unsigned char program[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

	test_init(argc, argv);
	TRY(sigaction(SIGSEGV, &action, NULL));
	do {
		int first = TRY(pkey_alloc(0, 0)), gap = TRY(pkey_alloc(0, 0)), last = TRY(pkey_alloc(0, 0)), left = TRY(pkey_alloc(0, 0));
		char *open = area(first), *closed = area(last), *orphan = area(left), *shadow = area(gap), *only, *keyless;
		int (*run)(void);
		pthread_barrier_t barrier;
		pthread_t thread;

		TRY(pkey_free(gap));
		TRY(pkey_free(left));
		only = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		memcpy(only, program, sizeof(program));
		TRY(mprotect(only, PAGE, PROT_EXEC));
		run = (int (*)(void))only;
		keyless = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		memcpy(keyless, program, sizeof(program));
		TRY(pkey_mprotect(keyless, PAGE, PROT_EXEC, 0));

		thread_key = first;
		thread_area = open;
		TRY0(pthread_barrier_init(&barrier, NULL, 2));
		TRY0(pthread_create(&thread, NULL, other, &barrier));
		pthread_barrier_wait(&barrier);
		TRY(pkey_set(last, PKEY_DISABLE_ACCESS));

		test_ready();
		test_wait();

		pthread_barrier_wait(&barrier);
		TRY0(pthread_join(thread, NULL));
		SAME(pkey_get(first), 0);
		SAME(pkey_get(last), PKEY_DISABLE_ACCESS);
		SAME(touch(open, 1), 0);
		pattern_check(open, 2 * PAGE, (uint64_t)first, "memory that may be written");
		/* from here on, a handler that is left by a jump leaves its rights behind */
		int shaded = touch(shadow, 0);
		SAME(touch(closed, 0), last);
		TRY(pkey_set(last, PKEY_DISABLE_WRITE));
		SAME(touch(closed, 0), 0);
		SAME(touch(closed, 1), last);
		pattern_check(closed, 2 * PAGE, (uint64_t)last, "memory that was closed");
		pattern_check(orphan, 2 * PAGE, (uint64_t)left, "memory of a key that was given back");
		TRY(pkey_set(left, PKEY_DISABLE_WRITE));
		SAME(touch(orphan, 1), left);
		TRY(pkey_set(left, 0));
		SAME(run(), 42);
		int hidden = touch(only, 0);
		CHECK(hidden > 0, "it may be read");
		/* what is executable only took the lowest key that was free, if it had none yet */
		SAME(shaded, hidden == gap ? gap : 0);
		TRY(pkey_set(gap, 0));
		pattern_check(shadow, 2 * PAGE, (uint64_t)gap, "memory of a key that was given back and taken");
		if (hidden == gap)
			TRY(pkey_set(gap, PKEY_DISABLE_ACCESS));
		SAME(((int (*)(void))keyless)(), 42);
		SAME(touch(keyless, 0), 0);
		/* what is free is as before: the kernel took a gap of the first round for what may be executed only */
		int next = TRY(pkey_alloc(0, 0));
		CHECK(next == gap || next == left, "key %d was free, and not %d or %d", next, gap, left);
		TRY(pkey_free(next));
		TRY(munmap(open, 2 * PAGE));
		TRY(munmap(closed, 2 * PAGE));
		TRY(munmap(orphan, 2 * PAGE));
		TRY(munmap(only, PAGE));
		TRY(munmap(keyless, PAGE));
		TRY(munmap(shadow, 2 * PAGE));
		TRY(pkey_free(first));
		TRY(pkey_free(last));
	} while (test_pass());
	return 0;
}

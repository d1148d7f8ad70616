// SPDX-License-Identifier: GPL-2.0-only
/* Thread-local storage of the main thread: initialised, zeroed, by key, errno. */
#include "test.h"

#include <pthread.h>

static __thread uint64_t initialised = 0x1122334455667788;
static __thread uint64_t zeroed[512];

int main(int argc, char **argv)
{
	pthread_key_t key;
	uint64_t seed = 0;

	test_init(argc, argv);
	TRY0(pthread_key_create(&key, NULL));
	do {
		initialised += 3;
		uint64_t expected = initialised;
		pattern_fill(zeroed, sizeof(zeroed), ++seed);
		TRY0(pthread_setspecific(key, &expected));
		errno = ENOTUNIQ;
		int *errno_at = &errno;
		test_ready();
		test_wait();

		SAME(initialised, expected);
		pattern_check(zeroed, sizeof(zeroed), seed, "thread-local array");
		CHECK(pthread_getspecific(key) == &expected, "the key's value is %p", pthread_getspecific(key));
		CHECK(&errno == errno_at, "errno has moved");
		CHECK(pthread_self() == *(pthread_t *)pthread_self(), "the thread pointer leads astray");
	} while (test_pass());
	return 0;
}

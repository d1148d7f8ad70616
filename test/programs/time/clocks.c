// SPDX-License-Identifier: GPL-2.0-only
/*
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME go on from where they were, as the vdso and the system call tell them, and waits until
 * a time on them end at that time.
 *
 * Arguments: SECONDS that our clocks are ahead of the machine's, in a time namespace; "on": they go on while we are away,
 * "still": they stand still; SECONDS that threads wait (0: there are none); a user to become, or 0.
 */
#include "test.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x00000080
#endif

static const int64_t second = 1000000000;
/* Between two readings of a clock that are taken for one moment. */
static const int64_t moment = second / 5;
static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };
#define CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

static int64_t ns(struct timespec t)
{
	return t.tv_sec * second + t.tv_nsec;
}

static int64_t now(clockid_t clock)
{
	struct timespec t;

	TRY(clock_gettime(clock, &t));
	return ns(t);
}

static int64_t ask_kernel(clockid_t clock)
{
	struct timespec t;

	TRY(syscall(SYS_clock_gettime, clock, &t));
	return ns(t);
}

/* What both show at one moment. */
struct reading { int64_t clock, realtime; };

static struct reading read_clock(clockid_t clock)
{
	for (;;) {
		const int64_t before = ask_kernel(clock);
		const struct reading found = { now(clock), now(CLOCK_REALTIME) };
		const int64_t after = ask_kernel(clock);

		CHECK(before <= found.clock && found.clock <= after,
		      "clock %d: the vdso says %lld, between %lld and %lld of the kernel", clock, (long long)found.clock,
		      (long long)before, (long long)after);
		if (after - before < moment)
			return found;
	}
}

static void be_ahead(int64_t seconds)
{
	char text[128];
	int fd;

	TRY(unshare(CLONE_NEWTIME));
	fd = TRY(open("/proc/self/timens_offsets", O_WRONLY));
	snprintf(text, sizeof(text), "monotonic %lld 0\nboottime %lld 0\n", (long long)seconds, (long long)seconds);
	SAME(write(fd, text, strlen(text)), strlen(text));
	TRY(close(fd));
	fd = TRY(open("/proc/self/ns/time_for_children", O_RDONLY));
	TRY(setns(fd, CLONE_NEWTIME));
	TRY(close(fd));
}

static int64_t until;

static struct timespec deadline(void)
{
	return (struct timespec){ .tv_sec = until / second, .tv_nsec = until % second };
}

static void not_early(clockid_t clock)
{
	const int64_t end = now(clock);

	CHECK(end >= until, "clock %d: a wait until %lld ended at %lld", clock, (long long)until, (long long)end);
}

static void *sleep_until(void *clock)
{
	const struct timespec t = deadline();

	TRY0(clock_nanosleep(*(const clockid_t *)clock, TIMER_ABSTIME, &t, NULL));
	not_early(*(const clockid_t *)clock);
	return NULL;
}

static void *wait_until(void *unused)
{
	const struct timespec t = deadline();
	uint32_t word = 5;

	SAME(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 5, &t, NULL, ~0u), -1);
	SAME(errno, ETIMEDOUT);
	not_early(CLOCK_MONOTONIC);
	return unused;
}

static void *wait_for_condition(void *unused)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t attr;
	pthread_cond_t cond;
	const struct timespec t = deadline();
	int error;

	TRY0(pthread_condattr_init(&attr));
	TRY0(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	TRY0(pthread_cond_init(&cond, &attr));
	TRY0(pthread_mutex_lock(&mutex));
	do
		error = pthread_cond_timedwait(&cond, &mutex, &t);
	while (error == 0);
	SAME(error, ETIMEDOUT);
	not_early(CLOCK_MONOTONIC);
	return unused;
}

static void become(uid_t user)
{
	TRY(setgroups(0, NULL));
	TRY(setresgid(user, user, user));
	TRY(setresuid(user, user, user));
	/* as it is after execve(2): ours to dump */
	TRY(prctl(PR_SET_DUMPABLE, 1));
}

static void compare(const struct reading *first, bool still)
{
	const struct downtime away = test_downtime();

	for (size_t i = 0; i < CLOCKS; i++) {
		const struct reading last = read_clock(clocks[i]);
		const int64_t lost = (last.realtime - first[i].realtime) - (last.clock - first[i].clock);

		CHECK(last.clock >= first[i].clock, "clock %d ran backwards, from %lld to %lld", clocks[i],
		      (long long)first[i].clock, (long long)last.clock);
		CHECK(lost > (still ? away.at_least : 0) - moment && lost < (still ? away.at_most : 0) + moment,
		      "clock %d: of %lld to %lld ns away it lost %lld", clocks[i], (long long)away.at_least,
		      (long long)away.at_most, (long long)lost);
	}
}

int main(int argc, char **argv)
{
	const int at = test_init(argc, argv);

	CHECK(argc - at == 4, "usage: clocks AHEAD on|still WAIT USER");
	const bool still = strcmp(argv[at + 1], "still") == 0;
	const int64_t wait = atoll(argv[at + 2]) * second;
	const uid_t user = (uid_t)atoi(argv[at + 3]);
	pthread_t threads[2 + CLOCKS];
	size_t waiting = 0;

	be_ahead(atoll(argv[at]));
	if (user != 0)
		become(user);
	/* one after the other: both show about the same */
	until = now(CLOCK_MONOTONIC) + wait;
	if (wait != 0) {
		TRY0(pthread_create(&threads[waiting++], NULL, wait_until, NULL));
		TRY0(pthread_create(&threads[waiting++], NULL, wait_for_condition, NULL));
		for (size_t i = 0; i < CLOCKS; i++)
			TRY0(pthread_create(&threads[waiting++], NULL, sleep_until, (void *)&clocks[i]));
	}
	do {
		struct reading first[CLOCKS];

		for (size_t i = 0; i < CLOCKS; i++)
			first[i] = read_clock(clocks[i]);
		test_ready();
		test_wait();
		compare(first, still);
		for (; waiting > 0; waiting--)
			TRY0(pthread_join(threads[waiting - 1], NULL));
	} while (test_pass());
	return 0;
}

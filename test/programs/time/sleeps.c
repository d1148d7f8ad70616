// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls with a timeout: a relative one goes on for the time that was left, the
 * time away not counted; an absolute one ends at its time. Nobody sees EINTR.
 * Argument: SECONDS to sleep. A quarter of it has passed at "ready", so that a
 * sleep which begins anew after a restore ends too late to pass.
 */
#include "test.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

static const int64_t second = 1000000000;
static int64_t length;

static int64_t now(clockid_t clock)
{
	struct timespec t;

	TRY(clock_gettime(clock, &t));
	return t.tv_sec * second + t.tv_nsec;
}

static struct timespec as_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / second, .tv_nsec = ns % second };
}

static void by_nanosleep(void)
{
	struct timespec t = as_timespec(length), left = { 0, 0 };

	SAME(syscall(SYS_nanosleep, &t, &left), 0);
}

static void by_clock_nanosleep(void)
{
	struct timespec t = as_timespec(length);

	SAME(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL), 0);
}

static void by_boottime_nanosleep(void)
{
	struct timespec t = as_timespec(length), left;

	SAME(clock_nanosleep(CLOCK_BOOTTIME, 0, &t, &left), 0);
}

static void by_poll(void) { SAME(poll(NULL, 0, length / 1000000), 0); }

static void by_ppoll(void)
{
	struct timespec t = as_timespec(length);

	SAME(ppoll(NULL, 0, &t, NULL), 0);
}

static void by_select(void)
{
	struct timeval t = { .tv_sec = length / second };

	SAME(select(0, NULL, NULL, NULL, &t), 0);
}

static void by_futex(void)
{
	struct timespec t = as_timespec(length);
	uint32_t word = 5;

	SAME(syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, &t, NULL, 0), -1);
	SAME(errno, ETIMEDOUT);
}

static void by_shared_futex(void)
{
	struct timespec t = as_timespec(length);
	uint32_t word = 5;

	SAME(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &t, NULL, 0), -1);
	SAME(errno, ETIMEDOUT);
}

static void until_monotonic(void)
{
	struct timespec t = as_timespec(now(CLOCK_MONOTONIC) + length);

	SAME(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
}

static void until_realtime(void)
{
	struct timespec t = as_timespec(now(CLOCK_REALTIME) + length);

	SAME(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL), 0);
}

static void until_futex(void)
{
	struct timespec t = as_timespec(now(CLOCK_MONOTONIC) + length);
	uint32_t word = 5;

	SAME(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 5, &t, NULL, ~0u), -1);
	SAME(errno, ETIMEDOUT);
}

static const struct way {
	const char *name;
	void (*sleep)(void);
	long syscall;
	bool absolute;
} ways[] = {
	{ "nanosleep", by_nanosleep, SYS_nanosleep, false },
	{ "clock_nanosleep", by_clock_nanosleep, SYS_clock_nanosleep, false },
	{ "clock_nanosleep of CLOCK_BOOTTIME", by_boottime_nanosleep, SYS_clock_nanosleep, false },
	{ "poll", by_poll, SYS_poll, false },
	{ "ppoll", by_ppoll, SYS_ppoll, false },
	{ "select", by_select, SYS_pselect6, false },
	{ "futex", by_futex, SYS_futex, false },
	{ "shared futex", by_shared_futex, SYS_futex, false },
	{ "clock_nanosleep until a monotonic time", until_monotonic, SYS_clock_nanosleep, true },
	{ "clock_nanosleep until a real time", until_realtime, SYS_clock_nanosleep, true },
	{ "futex until a time", until_futex, SYS_futex, true },
};

static void sleeper(void *arg)
{
	const struct way *way = arg;
	int64_t begin = now(CLOCK_MONOTONIC);

	test_child_ready();
	way->sleep();
	int64_t slept = now(CLOCK_MONOTONIC) - begin;

	struct downtime down = test_downtime();
	int64_t least = length + (way->absolute ? 0 : down.at_least);
	int64_t most = length + down.at_most + length / 4;
	CHECK(slept >= least, "%s took %.3f s, %.3f s at least expected", way->name, slept / 1e9, least / 1e9);
	CHECK(slept <= most, "%s took %.3f s, %.3f s at most expected", way->name, slept / 1e9, most / 1e9);
}

int main(int argc, char **argv)
{
	pid_t pid[COUNT(ways)];
	int own = test_init(argc, argv);

	CHECK(own < argc, "how many seconds?");
	length = atoi(argv[own]) * second;
	do {
		int64_t begin = now(CLOCK_MONOTONIC);
		for (size_t i = 0; i < COUNT(ways); i++)
			pid[i] = test_fork(sleeper, (void *)&ways[i]);
		WAIT_FOR(now(CLOCK_MONOTONIC) - begin > length / 4);
		for (size_t i = 0; i < COUNT(ways); i++)
			proc_wait_syscall(pid[i], ways[i].syscall);
		test_ready();
		test_wait();

		for (size_t i = 0; i < COUNT(ways); i++)
			test_reap(pid[i]);
	} while (test_pass());
	return 0;
}

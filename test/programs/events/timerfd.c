// SPDX-License-Identifier: GPL-2.0-only
/* timerfd_create(2): all clocks that need no alarm hardware, times that are left, times of day, expirations that were not read. */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>

#include "test.h"

#define SECOND 1000000000ll

static int64_t ns(struct timespec t)
{
	return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec spec(int64_t t)
{
	return (struct timespec){ .tv_sec = t / SECOND, .tv_nsec = t % SECOND };
}

static int64_t now(clockid_t clock)
{
	struct timespec t;

	TRY(clock_gettime(clock, &t));
	return ns(t);
}

static int timer(clockid_t clock, int flags, int64_t value, int64_t interval)
{
	int fd = TRY(timerfd_create(clock, TFD_NONBLOCK));
	const struct itimerspec set = { .it_value = spec(value), .it_interval = spec(interval) };

	TRY(timerfd_settime(fd, flags, &set, NULL));
	return fd;
}

static int64_t left(int fd, int64_t interval)
{
	struct itimerspec value;

	TRY(timerfd_gettime(fd, &value));
	SAME(ns(value.it_interval), interval);
	return ns(value.it_value);
}

static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME };

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int relative[COUNT(clocks)], unarmed = TRY(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
		int64_t start[COUNT(clocks)], wall_end = now(CLOCK_REALTIME) + 5000 * SECOND;
		int wall, monotonic, expired, periodic, overdue, hasty;
		struct downtime away;
		uint64_t ticks;

		for (size_t i = 0; i < COUNT(clocks); i++) {
			relative[i] = timer(clocks[i], 0, 3000 * SECOND, 7 * SECOND);
			start[i] = now(CLOCK_MONOTONIC);
		}
		wall = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, wall_end, 0);
		monotonic = timer(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, now(CLOCK_MONOTONIC) + 4000 * SECOND, 0);
		expired = timer(CLOCK_MONOTONIC, 0, 1, 0);
		/* one that has expired at least twice, and would not again for long */
		periodic = timer(CLOCK_MONOTONIC, 0, 1, 1000);
		WAIT_FOR(poll(&(struct pollfd){ .fd = expired, .events = POLLIN }, 1, 0) == 1);
		WAIT_FOR(poll(&(struct pollfd){ .fd = periodic, .events = POLLIN }, 1, 0) == 1);
		const struct itimerspec stop = { 0 };
		TRY(timerfd_settime(periodic, 0, &stop, NULL));
		ticks = 12345;
		TRY(ioctl(periodic, _IOW('T', 0, uint64_t), &ticks));

		/* one that has expired, was not read, and goes on: it is set anew by whoever reads it */
		overdue = timer(CLOCK_MONOTONIC, 0, 1, SECOND / 50);
		WAIT_FOR(poll(&(struct pollfd){ .fd = overdue, .events = POLLIN }, 1, 0) == 1);
		/* another one, which expires again as soon as anybody has asked it */
		hasty = timer(CLOCK_MONOTONIC, 0, 1, SECOND / 10000);
		WAIT_FOR(poll(&(struct pollfd){ .fd = hasty, .events = POLLIN }, 1, 0) == 1);

		test_ready();
		test_wait();
		away = test_downtime();

		for (size_t i = 0; i < COUNT(clocks); i++) {
			int64_t there = now(CLOCK_MONOTONIC) - start[i];
			int64_t used = 3000 * SECOND - left(relative[i], 7 * SECOND);

			/* what the clock did while the tree was away does not count */
			CHECK(used <= there - away.at_least + SECOND && used >= there - away.at_most - SECOND,
			      "timer of clock %d: %lld ns have passed of %lld, %lld to %lld away", clocks[i],
			      (long long)used, (long long)there, (long long)away.at_least, (long long)away.at_most);
		}
		int64_t end = now(CLOCK_REALTIME) + left(wall, 0);
		CHECK(end > wall_end - SECOND && end < wall_end + SECOND, "the time of day is off by %lld ns", (long long)(end - wall_end));
		CHECK(left(monotonic, 0) > 3000 * SECOND && left(monotonic, 0) <= 4000 * SECOND, "what was left of an absolute time");
		SAME(left(unarmed, 0), 0);
		SAME(fcntl(unarmed, F_GETFD), FD_CLOEXEC);
		SAME(read(expired, &ticks, sizeof(ticks)), sizeof(ticks));
		SAME(ticks, 1);
		SAME(read(periodic, &ticks, sizeof(ticks)), sizeof(ticks));
		SAME(ticks, 12345);
		SAME(left(periodic, 0), 0);
		SAME(read(overdue, &ticks, sizeof(ticks)), sizeof(ticks));
		CHECK(ticks >= 1, "nothing was unread");
		WAIT_FOR(poll(&(struct pollfd){ .fd = overdue, .events = POLLIN }, 1, 0) == 1);
		SAME(read(hasty, &ticks, sizeof(ticks)), sizeof(ticks));
		WAIT_FOR(poll(&(struct pollfd){ .fd = hasty, .events = POLLIN }, 1, 0) == 1);
		for (int fd = unarmed; fd <= hasty; fd++)
			close(fd);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Pipes with unread data: order, amount, capacity, flags; full ones, partly read ones, packets with their bounds. */
#include "test.h"

#include <fcntl.h>
#include <sys/ioctl.h>

static char written[1 << 20], found[1 << 20];

static int unread(int fd)
{
	int bytes;

	TRY(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

/* Fill with whole pages until not a byte more fits; returns how much went in. */
static size_t fill(int fd, uint64_t seed)
{
	size_t total = 0;
	ssize_t size;

	TRY(fcntl(fd, F_SETFL, O_NONBLOCK));
	pattern_fill(written, sizeof(written), seed);
	while ((size = write(fd, written + total, 4096)) > 0)
		total += size;
	SAME(errno, EAGAIN);
	return total;
}

static void drain(int fd, size_t size, uint64_t seed)
{
	SAME(unread(fd), size);
	for (size_t got = 0; got < size;)
		got += TRY(read(fd, found + got, sizeof(found) - got));
	pattern_check(found, size / 8 * 8, seed, "pipe");
	SAME(unread(fd), 0);
}

int main(int argc, char **argv)
{
	static const size_t packets[] = { 1, 4096, 17, 100, 3000, 1 };

	test_init(argc, argv);
	do {
		int plain[2], full[2], large[2], small[2], empty[2], packet[2], partly[2];

		TRY(pipe(plain));
		SAME(write(plain[1], "one", 3), 3);
		SAME(write(plain[1], " two\n", 5), 5);
		TRY(pipe(full));
		size_t in_full = fill(full[1], 1);
		TRY(pipe(large));
		SAME(TRY(fcntl(large[1], F_SETPIPE_SZ, 1 << 20)), 1 << 20);
		size_t in_large = fill(large[1], 2);
		TRY(pipe(small));
		SAME(TRY(fcntl(small[0], F_SETPIPE_SZ, 4096)), 4096);
		TRY(pipe2(empty, O_NONBLOCK | O_CLOEXEC));
		TRY(pipe(partly));
		pattern_fill(written, 30000, 3);
		SAME(write(partly[1], written, 30000), 30000);
		SAME(read(partly[0], found, 10001), 10001);

		TRY(pipe2(packet, O_DIRECT));
		for (size_t i = 0; i < COUNT(packets); i++) {
			memset(written, 'a' + i, packets[i]);
			SAME(write(packet[1], written, packets[i]), packets[i]);
		}
		/* The mode belongs to each write: these are no packets. */
		TRY(fcntl(packet[1], F_SETFL, 0));
		SAME(write(packet[1], "stream", 6), 6);
		SAME(write(packet[1], "ing", 3), 3);
		TRY(fcntl(packet[1], F_SETFL, O_DIRECT));
		test_ready();
		test_wait();

		SAME(unread(plain[0]), 8);
		SAME(read(plain[0], found, 100), 8);
		CHECK(memcmp(found, "one two\n", 8) == 0, "the pipe held %.8s", found);
		SAME(fcntl(full[1], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(fcntl(full[0], F_GETFL) & O_NONBLOCK, 0);
		CHECK(write(full[1], "x", 1) == -1 && errno == EAGAIN, "the full pipe takes more");
		drain(full[0], in_full, 1);
		SAME(fcntl(large[0], F_GETPIPE_SZ), 1 << 20);
		drain(large[0], in_large, 2);
		SAME(fcntl(small[0], F_GETPIPE_SZ), 4096);
		CHECK(read(empty[0], found, 1) == -1 && errno == EAGAIN, "the empty pipe is not empty or blocks");
		SAME(fcntl(empty[1], F_GETFD), FD_CLOEXEC);
		SAME(unread(partly[0]), 19999);
		pattern_fill(written, 30000, 3);
		SAME(read(partly[0], found, 30000), 19999);
		CHECK(memcmp(found, written + 10001, 19999) == 0, "the partly read pipe goes on elsewhere");

		SAME(fcntl(packet[1], F_GETFL) & O_DIRECT, O_DIRECT);
		for (size_t i = 0; i < COUNT(packets); i++) {
			SAME(read(packet[0], found, sizeof(found)), packets[i]);
			SAME(found[packets[i] - 1], 'a' + i);
		}
		SAME(read(packet[0], found, sizeof(found)), 9);
		CHECK(memcmp(found, "streaming", 9) == 0, "not a stream: %.9s", found);

		int *const all[] = { plain, full, large, small, empty, packet, partly };
		for (size_t i = 0; i < COUNT(all); i++) {
			SAME(write(all[i][1], "after", 5), 5);
			SAME(read(all[i][0], found, 100), 5);
			close(all[i][0]);
			close(all[i][1]);
		}
	} while (test_pass());
	return 0;
}

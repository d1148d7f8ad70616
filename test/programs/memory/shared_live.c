// SPDX-License-Identifier: GPL-2.0-only
/* Shared anonymous memory stays one memory: after a restore, two processes pass a ball through it with futexes. */
#include "test.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct ball {
	uint32_t turn;	/* futex: whose move it is */
	uint32_t moves;
	bool stop;
};

static struct ball *ball;

/* Waits until it is player's turn; false at the end of the game. */
static bool my_turn(uint32_t player)
{
	for (;;) {
		uint32_t turn = __atomic_load_n(&ball->turn, __ATOMIC_ACQUIRE);

		if (__atomic_load_n(&ball->stop, __ATOMIC_ACQUIRE))
			return false;
		if (turn == player)
			return true;
		syscall(SYS_futex, &ball->turn, FUTEX_WAIT, turn, NULL, NULL, 0);
	}
}

static void pass_on(uint32_t player)
{
	ball->moves++;
	__atomic_store_n(&ball->turn, !player, __ATOMIC_RELEASE);
	TRY(syscall(SYS_futex, &ball->turn, FUTEX_WAKE, 1, NULL, NULL, 0));
}

static void player(void *arg)
{
	uint32_t me = (uintptr_t)arg;

	test_child_ready();
	/* Playing all the time, the dump included: nobody waits for a signal. */
	while (my_turn(me))
		pass_on(me);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		ball = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		pid_t players[2] = { test_fork(player, (void *)0), test_fork(player, (void *)1) };
		WAIT_FOR(__atomic_load_n(&ball->moves, __ATOMIC_RELAXED) > 10);
		test_ready();
		test_wait();

		uint32_t moves = __atomic_load_n(&ball->moves, __ATOMIC_RELAXED);
		WAIT_FOR(__atomic_load_n(&ball->moves, __ATOMIC_RELAXED) > moves + 10);
		__atomic_store_n(&ball->stop, true, __ATOMIC_RELEASE);
		/* A waiter looks again at `stop` when the turn's value changes under it. */
		__atomic_store_n(&ball->turn, 2, __ATOMIC_RELEASE);
		TRY(syscall(SYS_futex, &ball->turn, FUTEX_WAKE, 2, NULL, NULL, 0));
		test_reap(players[0]);
		test_reap(players[1]);
		TRY(munmap(ball, PAGE));
	} while (test_pass());
	return 0;
}

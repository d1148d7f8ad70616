// SPDX-License-Identifier: GPL-2.0-only
/* Dumped inside a signal handler on an alternate stack: it returns to what was interrupted, with the mask of before. */
#include "test.h"

#include <signal.h>

static char stack[65536];
static volatile bool in_handler;
static volatile double interrupted_with = 0.25;

static void on_signal(int signo)
{
	uint64_t local[64];
	stack_t now;

	pattern_fill(local, sizeof(local), signo);
	test_ready();
	test_wait();
	pattern_check(local, sizeof(local), signo, "the handler's variables");
	TRY(sigaltstack(NULL, &now));
	SAME(now.ss_flags, SS_ONSTACK);
	CHECK((char *)local >= stack && (char *)local < stack + sizeof(stack), "not on the alternate stack");
	in_handler = false;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	stack_t set = { .ss_sp = stack, .ss_size = sizeof(stack) }, now;
	sigset_t before, mask;

	test_init(argc, argv);
	sigfillset(&action.sa_mask);
	TRY(sigaction(SIGTERM, &action, NULL));
	TRY(sigaltstack(&set, NULL));
	do {
		double product = interrupted_with;

		TRY(sigprocmask(SIG_BLOCK, NULL, &before));
		in_handler = true;
		TRY(raise(SIGTERM));

		CHECK(!in_handler, "the handler has not ended");
		SAME(product * 4 == 1.0, true);
		TRY(sigprocmask(SIG_BLOCK, NULL, &mask));
		CHECK(memcmp(&mask, &before, 8) == 0, "the mask after the handler differs");
		TRY(sigaltstack(NULL, &now));
		SAME(now.ss_flags, 0);
	} while (test_pass());
	return 0;
}

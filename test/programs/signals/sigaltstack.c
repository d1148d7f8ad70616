// SPDX-License-Identifier: GPL-2.0-only
/* The alternate signal stack, also with SS_AUTODISARM, while it is not in use. */
#include "test.h"

#include <signal.h>

static char stacks[2][65536];
static char *volatile handler_at;

static void on_signal(int signo)
{
	(void)signo;
	handler_at = __builtin_frame_address(0);
}

static void must_run_on(char *stack)
{
	handler_at = NULL;
	TRY(raise(SIGTERM));
	CHECK(handler_at >= stack && handler_at < stack + sizeof(stacks[0]), "the handler ran at %p, not on %p", handler_at, stack);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	const unsigned int autodisarm = 1u << 31;	/* SS_AUTODISARM */
	int turn = 0;

	test_init(argc, argv);
	TRY(sigaction(SIGTERM, &action, NULL));
	do {
		unsigned int flags = turn % 2 ? autodisarm : 0;
		char *stack = stacks[turn++ % 2];
		stack_t set = { .ss_sp = stack, .ss_size = sizeof(stacks[0]), .ss_flags = flags }, now;
		TRY(sigaltstack(&set, NULL));
		test_ready();
		test_wait();

		TRY(sigaltstack(NULL, &now));
		CHECK(now.ss_sp == stack, "the stack is %p, not %p", now.ss_sp, stack);
		SAME(now.ss_size, sizeof(stacks[0]));
		SAME((unsigned int)now.ss_flags, flags);
		must_run_on(stack);
		must_run_on(stack);
	} while (test_pass());
	return 0;
}

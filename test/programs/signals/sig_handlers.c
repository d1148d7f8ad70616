// SPDX-License-Identifier: GPL-2.0-only
/* Dispositions of all signals: handlers with each flag and a mask of their own, ignored ones, defaults; and handlers work. */
#include "test.h"

#include <signal.h>
#include <sys/syscall.h>

/* As the kernel has it; glibc's sigaction() hides the restorer. */
struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static volatile sig_atomic_t seen, seen_code;
static uint64_t mask_inside;

static uint64_t current_mask(void)
{
	uint64_t mask;

	TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8));
	return mask;
}

static void on_info(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo;
	seen_code = info->si_code;
	mask_inside = current_mask();
}

static void on_plain(int signo)
{
	seen = signo;
	mask_inside = current_mask();
}

static const int flags[] = {
	SA_RESTART, SA_NODEFER, SA_RESETHAND, SA_ONSTACK, SA_NOCLDSTOP, SA_NOCLDWAIT,
	SA_RESTART | SA_NODEFER, SA_RESETHAND | SA_NODEFER, 0,
};

static bool settable(int signo)
{
	return signo != SIGKILL && signo != SIGSTOP && signo != SIGUSR1 && signo != SIGUSR2 &&
	       signo != 32 && signo != 33;	/* the C library's own */
}

int main(int argc, char **argv)
{
	struct kernel_sigaction before[65], now;

	test_init(argc, argv);
	do {
		for (int signo = 1; signo < 65; signo++) {
			struct sigaction action = { .sa_flags = flags[signo % COUNT(flags)] };

			if (!settable(signo))
				continue;
			if (signo % 3 == 0) {
				action.sa_handler = on_plain;
			} else if (signo % 7 == 0) {
				action.sa_handler = SIG_IGN;
			} else if (signo % 11 == 0) {
				action.sa_handler = SIG_DFL;
			} else {
				action.sa_sigaction = on_info;
				action.sa_flags |= SA_SIGINFO;
			}
			sigemptyset(&action.sa_mask);
			sigaddset(&action.sa_mask, 1 + (signo * 5) % 31);
			sigaddset(&action.sa_mask, SIGRTMIN + signo % 20);
			TRY(sigaction(signo, &action, NULL));
		}
		for (int signo = 1; signo < 65; signo++)
			TRY(syscall(SYS_rt_sigaction, signo, NULL, &before[signo], 8));
		test_ready();
		test_wait();

		for (int signo = 1; signo < 65; signo++) {
			TRY(syscall(SYS_rt_sigaction, signo, NULL, &now, 8));
			CHECK(memcmp(&now, &before[signo], sizeof(now)) == 0,
			      "signal %d: handler %p flags %#lx restorer %p mask %#lx, was %p %#lx %p %#lx", signo,
			      now.handler, now.flags, now.restorer, now.mask, before[signo].handler,
			      before[signo].flags, before[signo].restorer, before[signo].mask);
		}
		uint64_t outside = current_mask();
		for (int signo = 1; signo < 65; signo++) {
			if (!settable(signo) || before[signo].handler == SIG_DFL)
				continue;
			seen = 0;
			TRY(kill(getpid(), signo));
			if (before[signo].handler == SIG_IGN) {
				SAME(seen, 0);
				continue;
			}
			SAME(seen, signo);
			uint64_t expected = outside | before[signo].mask;
			if (!(before[signo].flags & SA_NODEFER))
				expected |= 1ul << (signo - 1);
			CHECK(mask_inside == expected, "the mask in the handler of %d is %#lx, not %#lx", signo,
			      mask_inside, expected);
			if (before[signo].flags & SA_RESETHAND) {
				TRY(syscall(SYS_rt_sigaction, signo, NULL, &now, 8));
				CHECK(now.handler == SIG_DFL, "SA_RESETHAND had no effect on %d", signo);
			}
		}
		SAME(current_mask(), outside);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dumped inside an rseq critical section, where the program stays until it is
 * told: any stop in it, and so any restore, must continue at its abort handler.
 */
#include "test.h"

#include <signal.h>
#include <sys/rseq.h>

volatile uint32_t go_on;
volatile uint64_t aborts;
static volatile uint64_t aborts_at_signal;

/* Signature in front of the abort address, as the kernel checks it. */
__asm__(".pushsection .data\n"
	".balign 32\n"
	"section_descriptor:\n"
	"	.long 0, 0\n"
	"	.quad section_begin, section_end - section_begin, section_abort\n"
	".popsection\n"
	".text\n"
	"stay_in_section:\n"		/* (rdi: address of the rseq_cs field) */
	"2:	lea section_descriptor(%rip), %rax\n"
	"	mov %rax, (%rdi)\n"
	"section_begin:\n"
	/* The register would keep its value over a resume in here; after an abort it is loaded again. */
	"	mov aborts(%rip), %rdx\n"
	"1:	pause\n"
	"	cmpl $0, go_on(%rip)\n"
	"	je 1b\n"
	"section_end:\n"
	"	movq $0, (%rdi)\n"
	"	mov %rdx, %rax\n"
	"	ret\n"
	"	.long 0x53053053\n"
	"section_abort:\n"
	"	incq aborts(%rip)\n"
	"	jmp 2b\n");

uint64_t stay_in_section(volatile void *rseq_cs);

static void on_signal(int signo)
{
	test_woken(signo);
	aborts_at_signal = aborts;
	go_on = 1;
}

int main(int argc, char **argv)
{
	sigset_t commands;

	test_init(argc, argv);
	CHECK(__rseq_size > 0, "glibc has not registered rseq");
	volatile struct rseq *area = (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	sigemptyset(&commands);
	sigaddset(&commands, SIGUSR1);
	sigaddset(&commands, SIGUSR2);
	TRY(sigprocmask(SIG_UNBLOCK, &commands, NULL));
	do {
		go_on = 0;
		aborts = 0;
		test_ready();
		uint64_t at_last_entry = stay_in_section(&area->rseq_cs);

		/* The signal that ended the wait is itself an abort, if the kernel still knows of the section. */
		CHECK(aborts > aborts_at_signal, "the signal did not abort the section");
		SAME(at_last_entry, aborts);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* All general registers, the direction flag and the GS base, held by code that never leaves user space. */
#include "test.h"

#include <asm/prctl.h>
#include <signal.h>
#include <sys/syscall.h>

/* In the order of the assembly below: rax rbx rcx rdx rsi rdi rbp r8 ... r15. */
uint64_t wanted[15], found[15];
uint64_t flags_found, rsp_before, rsp_found;
volatile uint32_t go_on;

static void on_signal(int signo)
{
	test_woken(signo);
	go_on = 1;
}

/*
 * Loads every register, waits for go_on, stores every register. Its own state
 * is in memory only, addressed relative to rip.
 */
void hold_registers(void);
__asm__(
	".text\n"
	"hold_registers:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, rsp_before(%rip)\n"
	"	mov wanted+0(%rip), %rax\n	mov wanted+8(%rip), %rbx\n	mov wanted+16(%rip), %rcx\n"
	"	mov wanted+24(%rip), %rdx\n	mov wanted+32(%rip), %rsi\n	mov wanted+40(%rip), %rdi\n"
	"	mov wanted+48(%rip), %rbp\n	mov wanted+56(%rip), %r8\n	mov wanted+64(%rip), %r9\n"
	"	mov wanted+72(%rip), %r10\n	mov wanted+80(%rip), %r11\n	mov wanted+88(%rip), %r12\n"
	"	mov wanted+96(%rip), %r13\n	mov wanted+104(%rip), %r14\n	mov wanted+112(%rip), %r15\n"
	"	std\n"
	"1:	pause\n"
	"	cmpl $0, go_on(%rip)\n"
	"	je 1b\n"
	"	mov %rax, found+0(%rip)\n	mov %rbx, found+8(%rip)\n	mov %rcx, found+16(%rip)\n"
	"	mov %rdx, found+24(%rip)\n	mov %rsi, found+32(%rip)\n	mov %rdi, found+40(%rip)\n"
	"	mov %rbp, found+48(%rip)\n	mov %r8, found+56(%rip)\n	mov %r9, found+64(%rip)\n"
	"	mov %r10, found+72(%rip)\n	mov %r11, found+80(%rip)\n	mov %r12, found+88(%rip)\n"
	"	mov %r13, found+96(%rip)\n	mov %r14, found+104(%rip)\n	mov %r15, found+112(%rip)\n"
	"	mov %rsp, rsp_found(%rip)\n"
	"	pushf\n	pop flags_found(%rip)\n"
	"	cld\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n");

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	};
	static uint64_t gs_area[2] = { 0x6773206261736521, 0 };
	static __thread uint64_t tls = 0x746c7320686572;
	unsigned long fs_before, fs_now, gs_now;
	sigset_t commands;

	test_init(argc, argv);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	TRY(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_area));
	TRY(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_before));
	sigemptyset(&commands);
	sigaddset(&commands, SIGUSR1);
	sigaddset(&commands, SIGUSR2);
	TRY(sigprocmask(SIG_UNBLOCK, &commands, NULL));

	uint64_t value = 0xfedcba9876543211;
	do {
		go_on = 0;
		for (size_t i = 0; i < COUNT(wanted); i++)
			wanted[i] = value = value * 6364136223846793005 + 1442695040888963407;
		test_ready();
		hold_registers();

		for (size_t i = 0; i < COUNT(wanted); i++)
			CHECK(found[i] == wanted[i], "%s is %#lx, not %#lx", names[i], found[i], wanted[i]);
		SAME(rsp_found, rsp_before);
		CHECK(flags_found & 0x400, "the direction flag is lost: %#lx", flags_found);

		uint64_t through_gs;
		__asm__("mov %%gs:0, %0" : "=r"(through_gs));
		SAME(through_gs, gs_area[0]);
		TRY(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs_now));
		SAME(gs_now, (unsigned long)gs_area);
		TRY(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_now));
		SAME(fs_now, fs_before);
		SAME(tls, 0x746c7320686572);
	} while (test_pass());
	return 0;
}

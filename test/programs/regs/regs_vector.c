// SPDX-License-Identifier: GPL-2.0-only
/*
 * The x87 registers and control word, mxcsr, ymm0-15 and, on CPUs that have
 * them, zmm16-31, the mask registers and PKRU: held by a loop that never
 * leaves user space.
 */
#include "test.h"

#include <cpuid.h>
#include <signal.h>

uint8_t want_ymm[16][32], found_ymm[16][32];
uint8_t want_zmm[16][64], found_zmm[16][64];
uint64_t want_mask[8], found_mask[8];
static double want_x87[8], found_x87[8];
static uint16_t want_control = 0x0e7f, found_control;	/* towards zero, double precision */
static uint32_t want_mxcsr = 0x5f80 | 0x8000, found_mxcsr;	/* round up, flush to zero */
volatile uint32_t go_on;

static void on_signal(int signo)
{
	test_woken(signo);
	go_on = 1;
}

#define SIXTEEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD_YMM(n) "vmovdqu want_ymm+32*" #n "(%rip), %ymm" #n "\n"
#define STORE_YMM(n) "vmovdqu %ymm" #n ", found_ymm+32*" #n "(%rip)\n"
#define EIGHT_PAIRS(X) X(0, 16) X(1, 17) X(2, 18) X(3, 19) X(4, 20) X(5, 21) X(6, 22) X(7, 23) \
	X(8, 24) X(9, 25) X(10, 26) X(11, 27) X(12, 28) X(13, 29) X(14, 30) X(15, 31)
#define LOAD_ZMM(i, n) "vmovdqu64 want_zmm+64*" #i "(%rip), %zmm" #n "\n"
#define STORE_ZMM(i, n) "vmovdqu64 %zmm" #n ", found_zmm+64*" #i "(%rip)\n"
#define SEVEN(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define LOAD_MASK(n) "kmovw want_mask+8*" #n "(%rip), %k" #n "\n"
#define STORE_MASK(n) "kmovw %k" #n ", found_mask+8*" #n "(%rip)\n"
#define UNTIL_GO_ON "1: pause\n cmpl $0, go_on(%rip)\n je 1b\n"

/* No compiler in between: it would keep values of its own in these registers. */
void hold_avx(void);
void hold_avx512(void);
__asm__(".text\n"
	"hold_avx:\n" SIXTEEN(LOAD_YMM) UNTIL_GO_ON SIXTEEN(STORE_YMM) "vzeroupper\n ret\n"
	"hold_avx512:\n" SIXTEEN(LOAD_YMM) EIGHT_PAIRS(LOAD_ZMM) SEVEN(LOAD_MASK) UNTIL_GO_ON
	SIXTEEN(STORE_YMM) EIGHT_PAIRS(STORE_ZMM) SEVEN(STORE_MASK) "vzeroupper\n ret\n");

static uint32_t read_pkru(void)
{
	uint32_t low, high;

	__asm__ volatile("rdpkru" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

int main(int argc, char **argv)
{
	unsigned int a, b, c, d;
	sigset_t commands;

	test_init(argc, argv);
	CHECK(__builtin_cpu_supports("avx"), "this test needs a CPU with AVX");
	bool avx512 = __builtin_cpu_supports("avx512f");
	/* leaf 7: ecx bit 4 is OSPKE */
	bool pku = __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1 << 4;

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	sigemptyset(&commands);
	sigaddset(&commands, SIGUSR1);
	sigaddset(&commands, SIGUSR2);
	TRY(sigprocmask(SIG_UNBLOCK, &commands, NULL));

	uint64_t seed = 1;
	do {
		go_on = 0;
		pattern_fill(want_ymm, sizeof(want_ymm), ++seed);
		pattern_fill(want_zmm, sizeof(want_zmm), ++seed);
		for (int i = 0; i < 8; i++) {
			want_x87[i] = 1.0 / (double)(seed + i);
			want_mask[i] = 0xa5c3 >> i;
		}
		uint32_t pkru = pku ? read_pkru() : 0;
		test_ready();

		/* st0 is the last one loaded. Anything between here and the stores would use the registers. */
		__asm__ volatile("fninit\n fldcw %0\n ldmxcsr %1" : : "m"(want_control), "m"(want_mxcsr));
		for (int i = 7; i >= 0; i--)
			__asm__ volatile("fldl %0" : : "m"(want_x87[i]));
		if (avx512)
			hold_avx512();
		else
			hold_avx();
		for (int i = 0; i < 8; i++)
			__asm__ volatile("fstpl %0" : "=m"(found_x87[i]));
		uint32_t default_mxcsr = 0x1f80;
		__asm__ volatile("fnstcw %0\n stmxcsr %1\n fninit\n ldmxcsr %2"
				 : "=m"(found_control), "=m"(found_mxcsr) : "m"(default_mxcsr));

		SAME(found_control, want_control);
		SAME(found_mxcsr & ~0x3f, want_mxcsr);	/* without the sticky exception bits */
		for (int i = 0; i < 8; i++)
			CHECK(memcmp(&found_x87[i], &want_x87[i], 8) == 0, "st%d is %a, not %a", i, found_x87[i], want_x87[i]);
		for (int i = 0; i < 16; i++)
			CHECK(memcmp(found_ymm[i], want_ymm[i], 32) == 0, "ymm%d differs", i);
		for (int i = 0; avx512 && i < 16; i++)
			CHECK(memcmp(found_zmm[i], want_zmm[i], 64) == 0, "zmm%d differs", i + 16);
		for (int i = 1; avx512 && i < 8; i++)
			SAME(found_mask[i], want_mask[i]);
		if (pku)
			SAME(read_pkru(), pkru);
	} while (test_pass());
	return 0;
}

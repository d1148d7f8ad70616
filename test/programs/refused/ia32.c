// SPDX-License-Identifier: GPL-2.0-only
/* A program for i386 that waits to be ended, without any library: the only thing built with -m32. */

enum { SYS_PAUSE = 29 };

void _start(void);
void _start(void)
{
	int unused;

	for (;;)
		__asm__ volatile("int $0x80" : "=a"(unused) : "0"(SYS_PAUSE) : "memory");
}

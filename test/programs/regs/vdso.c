// SPDX-License-Identifier: GPL-2.0-only
/* [vdso] is where it was, and its functions work, called through addresses found before. */
#include "test.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

static void *vdso_symbol(const char *base, const char *wanted)
{
	const Elf64_Ehdr *elf = (const void *)base;
	const Elf64_Phdr *segment = (const void *)(base + elf->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	const Elf64_Sym *symbols = NULL;
	const char *names = NULL;
	const uint32_t *hash = NULL;

	for (int i = 0; i < elf->e_phnum; i++)
		if (segment[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(base + segment[i].p_vaddr);
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		const void *at = base + dynamic->d_un.d_ptr;

		if (dynamic->d_tag == DT_SYMTAB)
			symbols = at;
		else if (dynamic->d_tag == DT_STRTAB)
			names = at;
		else if (dynamic->d_tag == DT_HASH)
			hash = at;
	}
	CHECK(symbols && names && hash, "[vdso] has no symbol table");
	for (uint32_t i = 0; i < hash[1]; i++)
		if (strcmp(names + symbols[i].st_name, wanted) == 0)
			return (char *)base + symbols[i].st_value;
	FAIL("[vdso] has no %s", wanted);
}

static int64_t in_ns(struct timespec t)
{
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
	int (*vdso_gettime)(clockid_t, struct timespec *) = vdso_symbol(vdso, "__vdso_clock_gettime");
	int (*vdso_getcpu)(unsigned int *, unsigned int *, void *) = vdso_symbol(vdso, "__vdso_getcpu");
	unsigned char code[64];

	memcpy(code, vdso_gettime, sizeof(code));
	do {
		struct timespec monotonic, realtime, now;
		struct timeval wall;
		unsigned int cpu;

		TRY(clock_gettime(CLOCK_MONOTONIC, &monotonic));
		TRY(clock_gettime(CLOCK_REALTIME, &realtime));
		test_ready();
		test_wait();

		CHECK(memcmp(vdso, ELFMAG, SELFMAG) == 0, "no [vdso] at %p any more", vdso);
		CHECK(memcmp(code, vdso_gettime, sizeof(code)) == 0, "another [vdso] at %p", vdso);
		SAME(getauxval(AT_SYSINFO_EHDR), (unsigned long)vdso);

		/* The clock of the vdso (which reads [vvar]) and the kernel's agree to within a minute. */
		SAME(vdso_gettime(CLOCK_MONOTONIC, &now), 0);
		CHECK(in_ns(now) > in_ns(monotonic), "CLOCK_MONOTONIC went back");
		SAME(vdso_gettime(CLOCK_REALTIME, &now), 0);
		CHECK(in_ns(now) > in_ns(realtime), "CLOCK_REALTIME went back");
		TRY(gettimeofday(&wall, NULL));
		CHECK(labs(wall.tv_sec - now.tv_sec) < 60 && labs(time(NULL) - now.tv_sec) < 60, "clocks disagree");
		SAME(vdso_getcpu(&cpu, NULL, NULL), 0);
		CHECK(cpu < (unsigned int)sysconf(_SC_NPROCESSORS_CONF), "getcpu says %u", cpu);
	} while (test_pass());
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes an image of itself, spoils it in one way, executes it, and says what came
 * of it:
 *
 *	hostile DIR CHANGE [FILE]
 *
 * DIR takes the image; FILE is another file to map, for the changes that do so.
 * Prints "errno E..." when execve() failed, "signal N" when the task was killed,
 * "exit N" when it went on: 0 as it should, 1 with what it must not have.
 */
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image.h"

#define TASK_END	0x7ffffffff000ull
#define BIG		(64ul << 20)

static const char *file_to_map = "/proc/self/exe";

/* Small enough for what anybody may lock: 64 KiB on older kernels. */
static struct crctl_vma *smallest_anon(const struct image *im)
{
	struct crctl_vma *v = record(im, CRCTL_NT_VMA), *found = vma_of(im, CRCTL_VMA_ANON);
	uint32_t i;

	for (i = 0; i < head(im, CRCTL_NT_VMA)->count; i++)
		if (v[i].kind == CRCTL_VMA_ANON && v[i].end - v[i].start < found->end - found->start)
			found = &v[i];
	return found;
}

/* Where the program has its constants, none of which it needs when it goes on. */
static const char constant[] = "constant";

static struct crctl_vma *constants(const struct image *im)
{
	struct crctl_vma *v = record(im, CRCTL_NT_VMA);

	while (v->end <= (uintptr_t)constant)
		v++;
	return v;
}

static int is_vdso(const struct crctl_vma *v)
{
	return v->kind == CRCTL_VMA_VDSO || v->kind == CRCTL_VMA_VVAR;
}

/* How far up the vdso and its data have to go so as not to meet other mappings. */
static uint64_t free_distance(const struct image *im)
{
	const struct crctl_vma *v = record(im, CRCTL_NT_VMA);
	const struct crctl_mm *mm = record(im, CRCTL_NT_MM);
	uint64_t end = vma_of(im, CRCTL_VMA_VDSO)->end, distance = 0x10000;
	uint32_t i;

	for (i = 0; i < head(im, CRCTL_NT_VMA)->count; i++)
		while (!is_vdso(&v[i]) && mm->vvar + distance < v[i].end && v[i].start < end + distance)
			distance += 0x10000;
	return distance;
}

static int by_start(const void *a, const void *b)
{
	const struct crctl_vma *v = a, *w = b;

	return v->start < w->start ? -1 : v->start > w->start;
}

static void move_vdso(const struct image *im, uint64_t distance)
{
	struct crctl_vma *v = record(im, CRCTL_NT_VMA);
	struct crctl_mm *mm = record(im, CRCTL_NT_MM);
	uint32_t i;

	mm->vdso += distance;
	mm->vvar += distance;
	for (i = 0; i < head(im, CRCTL_NT_VMA)->count; i++) {
		if (!is_vdso(&v[i]))
			continue;
		v[i].start += distance;
		v[i].end += distance;
	}
	qsort(v, i, sizeof(*v), by_start);
}

static struct crctl_vma *last_vma(const struct image *im)
{
	return (struct crctl_vma *)record(im, CRCTL_NT_VMA) + head(im, CRCTL_NT_VMA)->count - 1;
}

/* ---- the process that is saved ---- */

static struct {
	int (*check)(void);
	int threads;
	int big;
} seed;

static uint64_t status_bits(const char *name)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	uint64_t bits = ~0ull;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			bits = strtoull(line + strlen(name), NULL, 16);
	if (f)
		fclose(f);
	return bits;
}

static int is_fine(void)
{
	return 0;
}

static int has_flags(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	/* no I/O privilege, no virtual interrupts or 8086 mode; interrupts on */
	return (flags & 0x1a3000) || !(flags & 0x200);
}

/* The program's constants, which are of another file now: no more than the descriptor lets them be. */
static int cannot_write(void)
{
	return mprotect((void *)((uintptr_t)constant & -4096ul), 4096, PROT_READ | PROT_WRITE) == 0 || errno != EACCES;
}

static int is_dumpable(void)
{
	return prctl(PR_GET_DUMPABLE) != 0;
}

static int catches_sigkill(void)
{
	return !!((status_bits("SigCgt:") | status_bits("SigBlk:")) & (1ull << (SIGKILL - 1)));
}

static int has_capabilities(void)
{
	return status_bits("CapPrm:") || status_bits("CapEff:") || status_bits("CapAmb:");
}

static void *waiter(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static _Noreturn void be_saved(void)
{
	pthread_t t;

	if (seed.big) {
		char *p = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(9);
		memset(p, 1, BIG);
	}
	if (seed.threads && pthread_create(&t, NULL, waiter, NULL))
		_exit(9);
	kill(getpid(), SIGSTOP);
	_exit(seed.check());
}

static void read_dump(struct image *im)
{
	char path[64];
	int status, fd;
	ssize_t n;
	pid_t pid = fork();

	if (!pid)
		be_saved();
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(2, "it did not stop");
	snprintf(path, sizeof(path), "/proc/%d/dump", pid);
	fd = open(path, O_RDONLY);
	im->data = malloc(BIG + (8 << 20));
	if (fd < 0 || !im->data)
		err(2, "%s", path);
	while ((n = read(fd, im->data + im->size, BIG + (8 << 20) - im->size)) > 0)
		im->size += n;
	if (n < 0)
		err(2, "%s", path);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* ---- changes ---- */

static void limit(int which, rlim_t value)
{
	struct rlimit l = { value, value };

	if (setrlimit(which, &l))
		_exit(8);
}

static const struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

static void live_under_filter(void)
{
	struct sock_fprog prog = { .len = 1, .filter = (struct sock_filter *)allow };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(8);
}

static void lock_nothing(void) { limit(RLIMIT_MEMLOCK, 0); }
static void lock_little(void) { limit(RLIMIT_MEMLOCK, 4096); }
static void little_space(void) { limit(RLIMIT_AS, BIG / 2); }
static void little_data(void) { limit(RLIMIT_DATA, BIG / 2); }

#define MM(im)		((struct crctl_mm *)record(im, CRCTL_NT_MM))
#define CREDS(im)	((struct crctl_creds *)record(im, CRCTL_NT_CREDS))
#define THREAD(im)	((struct crctl_thread *)record(im, CRCTL_NT_THREAD))
#define PROCESS(im)	((struct crctl_process *)record(im, CRCTL_NT_PROCESS))
#define SIGACTION(im)	((struct crctl_sigaction *)record(im, CRCTL_NT_SIGACTION))
#define CHANGE(name, ...) static void name(struct image *im) { __VA_ARGS__; }

CHANGE(nothing, (void)im)
CHANGE(low, struct crctl_vma *v = record(im, CRCTL_NT_VMA);
       *v = (struct crctl_vma){ .start = 0x1000, .end = 0x2000, .kind = CRCTL_VMA_ANON, .prot = 3, .fd = -1 })
CHANGE(high, last_vma(im)->end = TASK_END + 0x1000)
CHANGE(kernel_vma, last_vma(im)->start = 0xffff800000000000; last_vma(im)->end = 0xffff800000001000)
CHANGE(low_brk, MM(im)->start_brk = 0x1000)
CHANGE(high_args, MM(im)->arg_end = MM(im)->env_end = TASK_END)
CHANGE(ip_end, *reg(im, R_IP) = TASK_END)
CHANGE(ip_hole, *reg(im, R_IP) = 0x800000000000)
CHANGE(ip_kernel, *reg(im, R_IP) = 0xffffffff81000000)
CHANGE(fs_kernel, *reg(im, R_FS_BASE) = 0xffff888000000000)
CHANGE(fs_hole, *reg(im, R_FS_BASE) = 0x0000800000000000)
CHANGE(gs_hole, *reg(im, R_GS_BASE) = 0x8000000000000000)
CHANGE(cs_kernel, *reg(im, R_CS) = 0x10)
CHANGE(cs_32, *reg(im, R_CS) = 0x23)
CHANGE(ss_kernel, *reg(im, R_SS) = 0x18)
CHANGE(ds_kernel, *reg(im, R_DS) = 0x18)
/* IOPL 3, VM, VIF, VIP, without IF; not NT, which any program may set */
CHANGE(flags, *reg(im, R_FLAGS) |= 0x1a3000; *reg(im, R_FLAGS) &= ~0x200ull)
CHANGE(trap, *reg(im, R_FLAGS) |= 0x100)
CHANGE(mxcsr, memset(xstate(im) + 24, 0xff, 4); xstate(im)[512] |= 3)
CHANGE(xfeature, xstate(im)[519] |= 0x40)
CHANGE(supervisor, xstate(im)[513] |= 0x08)
CHANGE(uid, CREDS(im)->uid = CREDS(im)->euid = CREDS(im)->suid = CREDS(im)->fsuid = 0)
CHANGE(suid, CREDS(im)->suid = 0)
CHANGE(fsuid, CREDS(im)->fsuid = 0)
CHANGE(gid, CREDS(im)->egid = 0)
CHANGE(permitted, CREDS(im)->cap_permitted = CREDS(im)->cap_effective = ~0ull)
CHANGE(unknown_caps, CREDS(im)->cap_permitted = CREDS(im)->cap_effective = 1ull << 63)
CHANGE(inheritable, CREDS(im)->cap_inheritable = 1ull << 21)
CHANGE(ambient, CREDS(im)->cap_ambient = 1ull << 21)
CHANGE(bounding, CREDS(im)->cap_bset = 0)
CHANGE(securebits, CREDS(im)->securebits = 1)
CHANGE(groups, CREDS(im)->nr_groups = 1)
CHANGE(flusher, THREAD(im)->settings |= CRCTL_SETTING_IO_FLUSHER)
CHANGE(seccomp_lost, THREAD(im)->seccomp_mode = 2)
CHANGE(locked, smallest_anon(im)->flags |= CRCTL_VMF_LOCKED)
CHANGE(locked_later, MM(im)->lock_future = 1)
CHANGE(exit_signal, PROCESS(im)->exit_signal = SIGUSR1)
CHANGE(exit_signal_99, PROCESS(im)->exit_signal = 99)
CHANGE(sigkill, SIGACTION(im)[SIGKILL - 1].handler = 0x400000; THREAD(im)->sigmask = ~0ull)
CHANGE(vdso_bytes, uint32_t size; find_note(im, CRCTL_NOTE_NAME, CRCTL_NT_VDSO, &size)[64] ^= 1)
CHANGE(vdso_alone, MM(im)->vdso += 0x1000; vma_of(im, CRCTL_VMA_VDSO)->start += 0x1000)
CHANGE(vdso_moved, move_vdso(im, free_distance(im)))
/* empty ones, just beyond 64 MiB of them */
CHANGE(headers, const uint32_t nr = (64 << 20) / sizeof(Elf64_Phdr) + 1; size_t size = 128 + nr * sizeof(Elf64_Phdr);
       memset(im->data + im->size, 0, size - im->size); im->size = size;
       ((Elf64_Shdr *)(im->data + 64))->sh_info = nr; ((Elf64_Ehdr *)im->data)->e_phnum = PN_XNUM)
/* of manifests */
CHANGE(exe, MM(im)->exe_fd = FD_EXE)
CHANGE(shared_write, struct crctl_vma *v = constants(im); v->kind = CRCTL_VMA_FILE_SHARED; v->prot = 3; v->fd = FD_EXE)
CHANGE(shared_read, struct crctl_vma *v = constants(im); v->kind = CRCTL_VMA_FILE_SHARED; v->fd = FD_EXE)
CHANGE(write_only, vma_of(im, CRCTL_VMA_FILE_PRIVATE)->fd = FD_EXE)
CHANGE(noexec, struct crctl_vma *v = vma_of(im, CRCTL_VMA_FILE_PRIVATE); v->prot = 5; v->fd = FD_EXE)
CHANGE(pipe_map, vma_of(im, CRCTL_VMA_FILE_PRIVATE)->fd = FD_PIPE_READ)
CHANGE(pages_write_only, ((struct crctl_extent *)record(im, CRCTL_NT_EXTENT))->fd = FD_EXE)
CHANGE(pages_pipe, ((struct crctl_extent *)record(im, CRCTL_NT_EXTENT))->fd = FD_PIPE_READ)
static void add_control(struct image *im, int gate, int report, uint32_t flags)
{
	const struct crctl_control c = { .gate_fd = gate, .report_fd = report, .flags = flags };

	add_note(im, CRCTL_NT_CONTROL, &c, sizeof(c), 1, NULL, 0);
}
CHANGE(gate_file, add_control(im, FD_EXE, -1, 0))
CHANGE(report_read, add_control(im, -1, FD_PIPE_READ, 0))
CHANGE(control_flags, add_control(im, -1, -1, 1))
static void filter(struct image *im)
{
	const struct crctl_seccomp sc = { .thread = 1, .nr_insns = 1 };

	THREAD(im)->seccomp_mode = 2;
	add_note(im, CRCTL_NT_SECCOMP, &sc, sizeof(sc), 1, allow, sizeof(allow));
}
CHANGE(filter_nnp, filter(im); THREAD(im)->settings |= CRCTL_SETTING_NO_NEW_PRIVS)

static const struct {
	const char *name;
	void (*change)(struct image *im);
	int (*check)(void);		/* what the process says of itself when it goes on */
	void (*prepare)(void);		/* of who executes it */
	enum { DUMP, MANIFEST } form;
	int mode;			/* of the image file, 0: 0755 */
	int open_flags;			/* of FILE */
	int threads, big;
} changes[] = {
#define DUMPED(name, ...) { #name, .change = name, .form = DUMP, ##__VA_ARGS__ }
#define MANIFESTED(name, ...) { #name, .change = name, .form = MANIFEST, ##__VA_ARGS__ }
	DUMPED(nothing), DUMPED(low), DUMPED(high), DUMPED(kernel_vma), DUMPED(low_brk), DUMPED(high_args),
	DUMPED(ip_end), DUMPED(ip_hole), DUMPED(ip_kernel), DUMPED(fs_kernel), DUMPED(fs_hole), DUMPED(gs_hole),
	DUMPED(cs_kernel), DUMPED(cs_32), DUMPED(ss_kernel), DUMPED(ds_kernel),
	DUMPED(flags, .check = has_flags), DUMPED(trap), DUMPED(mxcsr), DUMPED(xfeature), DUMPED(supervisor),
	DUMPED(uid), DUMPED(suid), DUMPED(fsuid), DUMPED(gid), DUMPED(groups), DUMPED(permitted), DUMPED(inheritable),
	DUMPED(unknown_caps, .check = has_capabilities), DUMPED(ambient), DUMPED(bounding), DUMPED(securebits),
	DUMPED(flusher), DUMPED(seccomp_lost), DUMPED(locked, .prepare = lock_nothing),
	DUMPED(locked_later, .prepare = lock_nothing), DUMPED(exit_signal), DUMPED(exit_signal_99),
	DUMPED(sigkill, .check = catches_sigkill), DUMPED(vdso_bytes), DUMPED(vdso_alone), DUMPED(vdso_moved),
	DUMPED(headers),
	{ "thread", .change = nothing, .threads = 1 },
	{ "big", .change = nothing, .big = 1 },
	{ "little_space", .change = nothing, .prepare = little_space, .big = 1 },
	{ "little_data", .change = nothing, .prepare = little_data, .big = 1 },
	{ "under_filter", .change = nothing, .prepare = live_under_filter },
	{ "may_lock", .change = locked }, { "lock_more", .change = locked, .prepare = lock_little },
	{ "set_uid", .change = nothing, .mode = 04755 },
	{ "set_gid", .change = nothing, .mode = 02755 },
	{ "unreadable", .change = nothing, .check = is_dumpable, .mode = 0111 },
	{ "manifest", .change = nothing, .form = MANIFEST },
	MANIFESTED(exe), MANIFESTED(shared_write), MANIFESTED(shared_read, .check = cannot_write),
	{ "shared_both", .change = shared_write, .form = MANIFEST, .open_flags = O_RDWR },
	MANIFESTED(write_only, .open_flags = O_WRONLY), MANIFESTED(noexec),
	MANIFESTED(pipe_map), MANIFESTED(pages_write_only, .open_flags = O_WRONLY), MANIFESTED(pages_pipe),
	MANIFESTED(gate_file), MANIFESTED(report_read), MANIFESTED(control_flags), MANIFESTED(filter), MANIFESTED(filter_nnp),
};

static void place(int from, int to)
{
	if (from < 0 || dup2(from, to) != to)
		err(2, "descriptor %d", to);
}

static void report(int status, int error)
{
	if (error)
		printf("errno %s\n", strerrorname_np(error));
	else if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("exit %d\n", WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	static char *const args[] = { "image", NULL }, *const none[] = { NULL };
	const size_t nr = sizeof(changes) / sizeof(changes[0]);
	char path[4096], pages[4096];
	struct image im = { 0 };
	int *error, status, ends[2];
	size_t i;
	pid_t pid;

	if (argc < 3)
		return 2;
	for (i = 0; i < nr && strcmp(changes[i].name, argv[2]); i++)
		;
	if (i == nr)
		errx(2, "no change %s", argv[2]);
	if (argc > 3)
		file_to_map = argv[3];
	snprintf(path, sizeof(path), "%s/%s", argv[1], argv[2]);
	snprintf(pages, sizeof(pages), "%s/%s.pages", argv[1], argv[2]);
	seed.check = changes[i].check ? changes[i].check : is_fine;
	seed.threads = changes[i].threads;
	seed.big = changes[i].big;
	read_dump(&im);
	/* only now: a raw dump cannot have shared memory */
	error = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (error == MAP_FAILED)
		err(2, "mmap");
	if (changes[i].form == MANIFEST) {
		to_manifest(&im, pages);
		place(open(pages, O_RDONLY), FD_PAGES);
		place(open(file_to_map, changes[i].open_flags), FD_EXE);
		if (pipe(ends))
			err(2, "pipe");
		place(ends[0], FD_PIPE_READ);
		place(ends[1], FD_PIPE_WRITE);
	}
	changes[i].change(&im);
	save(&im, path, changes[i].mode ? changes[i].mode : 0755);
	pid = fork();
	if (!pid) {
		if (changes[i].prepare)
			changes[i].prepare();
		execve(path, args, none);
		*error = errno;
		_exit(7);
	}
	/* without __WALL: SIGCHLD is all that it may send us */
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		err(2, "waitpid");
	report(status, *error);
	return 0;
}

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
#include <linux/capability.h>
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
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "image.h"

#define TASK_END	user_end()
/* the first address that is none at all */
#define HOLE		(TASK_END + 0x1000)
#define BIG		(64ul << 20)
#define NOBODY		65534
#define SOMEBODY	4321

static const char *file_to_map = "/proc/self/exe";

/* A segment of ours that nobody else may attach. */
static int own_segment;

static const char *make_segment(void)
{
	static char path[64];
	char *memory;

	own_segment = shmget(IPC_PRIVATE, 65536, 0600);
	memory = shmat(own_segment, NULL, 0);
	/* to be gone when we are */
	if (memory == (void *)-1 || shmctl(own_segment, IPC_RMID, NULL))
		err(2, "a segment");
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)memory, (unsigned long)memory + 65536);
	return path;
}

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
	int timer;
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

/* Is the socket's other end who the image says, and not who made it? */
static int is_named(void)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	return getsockopt(FD_SOCKET, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.pid == 1 || peer.uid == SOMEBODY;
}

/* Key 1 is in use, and no other. */
static int has_other_keys(void)
{
	return pkey_alloc(0, 0) != 2;
}

static void *waiter(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static _Noreturn void be_saved(void)
{
	timer_t timer;
	pthread_t t;

	if (seed.timer && timer_create(CLOCK_MONOTONIC, NULL, &timer))
		_exit(9);
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

/* TASK_SIZE_MAX: it depends on whether page tables have a fifth level, which /proc/cpuinfo says only if they do */
static uint64_t user_end(void)
{
	static uint64_t end;
	char line[8192];
	FILE *f;

	if (end)
		return end;
	f = fopen("/proc/cpuinfo", "re");
	if (!f)
		err(1, "/proc/cpuinfo");
	end = (1ull << 47) - 0x1000;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "flags", 5) == 0 && strstr(line, " la57"))
			end = (1ull << 56) - 0x1000;
	fclose(f);
	return end;
}

/* All but one capability goes, and with them the user: it comes through execve() as an ambient one. */
static void checkpoint_alone(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 0 } };
	const uint32_t bit = 1u << (CAP_CHECKPOINT_RESTORE - 32);

	caps[1] = (struct __user_cap_data_struct){ .effective = bit, .permitted = bit, .inheritable = bit };
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresuid(NOBODY, NOBODY, NOBODY) || syscall(SYS_capset, &head, caps) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHECKPOINT_RESTORE, 0, 0))
		_exit(8);
}

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
CHANGE(ip_hole, *reg(im, R_IP) = HOLE)
CHANGE(ip_kernel, *reg(im, R_IP) = 0xffffffff81000000)
CHANGE(fs_kernel, *reg(im, R_FS_BASE) = 0xffff888000000000)
CHANGE(fs_hole, *reg(im, R_FS_BASE) = HOLE)
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

static void add_peer(struct image *im, int fd, int pid, uint32_t nr_groups)
{
	const struct crctl_peercred peer = { .fd = fd, .pid = pid, .uid = SOMEBODY, .gid = SOMEBODY, .nr_groups = nr_groups };
	const uint32_t groups[] = { 0 };

	add_note(im, CRCTL_NT_PEERCRED, &peer, sizeof(peer), 1, groups, sizeof(groups));
}
CHANGE(peer, add_peer(im, FD_SOCKET, 1, 1))
CHANGE(peer_file, add_peer(im, FD_PAGES, 1, 1))
CHANGE(peer_pid, add_peer(im, FD_SOCKET, -1, 1))
CHANGE(peer_groups, add_peer(im, FD_SOCKET, 1, 2))
CHANGE(peer_of_nobody, CREDS(im)->uid = CREDS(im)->euid = CREDS(im)->suid = CREDS(im)->fsuid = NOBODY;
       CREDS(im)->cap_permitted = CREDS(im)->cap_effective = CREDS(im)->cap_ambient = 0; add_peer(im, FD_SOCKET, 1, 1))
static void add_lock(struct image *im, uint32_t fd, uint32_t write, uint64_t start, uint64_t len)
{
	const struct crctl_lock lock = { .fd = fd, .write = write, .start = start, .len = len };

	add_note(im, CRCTL_NT_LOCK, &lock, sizeof(lock), 1, NULL, 0);
}
CHANGE(lock, add_lock(im, FD_EXE, 1, 0, 0))
CHANGE(lock_pipe, add_lock(im, FD_PIPE_WRITE, 1, 0, 0))
CHANGE(lock_closed, add_lock(im, 9999, 0, 0, 0))
CHANGE(lock_start, add_lock(im, FD_EXE, 0, 1ull << 63, 0))
CHANGE(lock_end, add_lock(im, FD_EXE, 0, 2, INT64_MAX))
CHANGE(lock_kind, add_lock(im, FD_EXE, 2, 0, 0))
static struct crctl_vma *attach(struct image *im, uint64_t id)
{
	struct crctl_vma *v = constants(im);

	v->kind = CRCTL_VMA_FILE_SHARED;
	v->file_flags = CRCTL_FILE_SYSV;
	v->fd = FD_EXE;
	v->ino = id;
	v->flags = v->offset = 0;
	v->prot = PROT_READ;
	return v;
}
CHANGE(segment, attach(im, own_segment))
CHANGE(segment_of_nobody, CREDS(im)->uid = CREDS(im)->euid = CREDS(im)->suid = CREDS(im)->fsuid = NOBODY;
       CREDS(im)->cap_permitted = CREDS(im)->cap_effective = CREDS(im)->cap_ambient = 0; attach(im, own_segment))
CHANGE(segment_other, attach(im, own_segment + 1))
CHANGE(segment_id, attach(im, 1ull << 31))
CHANGE(segment_private, attach(im, 0)->kind = CRCTL_VMA_FILE_PRIVATE)
CHANGE(segment_later, attach(im, 0)->attachment = head(im, CRCTL_NT_VMA)->count)
CHANGE(segment_part, attach(im, 0)->attachment = 1)
CHANGE(segment_none, vma_of(im, CRCTL_VMA_FILE_PRIVATE)->attachment = 1)
/* In place of the program's first page, which it does not need. */
static void make_huge(struct image *im, uint32_t shift, uint64_t end)
{
	struct crctl_vma *v = record(im, CRCTL_NT_VMA);

	*v = (struct crctl_vma){ .start = 2 << 20, .end = end, .kind = CRCTL_VMA_HUGE, .prot = 3, .fd = -1, .huge_shift = shift };
}
CHANGE(huge, make_huge(im, 21, 4 << 20))
CHANGE(huge_of_ordinary, make_huge(im, 0, 4 << 20))
CHANGE(huge_of_no_size, make_huge(im, 63, 4 << 20))
CHANGE(huge_half, make_huge(im, 21, 3 << 20))
CHANGE(huge_too_low, make_huge(im, 30, 1 << 30))
CHANGE(huge_ordinary, smallest_anon(im)->huge_shift = 21)
/* A mapping of the program's own file, which has no such pages. */
static struct crctl_vma *make_huge_file(struct image *im, uint64_t offset)
{
	const struct crctl_vma *file = vma_of(im, CRCTL_VMA_FILE_PRIVATE);
	struct crctl_vma *v = record(im, CRCTL_NT_VMA), was = *file;

	*v = was;
	v->start = 2 << 20;
	v->end = 4 << 20;
	v->offset = offset;
	v->huge_shift = 21;
	return v;
}
CHANGE(huge_file, make_huge_file(im, 0))
CHANGE(huge_file_part, make_huge_file(im, 4096))
CHANGE(huge_file_flags, make_huge_file(im, 0)->flags |= CRCTL_VMF_ACCOUNT)
CHANGE(keys, MM(im)->pkeys = 3)
CHANGE(keys_many, MM(im)->pkeys = 0x10001)
CHANGE(keys_without_first, MM(im)->pkeys = 2)
CHANGE(key_of_none, MM(im)->pkeys = 1; MM(im)->execute_only_pkey = 3)
CHANGE(key_beyond, MM(im)->pkeys = 0xffff; MM(im)->execute_only_pkey = 16)
/* On a clock that may wake the machine, which takes CAP_WAKE_ALARM. */
CHANGE(timer_alarm, ((struct crctl_timer *)record(im, CRCTL_NT_TIMER))->clock_id = CLOCK_BOOTTIME_ALARM)
CHANGE(timer_clock, ((struct crctl_timer *)record(im, CRCTL_NT_TIMER))->clock_id = 1000)
static void add_policy(struct image *im, uint32_t mode, uint32_t node, uint64_t start)
{
	struct crctl_mempolicy policy = { .start = start, .end = start ? start + 4096 : 0, .thread = !start, .mode = mode, .home_node = -1 };

	policy.nodes[node / 64] = 1ull << node % 64;
	add_note(im, CRCTL_NT_MEMPOLICY, &policy, sizeof(policy), 1, NULL, 0);
}
CHANGE(policy, add_policy(im, CRCTL_POLICY_BIND, 0, smallest_anon(im)->start))
CHANGE(policy_mode, add_policy(im, 99, 0, smallest_anon(im)->start))
CHANGE(policy_flags, add_policy(im, CRCTL_POLICY_BIND | CRCTL_POLICY_STATIC_NODES | CRCTL_POLICY_RELATIVE_NODES, 0, 0))
CHANGE(policy_nowhere, add_policy(im, CRCTL_POLICY_BIND, 0, last_vma(im)->end))
CHANGE(policy_vdso, add_policy(im, CRCTL_POLICY_BIND, 0, vma_of(im, CRCTL_VMA_VDSO)->start))
CHANGE(policy_node, add_policy(im, CRCTL_POLICY_BIND, CRCTL_POLICY_NODES - 1, smallest_anon(im)->start))
CHANGE(policy_node_thread, add_policy(im, CRCTL_POLICY_BIND, CRCTL_POLICY_NODES - 1, 0))
/* of manifests again */
static void add_notify(struct image *im, uint32_t fd, int how, int signal)
{
	const struct crctl_notify notify = { .fd = fd, .notify = how, .signal = signal };

	add_note(im, CRCTL_NT_NOTIFY, &notify, sizeof(notify), 1, NULL, 0);
}
CHANGE(notify_pipe, add_notify(im, FD_PIPE_READ, SIGEV_SIGNAL, SIGUSR1))
CHANGE(notify_closed, add_notify(im, 9999, SIGEV_SIGNAL, SIGUSR1))
CHANGE(notify_signal, add_notify(im, FD_PIPE_READ, SIGEV_SIGNAL, 65))
CHANGE(notify_thread, add_notify(im, FD_PIPE_READ, SIGEV_THREAD, SIGUSR1))
/* Pages of another process: who has reported to the same pipe, by its number. */
static void add_shared(struct image *im, int report, uint32_t id, uint32_t source, uint64_t start)
{
	const struct crctl_control c = { .gate_fd = -1, .report_fd = report, .id = id, .source = source };
	const struct crctl_cow cow = { .start = start, .len = 4096 };

	add_note(im, CRCTL_NT_COW, &cow, sizeof(cow), 1, NULL, 0);
	add_note(im, CRCTL_NT_CONTROL, &c, sizeof(c), 1, NULL, 0);
}
CHANGE(cow_of_nobody, add_shared(im, FD_PIPE_WRITE, 1, 0, smallest_anon(im)->start))
CHANGE(cow_of_itself, add_shared(im, FD_PIPE_WRITE, 1, 1, smallest_anon(im)->start))
CHANGE(cow_unreported, add_shared(im, -1, 1, 2, smallest_anon(im)->start))
CHANGE(cow_nowhere, add_shared(im, FD_PIPE_WRITE, 1, 2, last_vma(im)->end))
CHANGE(cow_kernel, add_shared(im, FD_PIPE_WRITE, 1, 2, 0xffff888000000000))
CHANGE(cow_dump, const struct crctl_cow c = { .start = smallest_anon(im)->start, .len = 4096 };
       add_note(im, CRCTL_NT_COW, &c, sizeof(c), 1, NULL, 0))

static const struct {
	const char *name;
	void (*change)(struct image *im);
	int (*check)(void);		/* what the process says of itself when it goes on */
	void (*prepare)(void);		/* of who executes it */
	enum { DUMP, MANIFEST } form;
	int mode;			/* of the image file, 0: 0755 */
	int open_flags;			/* of FILE */
	int threads, big, timer, segment;
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
	MANIFESTED(peer, .check = is_named), MANIFESTED(peer_file), MANIFESTED(peer_pid), MANIFESTED(peer_groups),
	MANIFESTED(peer_of_nobody, .check = is_named, .prepare = checkpoint_alone),
	{ "lock_reader", .change = lock, .form = MANIFEST }, MANIFESTED(lock, .open_flags = O_RDWR),
	MANIFESTED(lock_pipe), MANIFESTED(lock_closed), MANIFESTED(lock_start), MANIFESTED(lock_end), MANIFESTED(lock_kind),
	MANIFESTED(segment, .check = cannot_write, .open_flags = O_RDWR, .segment = 1),
	MANIFESTED(segment_of_nobody, .open_flags = O_RDWR, .prepare = checkpoint_alone, .segment = 1),
	{ "segment_file", .change = segment, .form = MANIFEST },
	MANIFESTED(segment_other, .open_flags = O_RDWR, .segment = 1),
	MANIFESTED(segment_id), MANIFESTED(segment_private), MANIFESTED(segment_later), MANIFESTED(segment_part),
	MANIFESTED(segment_none),
	DUMPED(huge), DUMPED(huge_of_ordinary), DUMPED(huge_of_no_size), DUMPED(huge_half), DUMPED(huge_too_low), DUMPED(huge_ordinary),
	DUMPED(huge_file), DUMPED(huge_file_part), DUMPED(huge_file_flags),
	DUMPED(keys, .check = has_other_keys), DUMPED(keys_many), DUMPED(keys_without_first), DUMPED(key_of_none),
	DUMPED(key_beyond),
	DUMPED(timer_alarm, .timer = 1), DUMPED(timer_clock, .timer = 1),
	MANIFESTED(policy), MANIFESTED(policy_mode), MANIFESTED(policy_flags), MANIFESTED(policy_nowhere), MANIFESTED(policy_vdso),
	MANIFESTED(policy_node), MANIFESTED(policy_node_thread),
	MANIFESTED(notify_pipe), MANIFESTED(notify_closed), MANIFESTED(notify_signal), MANIFESTED(notify_thread),
	MANIFESTED(cow_of_nobody), MANIFESTED(cow_of_itself), MANIFESTED(cow_unreported), MANIFESTED(cow_nowhere), MANIFESTED(cow_kernel),
	{ "cow_of_dump", .change = cow_dump, .form = MANIFEST },
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
	int *error, status, ends[2], sockets[2];
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
	seed.timer = changes[i].timer;
	read_dump(&im);
	/* only now: a raw dump cannot have shared memory */
	error = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (error == MAP_FAILED)
		err(2, "mmap");
	if (changes[i].segment)
		file_to_map = make_segment();
	if (changes[i].form == MANIFEST) {
		to_manifest(&im, pages);
		place(open(pages, O_RDONLY), FD_PAGES);
		place(open(file_to_map, changes[i].open_flags), FD_EXE);
		if (pipe(ends) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
			err(2, "pipe");
		place(ends[0], FD_PIPE_READ);
		place(ends[1], FD_PIPE_WRITE);
		place(sockets[0], FD_SOCKET);
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

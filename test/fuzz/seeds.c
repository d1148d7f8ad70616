#include "seeds.h"

#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "crctl_image.h"

#define SIZE_MAX_IMAGE (4u << 20)

/* ---- the processes: each sets something up, stops, and ends when it goes on ---- */

static void stop_and_end(void)
{
	raise(SIGSTOP);
	_exit(0);
}

static void *sleeper(void *arg)
{
	struct timespec ts = { .tv_sec = 1000 };

	(void)arg;
	for (;;)
		nanosleep(&ts, NULL);
	return NULL;
}

static void *poller(void *arg)
{
	(void)arg;
	for (;;)
		poll(NULL, 0, 1000000);
	return NULL;
}

static uint32_t futex_word;

static void *waiter(void *arg)
{
	struct timespec ts = { .tv_sec = 1000 };

	(void)arg;
	for (;;)
		syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
	return NULL;
}

/* Asleep in the system call that it is there for. */
static void wait_asleep(void)
{
	char path[64], state;
	pid_t tid;

	for (tid = getpid() + 1; tid < getpid() + 4; tid++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
		do {
			FILE *f = fopen(path, "r");

			if (!f)
				break;
			if (fscanf(f, "%*d %*s %c", &state) != 1)
				state = '?';
			fclose(f);
		} while (state != 'S');
	}
}

static void plain(void)
{
}

static void threads(void)
{
	void *(*const fns[])(void *) = { sleeper, poller, waiter };
	pthread_attr_t attr;
	pthread_t t;
	size_t i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < 3; i++)
		if (pthread_create(&t, &attr, fns[i], NULL))
			errx(2, "no thread");
	wait_asleep();
}

static void *stands_in(void *arg)
{
	char state = '?';

	while (state != 'Z') {
		FILE *f = fopen("/proc/self/stat", "r");

		if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
			_exit(126);
		fclose(f);
	}
	stop_and_end();
	return arg;
}

/* Its first thread has exited. */
static void leaderless(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, stands_in, NULL))
		errx(2, "no thread");
	syscall(SYS_exit, 3);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void signals(void)
{
	static char alternate[16384];
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART };
	sigset_t set;

	sigaltstack(&ss, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 7 });
}

static void timers(void)
{
	struct itimerspec its = { .it_value.tv_sec = 1000, .it_interval.tv_nsec = 1000000 };
	struct itimerval itv = { .it_value.tv_sec = 1000 };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME_ALARM, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
	};
	timer_t t;
	size_t i;

	for (i = 0; i < sizeof(clocks) / sizeof(*clocks); i++)
		if (!timer_create(clocks[i], &ev, &t))
			timer_settime(t, 0, &its, NULL);
	setitimer(ITIMER_REAL, &itv, NULL);
	setitimer(ITIMER_PROF, &itv, NULL);
}

static const struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void sandboxed(void)
{
	struct sock_fprog prog = { .len = 4, .filter = (struct sock_filter *)filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		err(2, "seccomp");
}

static void other_ids(void)
{
	gid_t groups[] = { 5, 6, 7, 65534 };

	if (setgroups(4, groups) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		err(2, "ids");
	/* or its own /proc/<pid>/dump would not be its user's */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void memory(void)
{
	char *p = mmap(NULL, 64 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *s = mmap(NULL, 4 << 12, PROT_READ | PROT_WRITE, MAP_SHARED, FD_SHARED, 0);
	int i;

	if (p == MAP_FAILED || s == MAP_FAILED)
		err(2, "mmap");
	for (i = 0; i < 64; i += 2)
		p[i << 12] = i;
	s[0] = 1;
	mprotect(p + (8 << 12), 8 << 12, PROT_NONE);
	mprotect(p + (24 << 12), 4 << 12, PROT_READ);
	madvise(p + (32 << 12), 4 << 12, MADV_DONTFORK);
	madvise(p + (36 << 12), 4 << 12, MADV_WIPEONFORK);
	madvise(p + (40 << 12), 4 << 12, MADV_NOHUGEPAGE);
	mlock(p + (44 << 12), 4 << 12);
	mmap(NULL, 8 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_NORESERVE, -1, 0);
	/* without a reservation it takes no huge page */
	mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
}

/* Without reservations they take no huge page. */
static void huge_files(void)
{
	mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, FD_HUGE, 2 << 20);
	mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, FD_HUGE, 0);
}

/* A segment of ours, which goes with us; -1: none yet. */
static int segment = -1;

/* Parts of one attachment, and another one for reading. */
static void segments(void)
{
	int id = segment < 0 ? shmget(IPC_PRIVATE, 8 << 12, 0600) : segment;
	char *p = shmat(id, NULL, 0);

	if (p == (void *)-1 || shmat(id, NULL, SHM_RDONLY) == (void *)-1 || (segment < 0 && shmctl(id, IPC_RMID, NULL)))
		err(2, "a segment");
	p[0] = 1;
	munmap(p + (2 << 12), 2 << 12);
	mprotect(p + (5 << 12), 1 << 12, PROT_READ);
}

/* Its file, for manifests to mean it by. No other process gets our attachment. */
static void make_segment(void)
{
	char path[64], *p;
	int fd;

	segment = shmget(IPC_PRIVATE, 8 << 12, 0666);
	p = shmat(segment, NULL, 0);
	if (p == (void *)-1 || madvise(p, 8 << 12, MADV_DONTFORK) || shmctl(segment, IPC_RMID, NULL))
		err(2, "a segment");
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + (8 << 12));
	fd = open(path, O_RDWR);
	if (fd < 0 || dup2(fd, FD_SEGMENT) != FD_SEGMENT)
		err(2, "%s", path);
	close(fd);
}

/* -1: none */
static int set = -1;

/* Something to undo, of a thread's too. */
static void semaphores(void)
{
	struct sembuf ops[] = { { 0, 5, SEM_UNDO }, { 2, 3, 0 }, { 2, -1, SEM_UNDO } };

	threads();
	if (set >= 0 && semop(set, ops, sizeof(ops) / sizeof(ops[0])))
		err(2, "semop");
}

void make_set(void)
{
	set = semget(IPC_PRIVATE, 3, 0666);
	if (set < 0)
		err(2, "a set of semaphores");
}

void remove_set(void)
{
	semctl(set, 0, IPC_RMID);
	set = -1;
}

/* A connection of which one end has sent more than the other takes, and datagrams that are being put together. */
static void sockets(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	int udp = socket(AF_INET, SOCK_DGRAM, 0), small = 4096, server;
	socklen_t length = sizeof(name);
	static const char data[16384];

	/* kept small, as what is in it is in the image */
	if (setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) ||
	    setsockopt(client, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) ||
	    bind(listener, (struct sockaddr *)&name, sizeof(name)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&name, &length) ||
	    connect(client, (struct sockaddr *)&name, sizeof(name)))
		err(2, "a connection");
	server = accept(listener, NULL, NULL);
	if (server < 0 || send(client, data, sizeof(data), MSG_DONTWAIT) < 0 || send(server, "back", 4, 0) != 4)
		err(2, "a connection");
	if (connect(udp, (struct sockaddr *)&name, sizeof(name)) || send(udp, "half", 4, MSG_MORE) != 4)
		err(2, "a datagram");
}

/* What fdinfo does not tell of: terminals with input and output that nobody has read, a semaphore, sockets. */
static void descriptors(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct termios t;

	if (master < 0 || unlockpt(master))
		err(2, "a terminal");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0 || tcgetattr(slave, &t))
		err(2, "%s", ptsname(master));
	t.c_lflag &= ~ECHO;
	if (tcsetattr(slave, TCSANOW, &t) || write(master, "a line\nand a word", 17) != 17 || write(slave, "output", 6) != 6 ||
	    eventfd(3, EFD_SEMAPHORE) < 0)
		err(2, "descriptors");
	sockets();
}

/* Some processors have none. */
static void keys(void)
{
	static char only[8192] __attribute__((aligned(4096)));
	int key = pkey_alloc(0, 0), free_key = pkey_alloc(0, 0);
	char *p = mmap(NULL, 4 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(2, "mmap");
	if (key < 0 || free_key < 0)
		return;
	p[0] = p[8192] = 1;
	if (pkey_mprotect(p, 2 << 12, PROT_READ | PROT_WRITE, key) ||
	    pkey_mprotect(p + (2 << 12), 1 << 12, PROT_READ, free_key) || pkey_free(free_key) ||
	    mprotect(only, 4096, PROT_EXEC))
		err(2, "protection keys");
}

/* Some kernels have none. */
static void policies(void)
{
	unsigned long node = 1, nodes = 3;
	char *p = mmap(NULL, 8 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(2, "mmap");
	memset(p, 1, 8 << 12);
	syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &node, 65);
	threads();
	syscall(SYS_set_mempolicy, MPOL_BIND | MPOL_F_STATIC_NODES, &nodes, 65);
	syscall(SYS_mbind, p, 2 << 12, MPOL_PREFERRED, NULL, 0, 0);
	syscall(SYS_mbind, p + (3 << 12), 2 << 12, MPOL_BIND, &node, 65, 0);
	syscall(450 /* set_mempolicy_home_node */, p + (4 << 12), 1 << 12, 0, 0);
	syscall(SYS_mbind, p + (6 << 12), 1 << 12, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, &nodes, 65, 0);
}

static void settings(void)
{
	volatile double x = 1.5;

	x *= 2;
	prctl(PR_SET_NAME, "a name");
	prctl(PR_SET_TIMERSLACK, 12345);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

static const struct {
	const char *name;
	void (*set_up)(void);
	/* a filter is added by who makes the manifest; a dump alone cannot attach segments, or map what has no name */
	bool manifest_only;
	/* another process has its pages, and shares them with its manifest's */
	bool shares;
} kinds[] = {
	{ .name = "plain", .set_up = plain }, { .name = "threads", .set_up = threads },
	{ .name = "leaderless", .set_up = leaderless }, { .name = "signals", .set_up = signals }, { .name = "timers", .set_up = timers },
	{ .name = "other_ids", .set_up = other_ids }, { .name = "memory", .set_up = memory },
	{ .name = "settings", .set_up = settings }, { .name = "descriptors", .set_up = descriptors },
	{ .name = "keys", .set_up = keys }, { .name = "segments", .set_up = segments, .manifest_only = true },
	{ .name = "huge_files", .set_up = huge_files, .manifest_only = true },
	{ .name = "semaphores", .set_up = semaphores }, { .name = "policies", .set_up = policies },
	{ .name = "sandboxed", .set_up = sandboxed, .manifest_only = true },
	{ .name = "shared_pages", .set_up = memory, .manifest_only = true, .shares = true },
};

/* ---- dumping ---- */

static int memory_file(const char *name)
{
	int fd = memfd_create(name, 0);

	if (fd < 0)
		err(2, "memfd_create");
	return fd;
}

/* To a file: what is in our memory is in that of the next process, too. */
static void dump(struct seed *s, pid_t pid)
{
	char path[64], buf[65536];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/dump", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		err(2, "%s", path);
	s->dump_fd = memory_file(s->name);
	for (s->size = 0; (n = read(fd, buf, sizeof(buf))) > 0; s->size += n)
		if (write(s->dump_fd, buf, n) != n)
			err(2, "keeping %s", path);
	if (n < 0)
		err(2, "reading %s", path);
	if (s->size > SIZE_MAX_IMAGE)
		errx(2, "%s, %s: %zu bytes are too many for a seed", s->name, path, s->size);
	close(fd);
}

static void load(struct seed *s)
{
	s->data = malloc(s->size);
	if (!s->data || pread(s->dump_fd, s->data, s->size, 0) != (ssize_t)s->size)
		err(2, "%s", s->name);
}

const char *seed_kind(size_t kind)
{
	return kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind].name : NULL;
}

pid_t start_seed(size_t kind)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		kinds[kind].set_up();
		stop_and_end();
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(2, "%s did not stop", kinds[kind].name);
	return pid;
}

static void make_seed(struct seed *s, size_t kind)
{
	pid_t pid = start_seed(kind);
	int status;

	snprintf(s->name, sizeof(s->name), "%s", kinds[kind].name);
	dump(s, pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* ---- manifests ---- */

static uint8_t *add_note(uint8_t *p, uint32_t type, const void *recs, uint32_t rec_size, uint32_t count,
			 const void *extra, uint32_t extra_size)
{
	struct crctl_note_head h = {
		.version = CRCTL_IMAGE_VERSION, .rec_size = rec_size, .count = count, .extra_size = extra_size,
	};
	Elf64_Nhdr nh = {
		.n_namesz = sizeof(CRCTL_NOTE_NAME), .n_type = type,
		.n_descsz = sizeof(h) + rec_size * count + extra_size,
	};

	memcpy(p, &nh, sizeof(nh));
	memcpy(p + 12, (char[8]){ CRCTL_NOTE_NAME }, 8);
	memcpy(p + 20, &h, sizeof(h));
	memcpy(p + 36, recs, (size_t)rec_size * count);
	memcpy(p + 36 + (size_t)rec_size * count, extra, extra_size);
	return p + 20 + (nh.n_descsz + 3) / 4 * 4;
}

/* The descriptors where a manifest has them. */
static void name_descriptors(uint8_t *desc, uint32_t type)
{
	struct crctl_note_head h;
	struct crctl_vma v;
	uint32_t i;

	memcpy(&h, desc, sizeof(h));
	desc += sizeof(h);
	if (type == CRCTL_NT_IMAGE)
		memcpy(desc, &(uint32_t){ CRCTL_IMAGE_MANIFEST }, 4);
	if (type == CRCTL_NT_MM)
		memcpy(desc + offsetof(struct crctl_mm, exe_fd), &(int32_t){ FD_EXE }, 4);
	for (i = 0; type == CRCTL_NT_VMA && i < h.count; i++) {
		memcpy(&v, desc + i * h.rec_size, sizeof(v));
		if (v.kind == CRCTL_VMA_FILE_PRIVATE)
			v.fd = FD_EXE;
		if (v.kind == CRCTL_VMA_FILE_SHARED)
			v.fd = v.file_flags & CRCTL_FILE_SYSV ? FD_SEGMENT : FD_SHARED;
		if (v.huge_shift && v.kind != CRCTL_VMA_HUGE)
			v.fd = FD_HUGE;
		memcpy(desc + i * h.rec_size, &v, sizeof(v));
	}
}

/* By what manifests know of each other. */
enum { HAS_PAGES = 1, TAKES_PAGES };

/* The pages of @image: in another file, or another process has them. */
static uint8_t *add_pages(uint8_t *p, const struct seed *image, bool shares)
{
	const Elf64_Shdr *sh = (const void *)(image->data + sizeof(Elf64_Ehdr));
	const Elf64_Phdr *ph = (const void *)(image->data + 128);
	uint32_t nr = sh->sh_info - 1, i;
	struct crctl_extent *e = calloc(nr, sizeof(*e));
	struct crctl_cow *c = calloc(nr, sizeof(*c));

	if (!e || !c)
		err(2, "%s", image->name);
	for (i = 0; i < nr; i++) {
		ph++;
		e[i] = (struct crctl_extent){ .vaddr = ph->p_vaddr, .len = ph->p_filesz, .offset = ph->p_offset, .fd = FD_DUMP };
		c[i] = (struct crctl_cow){ .start = ph->p_vaddr, .len = ph->p_filesz };
	}
	if (shares)
		p = add_note(p, CRCTL_NT_COW, c, sizeof(*c), nr, NULL, 0);
	else
		p = add_note(p, CRCTL_NT_EXTENT, e, sizeof(*e), nr, NULL, 0);
	free(e);
	free(c);
	return p;
}

/* What a controller makes of @image: the same task, its pages elsewhere, its files as descriptors. */
static void make_manifest(struct seed *s, const struct seed *image)
{
	const Elf64_Phdr *ph = (const void *)(image->data + 128);
	uint32_t cloexec[] = { FD_SHARED };
	const struct crctl_seccomp sc = { .thread = 1, .nr_insns = sizeof(filter) / sizeof(filter[0]) };
	const struct crctl_control c = {
		.gate_fd = FD_GATE, .report_fd = FD_REPORT,
		.id = s->shares ? TAKES_PAGES : HAS_PAGES, .source = s->shares ? HAS_PAGES : 0,
	};
	const struct crctl_notify notify = { .fd = FD_QUEUE, .notify = SIGEV_SIGNAL, .signal = SIGUSR1, .value = 5 };
	/* for reading, which many may: several run at the same time */
	const struct crctl_lock locks[] = {
		{ .fd = FD_SHARED, .start = 0, .len = 10 }, { .fd = FD_SHARED, .start = 100, .len = 0 },
	};
	const uint32_t groups[] = { 5, 7, 65534 };
	const struct crctl_peercred peers[] = {
		{ .fd = FD_SOCKET, .pid = 1, .uid = 1, .gid = 2, .nr_groups = 3 },
		{ .fd = FD_SOCKET, .uid = 65534, .gid = 65534, .nr_groups = 1, .groups_off = 8 },
	};
	uint8_t *p;
	size_t pos;

	snprintf(s->name, sizeof(s->name), "%.20s manifest", image->name);
	s->data = calloc(1, SIZE_MAX_IMAGE);
	s->dump_fd = image->dump_fd;
	if (!s->data)
		err(2, "%s", s->name);
	memcpy(s->data, image->data, 128 + sizeof(*ph));
	p = s->data + 128 + sizeof(*ph);
	memcpy(p, image->data + ph[0].p_offset, ph[0].p_filesz);
	for (pos = 0; pos < ph[0].p_filesz;) {
		Elf64_Nhdr nh;
		size_t name;

		memcpy(&nh, p + pos, sizeof(nh));
		name = (nh.n_namesz + 3) & ~3u;
		if (nh.n_namesz == sizeof(CRCTL_NOTE_NAME) && !memcmp(p + pos + 12, CRCTL_NOTE_NAME, nh.n_namesz))
			name_descriptors(p + pos + 12 + name, nh.n_type);
		pos += 12 + name + ((nh.n_descsz + 3) & ~3u);
	}
	p += ph[0].p_filesz;
	p = add_pages(p, image, s->shares);
	if (!strcmp(image->name, "sandboxed"))
		p = add_note(p, CRCTL_NT_SECCOMP, &sc, sizeof(sc), 1, filter, sizeof(filter));
	p = add_note(p, CRCTL_NT_CONTROL, &c, sizeof(c), 1, NULL, 0);
	p = add_note(p, CRCTL_NT_CLOEXEC, NULL, 0, 0, cloexec, sizeof(cloexec));
	p = add_note(p, CRCTL_NT_LOCK, locks, sizeof(locks[0]), 2, NULL, 0);
	p = add_note(p, CRCTL_NT_PEERCRED, peers, sizeof(peers[0]), 2, groups, sizeof(groups));
	p = add_note(p, CRCTL_NT_NOTIFY, &notify, sizeof(notify), 1, NULL, 0);
	s->size = p - s->data;
	((Elf64_Ehdr *)s->data)->e_phnum = 1;
	((Elf64_Shdr *)(s->data + sizeof(Elf64_Ehdr)))->sh_info = 1;
	((Elf64_Phdr *)(s->data + 128))->p_offset = 128 + sizeof(*ph);
	((Elf64_Phdr *)(s->data + 128))->p_filesz = s->size - 128 - sizeof(*ph);
}

static void place(int from, int to, int flags)
{
	if (from < 0 || dup3(from, to, flags) != to)
		_exit(126);
}

/* Its own, as one process may ask a queue at a time; nobody else finds it. */
static int queue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "/exec_fuzz.%d", getpid());
	fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	mq_unlink(name);
	return fd;
}

/* Who has pages that others share stands at its gate as long as somebody can open that, and has reported to the same pipe. */
static int source_report[2] = { -1, -1 };

static void descriptors_of(const struct seed *seed, int gate, int report)
{
	int pair[2];

	place(seed->dump_fd, FD_DUMP, 0);
	place(open("/proc/self/exe", O_RDONLY), FD_EXE, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		_exit(126);
	place(pair[0], FD_SOCKET, 0);
	place(queue(), FD_QUEUE, 0);
	place(gate, FD_GATE, O_CLOEXEC);
	place(report, FD_REPORT, O_CLOEXEC);
}

void manifest_descriptors(const struct seed *seed)
{
	int gate[2], report[2];
	char text[4096];

	if (pipe(gate) || pipe(report) || write(gate[1], "g", 1) != 1)
		_exit(126);
	descriptors_of(seed, gate[0], seed->shares ? source_report[1] : report[1]);
	/* who waits for another one's pages gives up when nobody can open the gate any more */
	if (!seed->shares)
		close(gate[1]);
	/* Nobody reads, so it must not block. */
	fcntl(FD_REPORT, F_SETFL, O_NONBLOCK);
	while (seed->shares && read(source_report[0], text, sizeof(text)) > 0)
		;
}

/* Executes the manifest of @image that has its pages, and waits until it stands at its gate. */
static void start_source(const struct seed *image)
{
	static char *const argv[] = { "source", NULL }, *const envp[] = { NULL };
	const char *path = "/tmp/exec_fuzz.source";
	struct seed source = { .shares = false };
	char text[256];
	ssize_t size;
	int gate[2];
	pid_t pid;

	make_manifest(&source, image);
	write_image(path, source.data, source.size);
	free(source.data);
	/* all that inherit an end of these are ours; programs lose them */
	if (pipe2(source_report, O_CLOEXEC) || pipe2(gate, O_CLOEXEC))
		err(2, "pipe");
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		/* no child of ours: those are waited for */
		if (fork())
			_exit(0);
		close(gate[1]);
		descriptors_of(&source, gate[0], source_report[1]);
		execve(path, argv, envp);
		err(126, "%s", path);
	}
	waitpid(pid, NULL, 0);
	close(gate[0]);
	size = read(source_report[0], text, sizeof(text) - 1);
	if (size <= 0 || strncmp(text, "ready ", 6))
		errx(2, "who has pages to share says \"%.*s\"", (int)(size < 0 ? 0 : size), text);
	fcntl(source_report[0], F_SETFL, O_NONBLOCK);
	unlink(path);
}

void write_image(const char *path, const uint8_t *data, size_t size)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
		err(2, "%s", path);
}

size_t make_seeds(struct seed *seeds, size_t room)
{
	int shared = open("/tmp/exec_fuzz.shared", O_CREAT | O_RDWR, 0666);
	int huge = memfd_create("huge", MFD_HUGETLB);
	const size_t nr = sizeof(kinds) / sizeof(kinds[0]);
	size_t i, n = 0;

	if (room < 2 * nr)
		errx(2, "room for %zu seeds is not enough", room);
	if (shared < 0 || ftruncate(shared, 16 << 12) || dup2(shared, FD_SHARED) != FD_SHARED)
		err(2, "a file to share");
	if (huge >= 0 && (ftruncate(huge, 8 << 20) || dup2(huge, FD_HUGE) != FD_HUGE))
		err(2, "a file of huge pages");
	make_segment();
	make_set();
	for (i = 0; i < nr; i++)
		make_seed(&seeds[i], i);
	for (i = 0; i < nr; i++)
		load(&seeds[i]);
	for (i = 0; i < nr; i++) {
		seeds[nr + i].shares = kinds[i].shares;
		make_manifest(&seeds[nr + i], &seeds[i]);
		if (kinds[i].shares)
			start_source(&seeds[i]);
		seeds[i].dump_fd = -1;
	}
	remove_set();
	for (i = 0; i < 2 * nr; i++)
		if (i >= nr || !kinds[i].manifest_only)
			seeds[n++] = seeds[i];
	return n;
}

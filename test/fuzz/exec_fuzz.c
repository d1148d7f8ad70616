/*
 * execve() of mutated images and manifests, on a machine that may go down with
 * it: see make fuzz.
 *
 *	exec_fuzz [-n TIMES] [-s SEED] [-f FIRST] [-j WORKERS] [-t SECONDS] [-o DIR]
 *
 *	-f  begin with that run: the numbers of runs and the seed tell one again
 *	-t  what still runs after that long is killed, and must then end
 *	-o  write the seeds, without their pages, and do nothing else
 *
 * Every other run is an unprivileged user's. Each has to end: execve() fails, or
 * the task ends, or it goes on and can be killed. Prints how often what happened;
 * exit status 1 when something could not be killed or is left over.
 */
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crctl_image.h"
#include "fields.h"
#include "leftovers.h"
#include "mutate.h"
#include "seeds.h"

#define MAX_SEEDS 32
#define MAX_SIZE (5u << 20)
#define NOBODY 65534
#define MAX_WORKERS 64
/* So many runs come to every kind of field, some thirty times. */
#define ENOUGH 500ul

/* What happened, counted by all workers. */
struct counts {
	atomic_ulong done, exited, stopped, killed;
	atomic_ulong by_errno[256], by_signal[128];
	atomic_ulong by_kind[NR_FIELD_KINDS];	/* changed fields, by meaning */
	atomic_ulong original;		/* unchanged seeds that went on as they should */
	atomic_bool stuck;
	atomic_ulong next[MAX_WORKERS];	/* the run that a worker is at */
	atomic_ulong parents;		/* workers that got the signal a task of root's sends at its end */
};

static struct counts *counts;
static struct seed seeds[MAX_SEEDS];
static size_t nr_seeds;
static unsigned int seconds = 5;
static unsigned long first;

/* ---- one execution ---- */

static void limit(int which, rlim_t value)
{
	setrlimit(which, &(struct rlimit){ value, value });
}

/* What a damaged program prints is of no interest. */
static void silence(void)
{
	int fd = open("/dev/null", O_WRONLY);

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(124);
	close(fd);
}

/* The child: @result is read by its parent if execve() fails. */
static void run(const struct seed *seed, const char *path, bool privileged, atomic_int *result)
{
	static char *const argv[] = { "image", NULL }, *const envp[] = { NULL };

	setpgid(0, 0);
	limit(RLIMIT_AS, 1ul << 30);
	limit(RLIMIT_FSIZE, 1ul << 20);
	limit(RLIMIT_CORE, 0);
	silence();
	if (seed->dump_fd >= 0)
		manifest_descriptors(seed);
	if (!privileged && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		_exit(126);
	execve(path, argv, envp);
	*result = errno;
	_exit(125);
}

static bool wait_until(pid_t pid, int *status, unsigned int limit_s)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct timespec now, end;
	sigset_t set;
	pid_t got;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += limit_s;
	for (;;) {
		/* __WALL: a mutated image may not send SIGCHLD at its end */
		got = waitpid(pid, status, WNOHANG | WUNTRACED | __WALL);
		if (got == pid)
			return true;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec > end.tv_nsec))
			return false;
		/* SIGCHLD is blocked; the pause is for one that went to another wait */
		sigtimedwait(&set, NULL, &pause);
	}
}

/* Where it is, and its threads are, in the kernel. */
static void tell_where(pid_t pid)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "cd /proc/%d/task; for t in *; do echo thread $t; cat $t/status $t/stack $t/syscall; done >&2", pid);
	if (system(command))
		fprintf(stderr, "its threads cannot be looked at\n");
}

/* Returns its wait status; counts. -1: it cannot be killed. */
static int execute(const struct seed *seed, const char *path, bool privileged, atomic_int *result)
{
	int status;
	pid_t pid;

	*result = 0;
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid)
		run(seed, path, privileged, result);
	if (!wait_until(pid, &status, seconds) || WIFSTOPPED(status)) {
		atomic_fetch_add(WIFSTOPPED(status) ? &counts->stopped : &counts->killed, 1);
		kill(pid, SIGKILL);
		do {
			if (!wait_until(pid, &status, 60)) {
				fprintf(stderr, "process %d (%s) is not to be killed\n", pid, seed->name);
				tell_where(pid);
				counts->stuck = true;
				return -1;
			}
		} while (WIFSTOPPED(status));
		return status;
	}
	if (*result)
		atomic_fetch_add(&counts->by_errno[*result & 255], 1);
	else if (WIFEXITED(status))
		atomic_fetch_add(&counts->exited, 1);
	else
		atomic_fetch_add(&counts->by_signal[WTERMSIG(status) & 127], 1);
	return status;
}

/* ---- workers ---- */

static void worker(unsigned int w, unsigned int nr_workers, unsigned long end, uint64_t seed)
{
	atomic_ulong *next = &counts->next[w];
	uint8_t *data = malloc(MAX_SIZE);
	atomic_int *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[64];
	unsigned long i;
	unsigned int kind;
	size_t size;

	snprintf(path, sizeof(path), "/tmp/exec_fuzz.%u", w);
	if (!data || result == MAP_FAILED)
		err(2, "memory");
	while ((i = atomic_fetch_add(next, nr_workers)) < end && !counts->stuck) {
		const struct seed *s = &seeds[i / 2 % nr_seeds];

		memcpy(data, s->data, s->size);
		size = mutate_image(data, s->size, MAX_SIZE, seed + i);
		for (kind = 0; kind < NR_FIELD_KINDS; kind++)
			if (mutated_kinds & 1u << kind)
				atomic_fetch_add(&counts->by_kind[kind], 1);
		write_image(path, data, size);
		if (execute(s, path, i % 2, result) == -1)
			fprintf(stderr, "run %lu of seed %lu\n", i, (unsigned long)seed);
		atomic_fetch_add(&counts->done, 1);
	}
	unlink(path);
}

static pid_t start_worker(unsigned int w, unsigned int nr_workers, unsigned long end, uint64_t seed)
{
	pid_t pid = fork();

	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		worker(w, nr_workers, end, seed);
		_exit(0);
	}
	return pid;
}

/*
 * Which signal its parent gets is a thing that an image of root's says, and so
 * a worker may be killed or stopped by what it runs: another goes on behind.
 * Orphans come to us as well.
 */
static void wait_for_workers(pid_t *pids, unsigned int nr, unsigned long end, uint64_t seed)
{
	unsigned int w;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WUNTRACED | __WALL)) > 0 || errno == EINTR) {
		for (w = 0; w < nr && pids[w] != pid; w++)
			;
		if (pid <= 0 || w == nr || (WIFEXITED(status) && !WEXITSTATUS(status)))
			continue;
		if (WIFEXITED(status))
			exit(2);	/* it has said why */
		counts->parents++;
		if (WIFSTOPPED(status)) {
			kill(pid, SIGCONT);
			continue;
		}
		counts->done++;
		pids[w] = start_worker(w, nr, end, seed);
	}
}

/* Runs @from to @end - 1. */
static void run_all(unsigned int workers, unsigned long from, unsigned long end, uint64_t seed)
{
	pid_t pids[MAX_WORKERS];
	unsigned int w;

	for (w = 0; w < workers; w++) {
		counts->next[w] = from + w;
		pids[w] = start_worker(w, workers, end, seed);
	}
	wait_for_workers(pids, workers, end, seed);
}

/* An unchanged seed goes on to its end: mutations of it reach everything. */
static void try_originals(void)
{
	atomic_int *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *path = "/tmp/exec_fuzz.original";
	size_t i;
	int status;

	if (result == MAP_FAILED)
		err(2, "memory");
	for (i = 0; i < nr_seeds; i++) {
		write_image(path, seeds[i].data, seeds[i].size);
		status = execute(&seeds[i], path, true, result);
		if (!*result && WIFEXITED(status) && WEXITSTATUS(status) == 0)
			counts->original++;
		else
			fprintf(stderr, "the seed \"%s\" does not go on: errno %d, status %x\n", seeds[i].name, *result, status);
	}
	unlink(path);
	printf("%lu of %zu seeds go on unchanged\n", counts->original, nr_seeds);
	if (counts->original != nr_seeds)
		exit(1);
}

/*
 * The image without its pages, and with so much of the vdso only as the parser
 * cares for: seeds are kept in the tree. Returns the size.
 */
static size_t shorten(uint8_t *data)
{
	Elf64_Phdr *ph = (void *)(data + 128);
	uint8_t *p = data + ph->p_offset, *end = p + ph->p_filesz, *out = p;
	const uint32_t keep = 64;

	while (p < end) {
		Elf64_Nhdr nh;
		struct crctl_note_head h;
		size_t head, len;

		memcpy(&nh, p, sizeof(nh));
		head = sizeof(nh) + ((nh.n_namesz + 3) & ~3u);
		len = head + ((nh.n_descsz + 3) & ~3u);
		memmove(out, p, len);
		p += len;
		if (nh.n_type == CRCTL_NT_VDSO) {
			memcpy(&h, out + head, sizeof(h));
			if (h.extra_size > keep)
				h.extra_size = keep;
			nh.n_descsz = sizeof(h) + h.extra_size;
			memcpy(out, &nh, sizeof(nh));
			memcpy(out + head, &h, sizeof(h));
			len = head + nh.n_descsz;
		}
		out += len;
	}
	ph->p_filesz = out - (data + ph->p_offset);
	return ph->p_offset + ph->p_filesz;
}

static void write_seeds(const char *dir)
{
	char path[4096];
	size_t i, size;
	char *p;

	for (i = 0; i < nr_seeds; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, seeds[i].name);
		for (p = path + strlen(dir); *p; p++)
			if (*p == ' ')
				*p = '-';
		size = shorten(seeds[i].data);
		write_image(path, seeds[i].data, size);
		printf("%s: %zu bytes\n", path, size);
	}
}

static void report(void)
{
	unsigned long refused = 0, died = 0;
	int i;

	for (i = 0; i < 256; i++)
		refused += counts->by_errno[i];
	for (i = 0; i < 128; i++)
		died += counts->by_signal[i];
	printf("%lu executions: %lu refused, %lu died of a signal, %lu ran to an end, %lu ran on and %lu stopped until killed\n",
	       counts->done, refused, died, counts->exited - counts->original, counts->killed, counts->stopped);
	printf("changed on the way:");
	for (i = 0; i < NR_FIELD_KINDS; i++)
		printf(" %lu %s%s", counts->by_kind[i], field_kind_name(i), i < NR_FIELD_KINDS - 1 ? "," : "\n");
	printf("  %8lu signals to the parent at the end of a task\n", counts->parents);
	for (i = 0; i < 256; i++)
		if (counts->by_errno[i])
			printf("  %8lu %s\n", counts->by_errno[i], strerror(i));
	for (i = 0; i < 128; i++)
		if (counts->by_signal[i])
			printf("  %8lu SIG%s\n", counts->by_signal[i], sigabbrev_np(i) ?: "?");
}

int main(int argc, char **argv)
{
	unsigned long times = 1000, seed = time(NULL);
	unsigned int workers = sysconf(_SC_NPROCESSORS_ONLN);
	const char *out = NULL;
	unsigned long warm;
	struct baseline before;
	sigset_t set;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "n:s:f:j:t:o:")) != -1) {
		switch (opt) {
		case 'n':
			times = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 'f':
			first = strtoul(optarg, NULL, 0);
			break;
		case 'j':
			workers = strtoul(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtoul(optarg, NULL, 0);
			break;
		case 'o':
			out = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!workers || workers > MAX_WORKERS)
		return 2;
	nr_seeds = make_seeds(seeds, MAX_SEEDS);
	if (out) {
		write_seeds(out);
		return 0;
	}
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		err(2, "mmap");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Their children ask for the end of their parent, and so do restored ones. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	try_originals();

	printf("seed %lu, %lu executions by %u workers\n", seed, times, workers);
	/* The first runs fill caches and make buffers that stay. */
	warm = times / 10 < 1000 ? times / 10 : 1000;
	take_baseline(&before);
	run_all(workers, first, first + warm, seed);
	before.memory = memory_used();
	run_all(workers, first + warm, first + times, seed);
	report();
	if (counts->stuck)
		return 1;
	if (counts->done != times) {
		printf("a worker ended early\n");
		return 1;
	}
	for (size_t i = 0; times >= ENOUGH && i < NR_FIELD_KINDS; i++)
		if (!counts->by_kind[i]) {
			printf("no %s was ever changed\n", field_kind_name(i));
			return 1;
		}
	return nothing_left(&before) ? 0 : 1;
}

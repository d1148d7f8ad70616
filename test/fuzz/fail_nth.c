/*
 * Every allocation of the kernel fails once, one after the other, while a dump is
 * read and while an image is executed: on a kernel with CONFIG_FAULT_INJECTION,
 * CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC, see make fuzz-memory.
 *
 *	fail_nth [-m MOST]
 *
 *	-m  no more than so many allocations of each
 *
 * Documentation/fault-injection/fault-injection.rst: N in /proc/self/fail-nth has
 * the Nth allocation of the task fail; what is left of N tells whether it came to
 * that. A dump must then be the same as before or end in an errno, and execve()
 * in an errno, a task that dies of a signal, or one that goes on as it should. Prints how often what
 * happened; exit status 1 when it was something else, or something is left over.
 */
#include <dirent.h>
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "leftovers.h"
#include "seeds.h"

#define MAX_SEEDS 32
#define DUMP_ROOM (8u << 20)
/* Far beyond what one of them allocates. */
#define ENDLESS 100000ul
/* Seconds that a task may take. */
#define PATIENCE 60

static unsigned long most = ENDLESS;

/* What a child tells. */
static struct answer {
	int error;
	bool armed;
	bool other;		/* the dump is not the same, and no errno said so */
} *answer;

static struct tally {
	unsigned long done, fine, failed, died;
} reads, executions;

/* No allocation is to fail. */
#define NEVER 0ul

/* ---- the kernel's own switches ---- */

static void set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err(2, "%s", path);
	close(fd);
}

/* All allocations may fail, not only those that cannot wait; nothing is printed. */
static void prepare(void)
{
	if (access("/sys/kernel/debug/failslab", F_OK) && mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL))
		err(2, "/sys/kernel/debug");
	set("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	set("/sys/kernel/debug/failslab/verbose", "0");
	set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	set("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	set("/sys/kernel/debug/fail_page_alloc/verbose", "0");
}

static void arm(unsigned long n)
{
	char text[32];
	int fd;

	if (n == NEVER)
		return;
	snprintf(text, sizeof(text), "%lu", n);
	fd = open("/proc/self/fail-nth", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(120);
	answer->armed = true;
}

/* Whether the allocation has failed, in a task that is dead or stands still. */
static bool has_failed(pid_t pid)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		err(2, "%s", path);
	close(fd);
	return atol(text) == 0;
}

/* ---- one run ---- */

/* Waits for its end; ends the program if that does not come. Returns its status. */
static int end_of(pid_t pid, const char *what, unsigned long n, bool *failed)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	siginfo_t info = { 0 };
	int i, status;

	for (i = 0; i < PATIENCE * 500; i++) {
		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL))
			err(2, "waitid");
		if (info.si_pid)
			break;
		nanosleep(&pause, NULL);
	}
	if (!info.si_pid) {
		printf("%s: process %d does not end after allocation %lu failed\n", what, pid, n);
		exit(1);
	}
	*failed = answer->armed && has_failed(pid);
	waitpid(pid, &status, __WALL);
	if (n != NEVER && !answer->armed) {
		printf("%s: the failure of allocation %lu could not be asked for: status %#x\n", what, n, status);
		exit(1);
	}
	return status;
}

/* All of it, with what is in mfd/ before it: how many links. Errors end it. */
static void read_dump(pid_t pid, char *buf, size_t *size, unsigned int *links)
{
	char path[64], link[4200];
	struct dirent *entry;
	ssize_t n;
	DIR *dir;
	int fd;

	*size = 0;
	*links = 0;
	snprintf(path, sizeof(path), "/proc/%d/mfd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((errno = 0, entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (readlinkat(dirfd(dir), entry->d_name, link, sizeof(link)) < 0)
			return;
		++*links;
	}
	if (errno)
		return;
	closedir(dir);
	snprintf(path, sizeof(path), "/proc/%d/dump", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	while ((n = read(fd, buf + *size, DUMP_ROOM - *size)) > 0)
		*size += n;
	/* one that failed is about to end */
	if (n == 0) {
		close(fd);
		errno = 0;
	}
}

struct expected {
	char *dump;
	size_t size;
	unsigned int links;
};

/* The pages and where they go; notes hold the time of the dump. */
static bool same_dump(const char *dump, const struct expected *e)
{
	const Elf64_Phdr *ph = (const void *)(e->dump + sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr));
	uint32_t nr = ((const Elf64_Shdr *)(e->dump + sizeof(Elf64_Ehdr)))->sh_info;
	size_t first = nr > 1 ? ph[1].p_offset : e->size;

	return !memcmp(dump, e->dump, ph[0].p_offset) && !memcmp(dump + first, e->dump + first, e->size - first);
}

/* Returns whether there was an Nth allocation. */
static bool try_read(pid_t target, const char *kind, char *buf, const struct expected *e, unsigned long n)
{
	unsigned int links;
	bool failed = false;
	size_t size;
	int status;
	pid_t pid;

	memset(answer, 0, sizeof(*answer));
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		arm(n);
		read_dump(target, buf, &size, &links);
		answer->error = errno;
		answer->other = !errno && (size != e->size || links != e->links || !same_dump(buf, e));
		_exit(0);
	}
	status = end_of(pid, kind, n, &failed);
	if (status || answer->other || (answer->error && !failed)) {
		printf("reading %s when allocation %lu fails: status %#x, errno %d%s\n", kind, n, status, answer->error,
		       answer->other ? ", another dump" : "");
		exit(1);
	}
	if (failed)
		*(answer->error ? &reads.failed : &reads.fine) += 1;
	reads.done += failed;
	return failed;
}

/* The same for execve(): a task that goes on does what it was to do, and ends with 0. */
static bool try_execve(const struct seed *s, const char *path, unsigned long n)
{
	static char *const argv[] = { "image", NULL }, *const envp[] = { NULL };
	bool failed = false;
	int status;
	pid_t pid;

	memset(answer, 0, sizeof(*answer));
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		setpgid(0, 0);
		if (s->dump_fd >= 0)
			manifest_descriptors(s);
		arm(n);
		execve(path, argv, envp);
		answer->error = errno;
		_exit(121);
	}
	status = end_of(pid, s->name, n, &failed);
	if (answer->error || WIFSIGNALED(status) ? !failed : status) {
		printf("executing %s when allocation %lu fails: errno %d, status %#x\n", s->name, n, answer->error, status);
		exit(1);
	}
	if (failed)
		*(answer->error ? &executions.failed : WIFSIGNALED(status) ? &executions.died : &executions.fine) += 1;
	executions.done += failed;
	return failed;
}

/* ---- all of them ---- */

static void try_reads(bool warm_up)
{
	char *buf = malloc(DUMP_ROOM);
	struct expected e = { .dump = malloc(DUMP_ROOM) };
	unsigned long n;
	size_t kind;
	int status;

	if (!buf || !e.dump)
		err(2, "memory");
	for (kind = 0; seed_kind(kind); kind++) {
		pid_t target = start_seed(kind);

		errno = 0;
		read_dump(target, e.dump, &e.size, &e.links);
		if (errno)
			err(2, "a dump of %s", seed_kind(kind));
		try_read(target, seed_kind(kind), buf, &e, NEVER);
		if (!warm_up) {
			for (n = 1; n <= most && try_read(target, seed_kind(kind), buf, &e, n); n++)
				;
			printf("reading a dump of %s: %lu allocations\n", seed_kind(kind), n - 1);
		}
		kill(target, SIGKILL);
		waitpid(target, &status, 0);
	}
	free(buf);
	free(e.dump);
}

static void try_executions(const struct seed *seeds, size_t nr, bool warm_up)
{
	const char *path = "/tmp/fail_nth.image";
	unsigned long n;
	size_t i;

	for (i = 0; i < nr; i++) {
		write_image(path, seeds[i].data, seeds[i].size);
		try_execve(&seeds[i], path, NEVER);
		if (warm_up)
			continue;
		for (n = 1; n <= most && try_execve(&seeds[i], path, n); n++)
			;
		printf("executing %s: %lu allocations\n", seeds[i].name, n - 1);
	}
	unlink(path);
}

static void report(const char *what, const struct tally *t)
{
	printf("%s: %lu times an allocation failed: %lu errors, %lu died of a signal, %lu went on\n", what, t->done, t->failed,
	       t->died, t->fine);
}

int main(int argc, char **argv)
{
	static struct seed seeds[MAX_SEEDS];
	struct baseline before;
	size_t nr;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "m:")) != -1) {
		if (opt != 'm')
			return 2;
		most = strtoul(optarg, NULL, 0);
	}
	prepare();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* before there is shared memory, which a raw dump cannot bring back */
	nr = make_seeds(seeds, MAX_SEEDS);
	answer = mmap(NULL, sizeof(*answer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (answer == MAP_FAILED)
		err(2, "mmap");
	make_set();
	try_reads(true);
	try_executions(seeds, nr, true);
	take_baseline(&before);
	try_reads(false);
	try_executions(seeds, nr, false);
	remove_set();
	report("dumps", &reads);
	report("images", &executions);
	if (!reads.failed || !executions.failed) {
		printf("nothing ever failed\n");
		return 1;
	}
	return nothing_left(&before) ? 0 : 1;
}

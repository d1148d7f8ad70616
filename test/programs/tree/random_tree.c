// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process tree as a specification says. Argument: its path. One thing a line, numbers from 0:
 *
 *	task PARENT KIND ARG SESSION THREADS PAGES	PARENT -1: the root. KIND live, stopped, or zombie with wait
 *							status ARG. SESSION 0: the parent's, 1: a new group, 2: a new
 *							session. Extra threads; pages of private memory.
 *	pipe BYTES CAPACITY READERS WRITERS		bit masks of tasks; BYTES unread
 *	memory PAGES					shared anonymous memory
 *	map MEMORY TASK FIRST PAGES			a task maps that part of it; elsewhere it maps nothing of it
 *	file PATH TASKS POSITION			one open file description in several tasks
 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { MAX = 64 };

static struct task {
	int parent, argument, session, threads, pages;
	char kind[16];
} tasks[MAX];
static struct pipe_spec { int bytes, capacity; uint64_t readers, writers; int fd[2]; } pipes[MAX];
static struct memory { int pages; char *at; } memories[MAX];
static struct mapping { int memory, task, first, pages; char *at; } mappings[MAX];
static struct file { char path[1024]; uint64_t tasks; long position; int fd; } files[MAX];
static int nr_tasks, nr_pipes, nr_memories, nr_mappings, nr_files;

/* Seen by all tasks. */
static struct board {
	volatile int set_up;
	volatile pid_t pid[MAX];
} *board;

static void read_specification(const char *path)
{
	FILE *in = fopen(path, "re");
	char what[16];

	CHECK(in, "%s: %s", path, strerror(errno));
	while (fscanf(in, "%15s", what) == 1) {
		int got, want;

		if (strcmp(what, "task") == 0) {
			struct task *t = &tasks[nr_tasks++];
			want = 6;
			got = fscanf(in, "%d %15s %d %d %d %d", &t->parent, t->kind, &t->argument, &t->session, &t->threads, &t->pages);
		} else if (strcmp(what, "pipe") == 0) {
			struct pipe_spec *p = &pipes[nr_pipes++];
			want = 4;
			got = fscanf(in, "%d %d %lu %lu", &p->bytes, &p->capacity, &p->readers, &p->writers);
		} else if (strcmp(what, "memory") == 0) {
			want = 1;
			got = fscanf(in, "%d", &memories[nr_memories++].pages);
		} else if (strcmp(what, "map") == 0) {
			struct mapping *m = &mappings[nr_mappings++];
			want = 4;
			got = fscanf(in, "%d %d %d %d", &m->memory, &m->task, &m->first, &m->pages);
		} else {
			struct file *f = &files[nr_files++];
			CHECK(strcmp(what, "file") == 0, "'%s' in the specification", what);
			want = 3;
			got = fscanf(in, "%1023s %lu %ld", f->path, &f->tasks, &f->position);
		}
		CHECK(got == want, "a line '%s' has %d of %d numbers", what, got, want);
		CHECK(nr_tasks < MAX && nr_pipes < MAX && nr_memories < MAX && nr_mappings < MAX && nr_files < MAX, "too much");
	}
	fclose(in);
}

static uint64_t bit(int task)
{
	return 1ul << task;
}

static void make_objects(void)
{
	static char data[1 << 20];

	for (int i = 0; i < nr_pipes; i++) {
		TRY(pipe(pipes[i].fd));
		TRY(fcntl(pipes[i].fd[0], F_SETPIPE_SZ, pipes[i].capacity));
		pattern_fill(data, sizeof(data), 1000 + i);
		SAME(write(pipes[i].fd[1], data, pipes[i].bytes), pipes[i].bytes);
	}
	for (int i = 0; i < nr_memories; i++) {
		size_t size = memories[i].pages * PAGE;
		memories[i].at = TRY(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		/* Every third page stays a hole. */
		for (int page = 0; page < memories[i].pages; page++)
			if (page % 3)
				pattern_fill(memories[i].at + page * PAGE, PAGE, i * 1000 + page);
	}
	for (int i = 0; i < nr_files; i++) {
		files[i].fd = TRY(open(files[i].path, O_RDWR | O_CREAT, 0644));
		TRY(lseek(files[i].fd, files[i].position, SEEK_SET));
	}
}

/* Of what was inherited, keep what the specification gives to this task. */
static void keep_own(int self)
{
	for (int i = 0; i < nr_mappings; i++) {
		struct mapping *m = &mappings[i];
		size_t size = m->pages * PAGE;

		if (m->task != self)
			continue;
		m->at = TRY(mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		/* Old size 0: another mapping of the same pages, and the old one stays for now. */
		m->at = TRY(mremap(memories[m->memory].at + m->first * PAGE, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, m->at));
	}
	for (int i = 0; i < nr_memories; i++)
		TRY(munmap(memories[i].at, memories[i].pages * PAGE));
	for (int i = 0; i < nr_pipes; i++) {
		if (!(pipes[i].readers & bit(self)))
			close(pipes[i].fd[0]);
		if (!(pipes[i].writers & bit(self)))
			close(pipes[i].fd[1]);
	}
	for (int i = 0; i < nr_files; i++)
		if (!(files[i].tasks & bit(self)))
			close(files[i].fd);
}

static void verify_own(int self)
{
	static char data[1 << 20], expected[1 << 20];

	for (int i = 0; i < nr_mappings; i++) {
		struct mapping *m = &mappings[i];

		for (int page = m->first; m->task == self && page < m->first + m->pages; page++) {
			char *at = m->at + (page - m->first) * PAGE;
			if (page % 3)
				pattern_check(at, PAGE, m->memory * 1000 + page, "shared memory");
			else
				SAME(*(uint64_t *)at, 0);
		}
	}
	for (int i = 0; i < nr_pipes; i++) {
		/* The first of the readers reads, for all. */
		if (!(pipes[i].readers & bit(self)) || pipes[i].readers & (bit(self) - 1))
			continue;
		SAME(fcntl(pipes[i].fd[0], F_GETPIPE_SZ), pipes[i].capacity);
		for (int got = 0; got < pipes[i].bytes;) {
			ssize_t size = TRY(read(pipes[i].fd[0], data + got, pipes[i].bytes - got));
			CHECK(size > 0, "pipe %d ends after %d of %d bytes", i, got, pipes[i].bytes);
			got += size;
		}
		pattern_fill(expected, sizeof(expected), 1000 + i);
		CHECK(memcmp(data, expected, pipes[i].bytes) == 0, "pipe %d holds something else", i);
	}
	for (int i = 0; i < nr_files; i++)
		if (files[i].tasks & bit(self))
			SAME(lseek(files[i].fd, 0, SEEK_CUR), files[i].position);
}

static void *thread(void *arg)
{
	pthread_barrier_wait(arg);
	for (;;)
		pause();
	return NULL;
}

static void run(int self);

static void start(int index)
{
	struct task *t = &tasks[index];
	pid_t pid = TRY(fork());

	if (pid == 0) {
		if (t->session == 2)
			TRY(setsid());
		else if (t->session == 1)
			TRY(setpgid(0, 0));
		run(index);
	}
	board->pid[index] = pid;
}

static void run(int self)
{
	struct task *t = &tasks[self];
	pthread_barrier_t barrier;

	for (int i = 0; i < nr_tasks; i++)
		if (i != self && tasks[i].parent == self)
			start(i);
	if (strcmp(t->kind, "zombie") == 0) {
		if (t->argument & 0x7f)
			raise(t->argument & 0x7f);
		_exit(t->argument >> 8);
	}
	if (self != 0)
		keep_own(self);
	char *private = t->pages ? TRY(mmap(NULL, t->pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) : NULL;
	pattern_fill(private, t->pages * PAGE, 5000 + self);
	TRY0(pthread_barrier_init(&barrier, NULL, t->threads + 1));
	for (int i = 0; i < t->threads; i++) {
		pthread_t id;
		TRY0(pthread_create(&id, NULL, thread, &barrier));
	}
	pthread_barrier_wait(&barrier);
	__atomic_add_fetch(&board->set_up, 1, __ATOMIC_RELEASE);

	if (self == 0) {
		int live = 0;

		for (int i = 0; i < nr_tasks; i++)
			live += strcmp(tasks[i].kind, "zombie") != 0;
		/* Children inherit while they start, so the root lets go last. */
		WAIT_FOR(__atomic_load_n(&board->set_up, __ATOMIC_ACQUIRE) == live);
		keep_own(0);
		for (int i = 1; i < nr_tasks; i++) {
			if (strcmp(tasks[i].kind, "stopped") == 0) {
				TRY(kill(board->pid[i], SIGSTOP));
				proc_wait_state(board->pid[i], 'T');
			} else if (strcmp(tasks[i].kind, "zombie") == 0) {
				proc_wait_state(board->pid[i], 'Z');
			}
		}
		test_ready();
	}
	test_wait();
	if (self == 0) {
		for (int i = 1; i < nr_tasks; i++) {
			if (strcmp(tasks[i].kind, "zombie") == 0)
				continue;
			bool stopped = strcmp(tasks[i].kind, "stopped") == 0;

			if (stopped)
				SAME(proc_state(board->pid[i]), 'T');
			TRY(kill(board->pid[i], SIGUSR1));
			/* one that was not stopped may have ended by now */
			if (stopped)
				TRY(kill(board->pid[i], SIGCONT));
		}
	}
	pattern_check(private, t->pages * PAGE, 5000 + self, "private memory");
	verify_own(self);
	for (int i = 0; i < nr_tasks; i++) {
		int status;

		if (i == self || tasks[i].parent != self)
			continue;
		SAME(TRY(TEMP_FAILURE_RETRY(waitpid(board->pid[i], &status, 0))), board->pid[i]);
		CHECK(status == (strcmp(tasks[i].kind, "zombie") == 0 ? tasks[i].argument : 0), "task %d ended with %#x", i, status);
	}
	if (self != 0)
		_exit(0);
	if (private)
		TRY(munmap(private, t->pages * PAGE));
}

int main(int argc, char **argv)
{
	int own = test_init(argc, argv);

	CHECK(own < argc, "which specification?");
	read_specification(argv[own]);
	board = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	do {
		board->set_up = 0;
		make_objects();
		run(0);
		/* What belongs to the root alone is made anew in the next round. */
		for (int i = 0; i < nr_mappings; i++)
			if (mappings[i].task == 0)
				TRY(munmap(mappings[i].at, mappings[i].pages * PAGE));
		for (int i = 0; i < nr_pipes; i++) {
			if (pipes[i].readers & 1)
				close(pipes[i].fd[0]);
			if (pipes[i].writers & 1)
				close(pipes[i].fd[1]);
		}
		for (int i = 0; i < nr_files; i++)
			if (files[i].tasks & 1)
				close(files[i].fd);
	} while (test_pass());
	return 0;
}

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
 *	pair FAMILY TYPE BYTES READERS WRITERS		two connected sockets; BYTES unread, in messages
 *	watch COUNT TASKS				an eventfd, and an epoll instance that watches it
 */
#include "sockets.h"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
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
static struct pair { int family, type, bytes; uint64_t readers, writers; int fd[2]; } pairs[MAX];
static struct watch { int count; uint64_t tasks; int counter, epoll; } watches[MAX];
static int nr_tasks, nr_pipes, nr_memories, nr_mappings, nr_files, nr_pairs, nr_watches;

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
		} else if (strcmp(what, "pair") == 0) {
			struct pair *p = &pairs[nr_pairs++];
			want = 5;
			got = fscanf(in, "%d %d %d %lu %lu", &p->family, &p->type, &p->bytes, &p->readers, &p->writers);
		} else if (strcmp(what, "watch") == 0) {
			struct watch *w = &watches[nr_watches++];
			want = 2;
			got = fscanf(in, "%d %lu", &w->count, &w->tasks);
		} else {
			struct file *f = &files[nr_files++];
			CHECK(strcmp(what, "file") == 0, "'%s' in the specification", what);
			want = 3;
			got = fscanf(in, "%1023s %lu %ld", f->path, &f->tasks, &f->position);
		}
		CHECK(got == want, "a line '%s' has %d of %d numbers", what, got, want);
		CHECK(nr_tasks < MAX && nr_pipes < MAX && nr_memories < MAX && nr_mappings < MAX && nr_files < MAX, "too much");
		CHECK(nr_pairs < MAX && nr_watches < MAX, "too much");
	}
	fclose(in);
}

static uint64_t bit(int task)
{
	return 1ul << task;
}

/* Of a pair's messages, all but the last; a stream has no bounds, and comes in one. */
static int message_size(const struct pair *p)
{
	return p->type == SOCK_STREAM ? p->bytes : 1000;
}

/* At an address of its own, which it returns. */
static struct sockaddr_storage bind_loopback(int fd, int family)
{
	struct sockaddr_storage name = { .ss_family = family };
	socklen_t length = sizeof(name);

	if (family == AF_INET6)
		((struct sockaddr_in6 *)&name)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	TRY(bind(fd, (struct sockaddr *)&name, family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)));
	TRY(getsockname(fd, (struct sockaddr *)&name, &length));
	return name;
}

static void connect_to(int fd, const struct sockaddr_storage *name)
{
	bool six = name->ss_family == AF_INET6;

	TRY(connect(fd, (const struct sockaddr *)name, six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)));
}

/* What socketpair() does not give. */
static void make_inet_pair(struct pair *p)
{
	int first = TRY(socket(p->family, p->type, 0));
	const struct sockaddr_storage name = bind_loopback(first, p->family);

	p->fd[1] = TRY(socket(p->family, p->type, 0));
	if (p->type == SOCK_DGRAM) {
		const struct sockaddr_storage other = bind_loopback(p->fd[1], p->family);

		p->fd[0] = first;
		connect_to(p->fd[0], &other);
		connect_to(p->fd[1], &name);
		return;
	}
	TRY(listen(first, 1));
	connect_to(p->fd[1], &name);
	p->fd[0] = TRY(accept(first, NULL, NULL));
	close(first);
}

static void make_pair(struct pair *p, const char *data)
{
	if (p->family == AF_UNIX)
		TRY(socketpair(AF_UNIX, p->type, 0, p->fd));
	else
		make_inet_pair(p);
	for (int sent = 0; sent < p->bytes;) {
		int size = p->bytes - sent < message_size(p) ? p->bytes - sent : message_size(p);

		SAME(send(p->fd[1], data + sent, size, 0), size);
		sent += size;
	}
}

static void read_pair(const struct pair *p, int index)
{
	static char data[1 << 18], expected[1 << 18];
	/* of TCP some may be on its way still */
	const int how = p->family != AF_UNIX && p->type == SOCK_STREAM ? MSG_WAITALL : MSG_DONTWAIT;

	for (int got = 0; got < p->bytes;) {
		int size = p->bytes - got < message_size(p) ? p->bytes - got : message_size(p);

		SAME(recv(p->fd[0], data + got, p->type == SOCK_STREAM ? size : (int)sizeof(data) - got, how), size);
		got += size;
	}
	pattern_fill(expected, sizeof(expected), 3000 + index);
	CHECK(memcmp(data, expected, p->bytes) == 0, "the sockets of pair %d hold something else", index);
	/* those that have the other end may have ended by now */
	if (p->writers == 0 && p->type != SOCK_DGRAM)
		SAME(recv(p->fd[0], data, 1, how), 0);
	else
		CHECK(recv(p->fd[0], data, 1, MSG_DONTWAIT) <= 0, "the sockets of pair %d hold more", index);
}

static void make_watch(struct watch *w, int index)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = index };

	w->counter = TRY(eventfd(w->count, EFD_NONBLOCK));
	w->epoll = TRY(epoll_create1(0));
	TRY(epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->counter, &event));
}

static void check_watch(const struct watch *w, int index)
{
	struct epoll_event event = { 0 };
	eventfd_t count = 0;

	SAME(epoll_wait(w->epoll, &event, 1, 0), w->count > 0);
	if (w->count > 0) {
		SAME(event.data.u32, index);
		TRY(eventfd_read(w->counter, &count));
	}
	SAME(count, w->count);
	SAME(epoll_wait(w->epoll, &event, 1, 0), 0);
}

static void make_objects(void)
{
	static char data[1 << 20];
	const cpu_set_t processors = stay_on_processor();

	for (int i = 0; i < nr_pairs; i++) {
		pattern_fill(data, 1 << 18, 3000 + i);
		make_pair(&pairs[i], data);
	}
	TRY(sched_setaffinity(0, sizeof(processors), &processors));
	for (int i = 0; i < nr_watches; i++)
		make_watch(&watches[i], i);

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

/* Those that a task has, or those that it has not. */
static void close_sockets(int self, bool own)
{
	for (int i = 0; i < nr_pairs; i++) {
		if (!(pairs[i].readers & bit(self)) != own)
			close(pairs[i].fd[0]);
		if (!(pairs[i].writers & bit(self)) != own)
			close(pairs[i].fd[1]);
	}
	for (int i = 0; i < nr_watches; i++) {
		if (!(watches[i].tasks & bit(self)) == own)
			continue;
		close(watches[i].counter);
		close(watches[i].epoll);
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
	close_sockets(self, false);
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
	/* as with pipes */
	for (int i = 0; i < nr_pairs; i++)
		if (pairs[i].readers & bit(self) && !(pairs[i].readers & (bit(self) - 1)))
			read_pair(&pairs[i], i);
	for (int i = 0; i < nr_watches; i++)
		if (watches[i].tasks & bit(self) && !(watches[i].tasks & (bit(self) - 1)))
			check_watch(&watches[i], i);
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
		close_sockets(0, true);
	} while (test_pass());
	return 0;
}

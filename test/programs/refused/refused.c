// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds one object that cannot be saved, so that a dump must refuse it by
 * name, and then goes on as if nothing had been tried. Argument: its name in
 * the tables below.
 */
#include "test.h"
#include "refused.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static int pair[2];

static void unix_socket(void) { TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair)); }
static void tcp_socket(void) { TRY(listen(TRY(socket(AF_INET, SOCK_STREAM, 0)), 1)); }
static void netlink_socket(void) { TRY(socket(AF_NETLINK, SOCK_RAW, 0)); }
static void epoll(void) { TRY(epoll_create1(0)); }
static void event(void) { TRY(eventfd(3, 0)); }
static void timer(void) { TRY(timerfd_create(CLOCK_MONOTONIC, 0)); }
static void inotify(void) { TRY(inotify_add_watch(TRY(inotify_init()), "/", IN_CREATE)); }
static void pid_descriptor(void) { TRY(syscall(SYS_pidfd_open, getpid(), 0)); }
static void terminal_master(void) { TRY(open("/dev/ptmx", O_RDWR | O_NOCTTY)); }

static void signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	TRY(signalfd(-1, &set, 0));
}

static void ring(void)
{
	struct io_uring_params params = { 0 };

	TRY(syscall(SYS_io_uring_setup, 4, &params));
}

static void faults(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = TRY(syscall(SYS_userfaultfd, 0));
	TRY(ioctl(fd, UFFDIO_API, &api));
	void *area = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct uffdio_register registration = {
		.range = { (uintptr_t)area, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	TRY(ioctl(fd, UFFDIO_REGISTER, &registration));
}

static void perf(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1,
	};

	TRY(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static void message_queue(void)
{
	TRY(mq_open("/crctl-test", O_RDWR | O_CREAT, 0600, NULL));
	TRY(mq_unlink("/crctl-test"));
}

static void aio(void)
{
	aio_context_t context = 0;

	TRY(syscall(SYS_io_setup, 4, &context));
}

static int locked_file(void)
{
	return TRY(open(test_path("locked"), O_RDWR | O_CREAT, 0644));
}

static void flock_lock(void) { TRY(flock(locked_file(), LOCK_EX)); }
static void lease(void) { TRY(fcntl(locked_file(), F_SETLEASE, F_WRLCK)); }

static void posix_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 10 };

	TRY(fcntl(locked_file(), F_SETLK, &lock));
}

static void description_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 10 };

	TRY(fcntl(locked_file(), F_OFD_SETLK, &lock));
}

static void deleted_cwd(void)
{
	TRY(mkdir(test_path("cwd"), 0755));
	TRY(chdir(test_path("cwd")));
	TRY(rmdir(test_path("cwd")));
}

static void process_file(void)
{
	TRY(open("/proc/self/maps", O_RDONLY));
}

static void process_directory(void)
{
	TRY(chdir("/proc/self/task"));
}

static void sysv_memory(void)
{
	int id = TRY(shmget(IPC_PRIVATE, PAGE, 0600));
	memset(TRY(shmat(id, NULL, 0)), 1, PAGE);
	TRY(shmctl(id, IPC_RMID, NULL));
}

static void huge_pages(void)
{
	int fd = TRY(open("/proc/sys/vm/nr_hugepages", O_WRONLY));
	CHECK(write(fd, "2", 1) == 1, "cannot reserve huge pages: %s", strerror(errno));
	close(fd);
	memset(TRY(mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0)), 1, PAGE);
}

static const struct refused_kind descriptors_and_memory[] = {
	{ "unix-socket", unix_socket, NULL }, { "tcp-socket", tcp_socket, NULL },
	{ "netlink-socket", netlink_socket, NULL }, { "epoll", epoll, NULL },
	{ "eventfd", event, NULL }, { "timerfd", timer, NULL },
	{ "signalfd", signals, NULL }, { "inotify", inotify, NULL },
	{ "io_uring", ring, NULL }, { "userfaultfd", faults, NULL },
	{ "pidfd", pid_descriptor, NULL }, { "perf", perf, NULL },
	{ "pty-master", terminal_master, NULL }, { "message-queue", message_queue, NULL },
	{ "aio", aio, NULL }, { "flock", flock_lock, NULL },
	{ "posix-lock", posix_lock, NULL }, { "ofd-lock", description_lock, NULL },
	{ "lease", lease, NULL }, { "deleted-cwd", deleted_cwd, NULL },
	{ "proc-file", process_file, NULL }, { "proc-cwd", process_directory, NULL },
	{ "sysv-shm", sysv_memory, NULL }, { "hugetlb", huge_pages, NULL },
	{ NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	const struct refused_kind *const tables[] = { descriptors_and_memory, refused_tasks, refused_newer };
	int own = test_init(argc, argv);

	CHECK(own < argc, "which kind?");
	for (size_t i = 0; i < COUNT(tables); i++) {
		const struct refused_kind *kind = tables[i];

		while (kind->name && strcmp(kind->name, argv[own]) != 0)
			kind++;
		if (!kind->name)
			continue;
		bool first = true;
		do {
			/* What a verification has ended is made anew. */
			if (first || kind->verify)
				kind->set_up();
			first = false;
			test_ready();
			test_wait();
			if (kind->verify)
				kind->verify();
		} while (test_pass());
		return 0;
	}
	FAIL("unknown kind %s", argv[own]);
}

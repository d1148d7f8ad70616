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
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

static int pair[2];


/* The other end is an orphan's. */
static void unix_socket(void)
{
	pid_t pid;
	char byte;

	TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = TRY(fork());
	if (pid == 0) {
		close(pair[0]);
		if (fork() == 0)
			while (read(pair[1], &byte, 1) < 0)
				;
		_exit(0);
	}
	TRY(waitpid(pid, NULL, 0));
	close(pair[1]);
}

/* It has urgent data, of which nobody knows where they were. */
static void tcp_urgent(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = TRY(socket(AF_INET, SOCK_STREAM, 0)), client = TRY(socket(AF_INET, SOCK_STREAM, 0)), server;
	socklen_t length = sizeof(address);

	TRY(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	TRY(listen(listener, 1));
	TRY(getsockname(listener, (struct sockaddr *)&address, &length));
	TRY(connect(client, (struct sockaddr *)&address, sizeof(address)));
	server = TRY(accept(listener, NULL, NULL));
	TRY(send(client, "!", 1, MSG_OOB));
	SAME(poll(&(struct pollfd){ .fd = server, .events = POLLPRI }, 1, 60000), 1);
}

static void udp_multicast(void)
{
	const struct ip_mreqn group = { .imr_multiaddr.s_addr = htonl(0xe0000042), .imr_address.s_addr = htonl(INADDR_LOOPBACK) };

	TRY(setsockopt(TRY(socket(AF_INET, SOCK_DGRAM, 0)), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
}

static void netlink_generic(void) { TRY(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)); }

/* The reply to a request that the kernel does not know. */
static void netlink_unread(void)
{
	const struct nlmsghdr request = { sizeof(request), NLMSG_MIN_TYPE, NLM_F_REQUEST | NLM_F_ACK, 1, 0 };

	SAME(send(TRY(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)), &request, sizeof(request), 0), sizeof(request));
}

/* A target that nobody but an orphan has open any more, which ends when the program does. */
static void epoll_lost_target(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = TRY(epoll_create1(0)), ends[2], target;
	char byte;
	pid_t pid;

	TRY(pipe(ends));
	target = TRY(epoll_create1(0));
	TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, target, &event));
	pid = TRY(fork());
	if (pid == 0) {
		close(ends[1]);
		if (fork() == 0)
			while (read(ends[0], &byte, 1) < 0)
				;
		_exit(0);
	}
	TRY(waitpid(pid, NULL, 0));
	close(target);
	close(ends[0]);
}

static int watch(const char *suffix, uint32_t mask)
{
	int fd = TRY(open(test_path(suffix), O_RDWR | O_CREAT, 0644));

	TRY(inotify_add_watch(TRY(inotify_init()), test_path(suffix), mask));
	return fd;
}

static void inotify_unread(void) { TRY(write(watch("watched", IN_MODIFY), "x", 1)); }

/* It is open, and so the watch stays. */
static void inotify_deleted(void)
{
	watch("watched", IN_MODIFY);
	TRY(unlink(test_path("watched")));
}

static void pidfd_outside(void) { TRY(syscall(SYS_pidfd_open, 1, 0)); }

static void locked_settings(void)
{
	const struct termios all = { .c_lflag = ~0u };

	TRY(ioctl(TRY(open("/dev/ptmx", O_RDWR | O_NOCTTY)), TIOCSLCKTRMIOS, &all));
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

static void hear(union sigval value) { (void)value; }

static void message_queue(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = hear };

	TRY(mq_notify(TRY(mq_open("/crctl-test", O_RDWR | O_CREAT, 0600, NULL)), &event));
	TRY(mq_unlink("/crctl-test"));
}

static void aio(void)
{
	aio_context_t context = 0;

	TRY(syscall(SYS_io_setup, 4, &context));
}

/* Its contents cannot be read without ending the lease. */
static void lease_deleted(void)
{
	int fd = TRY(open(test_path("leased"), O_RDWR | O_CREAT, 0644));

	TRY(unlink(test_path("leased")));
	TRY(fcntl(fd, F_SETLEASE, F_WRLCK));
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

static char *segment(size_t size, int flags)
{
	int id = TRY(shmget(IPC_PRIVATE, size, 0600 | flags));
	char *memory = TRY(shmat(id, NULL, 0));

	TRY(shmctl(id, IPC_RMID, NULL));
	return memory;
}

/* Behind shmat()'s back: such a mapping is not counted. */
static void sysv_mapped(void)
{
	char path[64], *memory = segment(PAGE, 0);

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)memory, (unsigned long)memory + PAGE);
	int fd = TRY(open(path, O_RDWR));
	memset(TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), 1, PAGE);
	close(fd);
}

static const struct refused_kind descriptors_and_memory[] = {
	{ "unix-socket", unix_socket, NULL }, { "tcp-urgent", tcp_urgent, NULL }, { "udp-multicast", udp_multicast, NULL },
	{ "netlink-generic", netlink_generic, NULL }, { "netlink-unread", netlink_unread, NULL }, { "epoll-lost-target", epoll_lost_target, NULL },
	{ "inotify-unread", inotify_unread, NULL }, { "inotify-deleted", inotify_deleted, NULL },
	{ "io_uring", ring, NULL }, { "userfaultfd", faults, NULL },
	{ "pidfd-outside", pidfd_outside, NULL }, { "perf", perf, NULL },
	{ "pty-locked-settings", locked_settings, NULL }, { "message-queue", message_queue, NULL },
	{ "aio", aio, NULL }, { "lease-deleted", lease_deleted, NULL },
	{ "deleted-cwd", deleted_cwd, NULL },
	{ "proc-file", process_file, NULL }, { "proc-cwd", process_directory, NULL },
	{ "sysv-mapped", sysv_mapped, NULL },
	{ NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	const struct refused_kind *const tables[] = {
		descriptors_and_memory, refused_descriptors, refused_tasks, refused_newer, refused_sockets,
	};
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

// SPDX-License-Identifier: GPL-2.0-only
/* Sockets in states that are not saved. */
#include "test.h"
#include "refused.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static void socket_filter(void)
{
	int pair[2], program = load_filter();

	TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	TRY(setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)));
	close(program);
}

/* Others can send to it before its filter is there. */
static void filter_exposed(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	const struct sock_fprog program = { 1, &all };

	TRY(setsockopt(TRY(socket(AF_INET, SOCK_DGRAM, 0)), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

/* A message of somebody who has ended, and who is to be told of. */
static void socket_stranger(void)
{
	int pair[2], one = 1;
	pid_t pid;

	TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	TRY(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	pid = TRY(fork());
	if (pid == 0)
		_exit(send(pair[1], "who", 3, 0) != 3);
	TRY(waitpid(pid, NULL, 0));
}

/* Two are connected to each other; one turns to a third then, which has a name. */
static void socket_one_way(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int pair[2], third = TRY(socket(AF_UNIX, SOCK_DGRAM, 0)), error;
	socklen_t length = sizeof(error);

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "crctl-third-%d", getpid());
	TRY(bind(third, (struct sockaddr *)&address, sizeof(address)));
	TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	TRY(connect(pair[0], (struct sockaddr *)&address, sizeof(address)));
	/* the other one has been told, and stays connected to who is not connected to it */
	TRY(getsockopt(pair[1], SOL_SOCKET, SO_ERROR, &error, &length));
}

struct connection { int client, server; };

static struct connection connection(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = TRY(socket(AF_INET, SOCK_STREAM, 0));
	struct connection result = { .client = TRY(socket(AF_INET, SOCK_STREAM, 0)) };
	socklen_t length = sizeof(address);

	TRY(bind(listener, (struct sockaddr *)&address, sizeof(address)));
	TRY(listen(listener, 1));
	TRY(getsockname(listener, (struct sockaddr *)&address, &length));
	TRY(connect(result.client, (struct sockaddr *)&address, sizeof(address)));
	result.server = TRY(accept(listener, NULL, NULL));
	close(listener);
	return result;
}

static int receiver;
static size_t sent;

/* What is behind this is in a socket that nobody has any more. */
static void tcp_closing(void)
{
	struct connection pair = connection();
	static char bytes[64 << 10];
	ssize_t size;

	TRY(fcntl(pair.server, F_SETFL, O_NONBLOCK));
	for (sent = 0; (size = send(pair.server, bytes, sizeof(bytes), 0)) > 0; sent += (size_t)size)
		;
	close(pair.server);
	receiver = pair.client;
}

static void all_came(void)
{
	static char bytes[64 << 10];
	size_t received = 0;
	ssize_t size;

	while ((size = recv(receiver, bytes, sizeof(bytes), 0)) > 0)
		received += (size_t)size;
	SAME(size, 0);
	SAME(received, sent);
	close(receiver);
}

/* As one that is translated to another address: nothing of this machine is at its other end. */
static void tcp_translated(void)
{
	struct connection pair = connection();
	int on = 1;

	TRY(setsockopt(pair.server, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)));
	close(pair.server);
}

static void tcp_elsewhere(void)
{
	int own = TRY(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));

	TRY(unshare(CLONE_NEWNET));
	TRY(socket(AF_INET, SOCK_STREAM, 0));
	TRY(setns(own, CLONE_NEWNET));
	close(own);
}

static void udp_chosen(void)
{
	struct sock_filter first = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { 1, &first };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = TRY(socket(AF_INET, SOCK_DGRAM, 0)), on = 1;

	TRY(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	TRY(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	TRY(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)));
}

const struct refused_kind refused_sockets[] = {
	{ "tcp-closing", tcp_closing, all_came },
	{ "tcp-translated", tcp_translated, NULL },
	{ "tcp-elsewhere", tcp_elsewhere, NULL },
	{ "udp-chosen", udp_chosen, NULL },
	{ "socket-filter", socket_filter, NULL }, { "filter-exposed", filter_exposed, NULL },
	{ "socket-stranger", socket_stranger, NULL },
	{ "socket-one-way", socket_one_way, NULL },
	{ NULL, NULL, NULL },
};

// SPDX-License-Identifier: GPL-2.0-only
/* netlink(7): sockets with their ports, groups and options; they ask the kernel and are told by it as before. */
#include "test.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef RTNLGRP_BRVLAN
#define RTNLGRP_BRVLAN 33
#endif

/* Of more than one word of the kernel's bitmap. */
static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_BRVLAN };
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static const struct { int name, value; } options[] = {
	{ NETLINK_PKTINFO, 1 }, { NETLINK_NO_ENOBUFS, 1 }, { NETLINK_CAP_ACK, 1 }, { NETLINK_EXT_ACK, 1 },
	{ NETLINK_BROADCAST_ERROR, 0 },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static char buffer[65536];

static int make(int type, int protocol)
{
	return TRY(socket(AF_NETLINK, type | SOCK_CLOEXEC, protocol));
}

static void set(int fd, int name, int value)
{
	TRY(setsockopt(fd, SOL_NETLINK, name, &value, sizeof(value)));
}

static int get(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);

	TRY(getsockopt(fd, level, name, &value, &length));
	return value;
}

static struct sockaddr_nl name_of(int fd)
{
	struct sockaddr_nl name;
	socklen_t length = sizeof(name);

	TRY(getsockname(fd, (struct sockaddr *)&name, &length));
	return name;
}

static void bind_to(int fd, uint32_t port, uint32_t mask)
{
	const struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = mask };

	TRY(bind(fd, (const struct sockaddr *)&name, sizeof(name)));
}

static bool in_group(int fd, int group)
{
	uint32_t words[16] = { 0 };
	socklen_t length = sizeof(words);

	TRY(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words, &length));
	return words[(group - 1) / 32] >> (group - 1) % 32 & 1;
}

static void send_request(int fd, void *request, size_t size)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	SAME(sendto(fd, request, size, 0, (const struct sockaddr *)&kernel, sizeof(kernel)), size);
}

/* The loopback device is among those that the kernel tells of. */
static void ask_for_links(int fd, uint32_t sequence)
{
	struct { struct nlmsghdr head; struct ifinfomsg info; } request = {
		.head = { sizeof(request), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0 },
		.info = { .ifi_family = AF_UNSPEC },
	};
	bool loopback = false;

	send_request(fd, &request, sizeof(request));
	for (;;) {
		ssize_t length = TRY(recv(fd, buffer, sizeof(buffer), 0));

		for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, length); m = NLMSG_NEXT(m, length)) {
			SAME(m->nlmsg_seq, sequence);
			SAME(m->nlmsg_pid, name_of(fd).nl_pid);
			if (m->nlmsg_type == NLMSG_DONE) {
				CHECK(loopback, "there is no loopback device");
				return;
			}
			SAME(m->nlmsg_type, RTM_NEWLINK);
			if (((struct ifinfomsg *)NLMSG_DATA(m))->ifi_index == 1)
				loopback = true;
		}
	}
}

/* 127.0.9.N is added to the loopback device, or taken from it. */
static void change_address(int fd, int type, uint8_t n)
{
	struct {
		struct nlmsghdr head;
		struct ifaddrmsg info;
		struct rtattr attr;
		uint32_t address;
	} request = {
		.head = { sizeof(request), (uint16_t)type, NLM_F_REQUEST | NLM_F_ACK | (type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0), n, 0 },
		.info = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1 },
		.attr = { RTA_LENGTH(4), IFA_LOCAL },
		.address = htonl(0x7f000900u | n),
	};
	struct { struct nlmsghdr head; struct nlmsgerr error; char rest[256]; } reply;

	send_request(fd, &request, sizeof(request));
	TRY(recv(fd, &reply, sizeof(reply), 0));
	SAME(reply.head.nlmsg_type, NLMSG_ERROR);
	SAME(reply.error.error, 0);
}

/* Until there is nothing left: whether it was told of that change. Others' changes are no concern of ours. */
static bool was_told(int fd, int type, uint8_t n)
{
	bool told = false;
	ssize_t length;

	while ((length = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) >= 0) {
		struct nlmsghdr *m = (struct nlmsghdr *)buffer;
		struct rtattr *attr = (struct rtattr *)((char *)NLMSG_DATA(m) + NLMSG_ALIGN(sizeof(struct ifaddrmsg)));

		if (NLMSG_OK(m, length) && m->nlmsg_type == type && (type == RTM_NEWADDR || type == RTM_DELADDR))
			told |= *(uint32_t *)RTA_DATA(attr) == htonl(0x7f000900u | n);
	}
	SAME(errno, EAGAIN);
	return told;
}

int main(int argc, char **argv)
{
	struct sockaddr_nl names[5], peer;
	socklen_t length = sizeof(peer);
	int fds[5], size = 100000;
	/* others may be there */
	const uint8_t n = (uint8_t)(1 + getpid() % 250);

	test_init(argc, argv);
	fds[0] = make(SOCK_RAW, NETLINK_ROUTE);		/* listens, and asks */
	bind_to(fds[0], 0, 1u << (RTNLGRP_LINK - 1));
	for (size_t i = 0; i < GROUPS; i++)
		set(fds[0], NETLINK_ADD_MEMBERSHIP, groups[i]);
	fds[1] = make(SOCK_DGRAM, NETLINK_ROUTE);	/* asks, with many options, from a port of its choice */
	for (size_t i = 0; i < OPTIONS; i++)
		set(fds[1], options[i].name, options[i].value);
	TRY(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	size = get(fds[1], SOL_SOCKET, SO_RCVBUF);	/* twice that, or what is allowed */
	bind_to(fds[1], 0x40000000u + (uint32_t)getpid(), 0);
	peer = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	TRY(connect(fds[1], (struct sockaddr *)&peer, sizeof(peer)));
	fds[2] = make(SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	bind_to(fds[2], 0, 0);				/* in no group: events of this machine would come */
	fds[3] = make(SOCK_RAW, NETLINK_ROUTE);		/* as new */
	fds[4] = make(SOCK_DGRAM, NETLINK_SOCK_DIAG);
	bind_to(fds[4], 0, 0);
	for (size_t i = 0; i < 5; i++)
		names[i] = name_of(fds[i]);
	do {
		ask_for_links(fds[1], 7);
		test_ready();
		test_wait();
		for (size_t i = 0; i < 5; i++) {
			struct sockaddr_nl name = name_of(fds[i]);

			CHECK(name.nl_pid == names[i].nl_pid && name.nl_groups == names[i].nl_groups,
			      "socket %zu is %u with groups %x, not %u with %x", i, name.nl_pid, name.nl_groups, names[i].nl_pid,
			      names[i].nl_groups);
		}
		for (size_t i = 0; i < GROUPS; i++)
			CHECK(in_group(fds[0], groups[i]), "it has left group %d", groups[i]);
		CHECK(!in_group(fds[0], RTNLGRP_NEIGH), "it is in a group that it has not joined");
		SAME(get(fds[1], SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
		SAME(get(fds[1], SOL_SOCKET, SO_RCVBUF), size);
		for (size_t i = 0; i < OPTIONS; i++)
			SAME(get(fds[1], SOL_NETLINK, options[i].name), options[i].value);
		TRY(getpeername(fds[1], (struct sockaddr *)&peer, &length));
		SAME(peer.nl_pid, 0);
		ask_for_links(fds[1], 8);
		was_told(fds[0], 0, n);
		change_address(fds[1], RTM_NEWADDR, n);
		CHECK(was_told(fds[0], RTM_NEWADDR, n), "it was not told of a new address");
		change_address(fds[1], RTM_DELADDR, n);
		CHECK(was_told(fds[0], RTM_DELADDR, n), "it was not told of an address that is gone");
	} while (test_pass());
	return 0;
}

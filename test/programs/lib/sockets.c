// SPDX-License-Identifier: GPL-2.0-only
/* What programs with sockets share. */
#include <linux/sock_diag.h>
#include <poll.h>

#include "sockets.h"
#include "test.h"

void pass(int to, const char *text, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec bytes = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);

	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	SAME(sendmsg(to, &message, 0), bytes.iov_len);
}

int take(int from, const char *text, struct ucred *sender)
{
	char control[256], found[64] = "";
	struct iovec bytes = { found, sizeof(found) };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(from, &message, MSG_DONTWAIT);
	int fd = -1;

	CHECK(n == (ssize_t)strlen(text) && !memcmp(found, text, (size_t)n), "found \"%s\" (%zd), not \"%s\"", found, n, text);
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
		if (part->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(part), sizeof(fd));
		else if (part->cmsg_type == SCM_CREDENTIALS && sender)
			memcpy(sender, CMSG_DATA(part), sizeof(*sender));
	}
	return fd;
}

int bound_udp(struct sockaddr_in *name)
{
	socklen_t length = sizeof(*name);
	int fd = TRY(socket(AF_INET, SOCK_DGRAM, 0));

	*name = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	TRY(bind(fd, (struct sockaddr *)name, sizeof(*name)));
	TRY(getsockname(fd, (struct sockaddr *)name, &length));
	return fd;
}

cpu_set_t stay_on_processor(void)
{
	cpu_set_t before, one;

	TRY(sched_getaffinity(0, sizeof(before), &before));
	CPU_ZERO(&one);
	CPU_SET(TRY(sched_getcpu()), &one);
	TRY(sched_setaffinity(0, sizeof(one), &one));
	return before;
}

void await_unread(int fd, size_t bytes)
{
	__u32 info[SK_MEMINFO_VARS] = { 0 };

	for (int i = 0; i < 60000 && info[SK_MEMINFO_RMEM_ALLOC] < bytes; i++) {
		socklen_t length = sizeof(info);

		if (i > 0)
			poll(NULL, 0, 1);
		TRY(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length));
	}
	CHECK(info[SK_MEMINFO_RMEM_ALLOC] >= bytes, "only %u of %zu bytes have come", info[SK_MEMINFO_RMEM_ALLOC], bytes);
	SAME(info[SK_MEMINFO_DROPS], 0);
}

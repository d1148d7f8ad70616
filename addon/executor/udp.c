// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams that were not read. They come from whoever sent them, who may be
 * on another machine or gone: so they are written with their headers, and go
 * through the machine's own loopback device.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* not in the C library's headers */
#include <linux/sock_diag.h>

#include "executor.h"

enum {
	TTL = 64,
	/* More than the way through the machine takes. */
	PATIENCE_MS = 10000,
};

struct packet {
	union {
		struct iphdr ip;
		struct ip6_hdr ip6;
	} head;
	size_t head_size;
	struct udphdr udp;
};

static uint32_t add_up(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (; size > 1; size -= 2, p += 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	return size ? sum + ((uint32_t)p[0] << 8) : sum;
}

/* RFC 768, RFC 8200 8.1: over both addresses, protocol and length, the header and the data */
static uint16_t checksum(const void *from, const void *to, size_t address_size, const struct udphdr *udp,
			 const void *data, size_t size)
{
	uint32_t sum = IPPROTO_UDP + ntohs(udp->len);

	sum = add_up(sum, from, address_size);
	sum = add_up(sum, to, address_size);
	sum = add_up(sum, udp, sizeof(*udp));
	sum = add_up(sum, data, size);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	return htons((uint16_t)(sum ? sum : 0xffff));
}

static void make4(struct packet *packet, const struct sockaddr_in *from, const struct sockaddr_in *to,
		  const void *data, size_t size)
{
	packet->head.ip = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = TTL, .protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)(sizeof(struct iphdr) + sizeof(struct udphdr) + size)),
		.saddr = from->sin_addr.s_addr, .daddr = to->sin_addr.s_addr,
	};
	packet->head_size = sizeof(packet->head.ip);
	packet->udp.source = from->sin_port;
	packet->udp.dest = to->sin_port;
	packet->udp.check = checksum(&from->sin_addr, &to->sin_addr, sizeof(from->sin_addr), &packet->udp, data, size);
}

static void make6(struct packet *packet, const struct sockaddr_in6 *from, const struct sockaddr_in6 *to,
		  const void *data, size_t size)
{
	packet->head.ip6 = (struct ip6_hdr){
		.ip6_flow = htonl(6u << 28), .ip6_plen = htons((uint16_t)(sizeof(struct udphdr) + size)),
		.ip6_nxt = IPPROTO_UDP, .ip6_hlim = TTL, .ip6_src = from->sin6_addr, .ip6_dst = to->sin6_addr,
	};
	packet->head_size = sizeof(packet->head.ip6);
	packet->udp.source = from->sin6_port;
	packet->udp.dest = to->sin6_port;
	packet->udp.check = checksum(&from->sin6_addr, &to->sin6_addr, sizeof(from->sin6_addr), &packet->udp, data, size);
}

static int send_raw(int family, struct sockaddr_storage *to, struct packet *packet, const void *data, size_t size,
		    struct error *error)
{
	struct iovec parts[] = {
		{ .iov_base = &packet->head, .iov_len = packet->head_size },
		{ .iov_base = &packet->udp, .iov_len = sizeof(packet->udp) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = size },
	};
	struct msghdr message = {
		.msg_name = to,
		.msg_namelen = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
		.msg_iov = parts, .msg_iovlen = 3,
	};
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), ret = 0;

	if (fd < 0)
		return failed(error, errno, "socket(SOCK_RAW)");
	/* a raw socket has protocols where others have ports */
	if (family == AF_INET6)
		((struct sockaddr_in6 *)to)->sin6_port = 0;
	if (sendmsg(fd, &message, 0) < 0)
		ret = failed(error, errno, "sendmsg");
	close(fd);
	return ret;
}

/* What the kernel has put into a socket, and what it had no room for. */
struct arrivals { uint32_t bytes, dropped; };

static int arrivals_of(int fd, struct arrivals *found, struct error *error)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t length = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0 || length < sizeof(info))
		return failed(error, errno, "SO_MEMINFO");
	*found = (struct arrivals){ .bytes = info[SK_MEMINFO_RMEM_ALLOC], .dropped = info[SK_MEMINFO_DROPS] };
	return 0;
}

/*
 * Before the socket is connected, and takes no more of others; before another
 * has the same address, to which the next might go. Returns 1 if there was no
 * room for it.
 */
static int await_arrival(int fd, const struct arrivals *before, struct error *error)
{
	struct arrivals now = { 0 };

	for (int i = 0; i < PATIENCE_MS; i++) {
		if (arrivals_of(fd, &now, error) < 0)
			return -1;
		if (now.bytes > before->bytes)
			return 0;
		if (now.dropped != before->dropped)
			return 1;
		poll(NULL, 0, 1);
	}
	return failed(error, ETIMEDOUT, "a datagram does not arrive");
}

/* Masks of processors may be longer than cpu_set_t. */
struct processors { uint8_t bits[1024]; };

static int set_processors(const struct processors *processors, struct error *error)
{
	if (sched_setaffinity(0, sizeof(*processors), (const cpu_set_t *)processors) < 0)
		return failed(error, errno, "sched_setaffinity");
	return 0;
}

/*
 * Stays on this processor, until it has those again that it had. What is put into a socket counts there before it is in its
 * queue, where what another processor delivers could overtake it; on this one it is in the queue by the time that we go on.
 */
static int stay_on_processor(struct processors *before, struct error *error)
{
	struct processors one = { 0 };
	int cpu = sched_getcpu();

	*before = one;
	if (cpu < 0 || cpu / 8 >= (int)sizeof(one.bits) ||
	    sched_getaffinity(0, sizeof(*before), (cpu_set_t *)before) < 0)
		return failed(error, errno, "sched_getaffinity");
	one.bits[cpu / 8] = (uint8_t)(1 << cpu % 8);
	return set_processors(&one, error);
}

/* There may be more than there is room for by now, which is no reason to lose it. */
static int deliver(int fd, struct plan_datagram *head, struct packet *packet, const void *data, size_t size,
		   struct error *error)
{
	struct arrivals before = { 0 };
	int ret;

	for (;;) {
		if (arrivals_of(fd, &before, error) < 0 ||
		    send_raw(head->to.ss_family, &head->to, packet, data, size, error) < 0)
			return -1;
		ret = await_arrival(fd, &before, error);
		if (ret <= 0)
			return ret;
		if (!enlarge_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE))
			return failed(error, ENOBUFS, "a datagram has no room");
	}
}

int op_datagram(struct executor *ex, const struct plan_op *op, struct error *error)
{
	const char *p = op_data(ex, op);
	int fd = slot_fd(ex, op->slot), room, ret;
	socklen_t length = sizeof(room);
	struct processors processors;
	struct plan_datagram head;
	struct packet packet;
	size_t size;

	if (op->data_len < sizeof(head))
		return failed(error, EPROTO, "a datagram of the plan is malformed");
	memcpy(&head, p, sizeof(head));
	p += sizeof(head);
	size = op->data_len - sizeof(head);
	memset(&packet, 0, sizeof(packet));
	if (size > UINT16_MAX - sizeof(packet.udp) - sizeof(packet.head.ip))
		return failed(error, EMSGSIZE, "a datagram of the plan is malformed");
	packet.udp.len = htons((uint16_t)(sizeof(packet.udp) + size));
	if (head.from.ss_family != head.to.ss_family || (head.to.ss_family != AF_INET && head.to.ss_family != AF_INET6))
		return failed(error, EAFNOSUPPORT, "a datagram of the plan is malformed");
	if (head.to.ss_family == AF_INET)
		make4(&packet, (struct sockaddr_in *)&head.from, (struct sockaddr_in *)&head.to, p, size);
	else
		make6(&packet, (struct sockaddr_in6 *)&head.from, (struct sockaddr_in6 *)&head.to, p, size);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, &length) < 0)
		return failed(error, errno, "SO_RCVBUF");
	if (stay_on_processor(&processors, error) < 0)
		return -1;
	ret = deliver(fd, &head, &packet, p, size, error);
	if (set_processors(&processors, error) < 0)
		return -1;
	/* what is read is twice what is set */
	room /= 2;
	if (ret == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0)
		return failed(error, errno, "SO_RCVBUF");
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * unix(7), names: listening under a path, a relative path and an abstract name; accepted connections and such as wait for it; datagrams and
 * who sent them; a name whose file has gone.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "test.h"

static struct sockaddr_un address;
static socklen_t length;

static struct sockaddr *name(const char *text, char first)
{
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	strcpy(address.sun_path, text);
	if (first != text[0])
		address.sun_path[0] = first;
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + (first != '\0'));
	return (struct sockaddr *)&address;
}

static struct sockaddr *path_name(const char *text)
{
	return name(text, text[0]);
}

/* "@..." */
static struct sockaddr *abstract_name(const char *text)
{
	return name(text, '\0');
}

/* The length is that of the name, which has to be made first. */
static int connect_to(int fd, struct sockaddr *to) { return connect(fd, to, length); }
static int bind_to(int fd, struct sockaddr *to) { return bind(fd, to, length); }

static int bound(int type, struct sockaddr *to)
{
	int fd = TRY(socket(AF_UNIX, type | SOCK_NONBLOCK, 0));

	TRY(bind_to(fd, to));
	return fd;
}

static int connected(int type, struct sockaddr *to)
{
	int fd = TRY(socket(AF_UNIX, type | SOCK_NONBLOCK, 0));

	TRY(connect_to(fd, to));
	return fd;
}

static void expect_name(int fd, int (*get)(int, struct sockaddr *, socklen_t *), const struct sockaddr *wanted)
{
	struct sockaddr_un found, expected;
	socklen_t size = sizeof(found), expected_size = length;

	memcpy(&expected, wanted, sizeof(expected));

	memset(&found, 0, sizeof(found));
	TRY(get(fd, (struct sockaddr *)&found, &size));
	CHECK(size == expected_size && !memcmp(&found, &expected, size), "descriptor %d has the name \"%s%s\" (%u), not \"%s%s\" (%u)", fd,
	      found.sun_path[0] ? "" : "@", found.sun_path + !found.sun_path[0], size, expected.sun_path[0] ? "" : "@",
	      expected.sun_path + !expected.sun_path[0], expected_size);
}

static void talk(int from, int to, const char *text)
{
	char found[64] = "";

	SAME(send(from, text, strlen(text), 0), strlen(text));
	SAME(recv(to, found, sizeof(found), 0), strlen(text));
	CHECK(!strcmp(found, text), "found \"%s\", not \"%s\"", found, text);
}

int main(int argc, char **argv)
{
	char file[128], other[128], removed[128], relative[] = "relative.socket", directory[128], abstract[64];

	test_init(argc, argv);
	snprintf(file, sizeof(file), "%s", test_path(".socket"));
	snprintf(other, sizeof(other), "%s", test_path(".datagrams"));
	snprintf(removed, sizeof(removed), "%s", test_path(".removed"));
	snprintf(directory, sizeof(directory), "%s", test_path(".cwd"));
	snprintf(abstract, sizeof(abstract), "@crctl-test-%d", getpid());
	CHECK(mkdir(directory, 0700) == 0 || errno == EEXIST, "mkdir: %s", strerror(errno));
	TRY(chdir(directory));
	do {
		struct stat st;
		struct ucred us = { .pid = getpid(), .uid = geteuid(), .gid = getegid() }, found;
		int listener = bound(SOCK_STREAM, path_name(file)), accepted[2], clients[2], waiting, local, unnamed, late;
		int datagrams, sender, left, here, packets, client, peer;
		char text[64];

		TRY(chmod(file, 0640));
		TRY(listen(listener, 7));
		for (int i = 0; i < 2; i++) {
			clients[i] = connected(SOCK_STREAM, path_name(file));
			accepted[i] = TRY(accept(listener, NULL, NULL));
		}
		SAME(send(clients[1], "early", 5, 0), 5);
		waiting = connected(SOCK_STREAM, path_name(file));
		local = bound(SOCK_SEQPACKET, path_name(relative));
		TRY(listen(local, 1));
		packets = bound(SOCK_SEQPACKET, abstract_name(abstract));
		TRY(listen(packets, 3));
		client = connected(SOCK_SEQPACKET, abstract_name(abstract));
		peer = TRY(accept4(packets, NULL, NULL, SOCK_NONBLOCK));

		datagrams = bound(SOCK_DGRAM, path_name(other));
		sender = TRY(socket(AF_UNIX, SOCK_DGRAM, 0));
		abstract[1] = 'd';
		TRY(bind_to(sender, abstract_name(abstract)));
		TRY(connect_to(sender, path_name(other)));
		unnamed = TRY(socket(AF_UNIX, SOCK_DGRAM, 0));
		SAME(send(sender, "named", 5, 0), 5);
		path_name(other);
		SAME(sendto(unnamed, "unnamed", 7, 0, (struct sockaddr *)&address, length), 7);
		SAME(send(sender, "", 0, 0), 0);

		/* its file is gone, its name is not */
		left = bound(SOCK_STREAM, path_name(removed));
		TRY(listen(left, 2));
		TRY(unlink(removed));

		test_ready();
		test_wait();

		TRY(stat(file, &st));
		SAME(st.st_mode & 07777, 0640);
		expect_name(listener, getsockname, path_name(file));
		for (int i = 0; i < 2; i++) {
			/* whom a server asks who its client is */
			length = sizeof(found);
			TRY(getsockopt(accepted[i], SOL_SOCKET, SO_PEERCRED, &found, &length));
			SAME(found.pid, us.pid);
			SAME(found.uid, us.uid);
			SAME(found.gid, us.gid);
			expect_name(accepted[i], getsockname, path_name(file));
			expect_name(clients[i], getpeername, path_name(file));
		}
		SAME(recv(accepted[1], text, sizeof(text), 0), 5);
		talk(accepted[0], clients[0], "to the first");
		talk(clients[1], accepted[1], "from the second");
		late = TRY(accept(listener, NULL, NULL));
		talk(waiting, late, "at last");
		close(late);
		CHECK(accept(listener, NULL, NULL) < 0 && errno == EAGAIN, "one more waits");
		here = connected(SOCK_STREAM, path_name(file));
		close(TRY(accept(listener, NULL, NULL)));
		close(here);
		expect_name(local, getsockname, path_name(relative));
		here = connected(SOCK_SEQPACKET, path_name(relative));
		close(TRY(accept(local, NULL, NULL)));
		close(here);
		abstract[1] = 'c';
		expect_name(packets, getsockname, abstract_name(abstract));
		expect_name(peer, getsockname, abstract_name(abstract));
		talk(client, peer, "a packet");

		length = sizeof(address);
		SAME(recvfrom(datagrams, text, sizeof(text), 0, (struct sockaddr *)&address, &length), 5);
		abstract[1] = 'd';
		CHECK(!memcmp(address.sun_path + 1, abstract + 1, strlen(abstract) - 1), "the first datagram is from \"%s\"", address.sun_path + 1);
		length = sizeof(address);
		SAME(recvfrom(datagrams, text, sizeof(text), 0, (struct sockaddr *)&address, &length), 7);
		CHECK(length <= sizeof(sa_family_t), "the second datagram has a sender");
		SAME(recv(datagrams, text, sizeof(text), 0), 0);
		CHECK(recv(datagrams, text, sizeof(text), MSG_DONTWAIT) < 0 && errno == EAGAIN, "a fourth datagram");
		talk(sender, datagrams, "still connected");
		expect_name(left, getsockname, path_name(removed));
		CHECK(access(removed, F_OK) < 0 && errno == ENOENT, "its file is there again");

		abstract[1] = 'c';
		for (int fd = listener; fd <= left; fd++)
			close(fd);
		TRY(unlink(file));
		TRY(unlink(other));
		TRY(unlink(relative));
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* SO_PEERCRED and SO_PEERGROUPS of a server whose client is another user, in another process, with groups of its own. */
#include <grp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void client(void *arg)
{
	static const gid_t groups[] = { 4001, 4002, 4003 };
	int fd = TRY(socket(AF_UNIX, SOCK_STREAM, 0));
	char byte;

	(void)arg;
	test_keep_status_open();
	TRY(setgroups(COUNT(groups), groups));
	TRY(setresgid(4000, 4000, 4000));
	TRY(setresuid(3000, 3000, 3000));
	TRY(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	test_child_ready();
	test_wait();
	SAME(read(fd, &byte, 1), 1);
	SAME(byte, '!');
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int listener = TRY(socket(AF_UNIX, SOCK_STREAM, 0)), server;
		struct ucred peer;
		gid_t groups[8];
		socklen_t length = sizeof(peer);
		pid_t pid;

		snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "crctl-peer-%d", getpid());
		TRY(bind(listener, (struct sockaddr *)&address, sizeof(address)));
		TRY(listen(listener, 1));
		pid = test_fork(client, NULL);
		server = TRY(accept(listener, NULL, NULL));

		test_ready();
		test_wait();

		TRY(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &length));
		SAME(peer.pid, pid);
		SAME(peer.uid, 3000);
		SAME(peer.gid, 4000);
		length = sizeof(groups);
		TRY(getsockopt(server, SOL_SOCKET, SO_PEERGROUPS, groups, &length));
		SAME(length, 3 * sizeof(gid_t));
		for (int i = 0; i < 3; i++)
			SAME(groups[i], 4001 + i);
		SAME(write(server, "!", 1), 1);
		test_finish(pid);
		close(server);
		close(listener);
	} while (test_pass());
	return 0;
}

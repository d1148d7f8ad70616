// SPDX-License-Identifier: GPL-2.0-only
/*
 * unix(7), names and what has become of them: a socket's file that was moved, one whose path is that of a later socket, one bound by a relative path
 * whose task has gone elsewhere.
 */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "test.h"

static struct sockaddr_un address;
static socklen_t length;

static const struct sockaddr *named(const char *name)
{
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
	memcpy(address.sun_path, name, strlen(name));
	return (const struct sockaddr *)&address;
}

static int listening(const char *name)
{
	int fd = TRY(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	const struct sockaddr *to = named(name);

	TRY(bind(fd, to, length));
	TRY(listen(fd, 2));
	return fd;
}

/* Whoever connects to the path comes to that socket, which still has the name that it was bound to. */
static void expect(int fd, const char *name, const char *path)
{
	struct sockaddr_un found = { 0 };
	socklen_t size = sizeof(found);
	const struct sockaddr *wanted = named(name);
	int client = TRY(socket(AF_UNIX, SOCK_STREAM, 0));

	TRY(getsockname(fd, (struct sockaddr *)&found, &size));
	CHECK(size == length && !memcmp(&found, wanted, size), "descriptor %d has the name \"%s\", not \"%s\"", fd, found.sun_path, name);
	if (path) {
		named(path);
		TRY(connect(client, (struct sockaddr *)&address, length));
		close(TRY(accept(fd, NULL, NULL)));
	}
	close(client);
}

int main(int argc, char **argv)
{
	char made[128], moved[128], twice[128], directory[128], relative[] = "relative", there[160];

	test_init(argc, argv);
	snprintf(made, sizeof(made), "%s", test_path(".made"));
	snprintf(moved, sizeof(moved), "%s", test_path(".moved"));
	snprintf(twice, sizeof(twice), "%s", test_path(".twice"));
	snprintf(directory, sizeof(directory), "%s", test_path(".directory"));
	snprintf(there, sizeof(there), "%s/%s", directory, relative);
	CHECK(mkdir(directory, 0700) == 0 || errno == EEXIST, "mkdir: %s", strerror(errno));
	do {
		int renamed = listening(made), later, earlier, gone_elsewhere;

		TRY(rename(made, moved));
		earlier = TRY(dup(renamed));
		close(earlier);
		/* the later one has the higher number, and the path */
		earlier = listening(twice);
		TRY(unlink(twice));
		later = listening(twice);
		/* so that it comes after the one that has the path */
		earlier = TRY(dup2(earlier, 60));
		TRY(chdir(directory));
		gone_elsewhere = listening(relative);
		TRY(chdir("/"));

		test_ready();
		test_wait();

		expect(renamed, made, moved);
		CHECK(access(made, F_OK) < 0 && errno == ENOENT, "its first name is there again");
		expect(later, twice, twice);
		expect(earlier, twice, NULL);
		expect(gone_elsewhere, relative, there);
		for (int fd = renamed; fd <= earlier; fd++)
			close(fd);
		TRY(unlink(moved));
		TRY(unlink(twice));
		TRY(unlink(there));
	} while (test_pass());
	return 0;
}

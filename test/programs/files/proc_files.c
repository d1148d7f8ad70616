// SPDX-License-Identifier: GPL-2.0-only
/* Files of /proc that tell of processes of the tree: the program's own, a child's, a zombie's; read in part, for writing, passed on. */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sockets.h"
#include "test.h"

static int of(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return TRY(open(path, flags));
}

static const char *from_start(int fd)
{
	static char text[8192];

	text[TRY(pread(fd, text, sizeof(text) - 1, 0))] = '\0';
	return text;
}

static void tells_of(int fd, pid_t pid)
{
	CHECK(atoi(from_start(fd)) == pid, "it is not about %d: %.40s", pid, from_start(fd));
}

static void child(void *arg)
{
	/* the parent has this one too: one position */
	char byte;

	test_child_ready();
	test_wait();
	SAME(TRY(read(*(int *)arg, &byte, 1)), 1);
	SAME(byte, 'o');
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	do {
		int shared = TRY(open("/proc/self/comm", O_RDWR)), pair[2], passed;
		int stat = of(getpid(), "stat", O_RDONLY), memory = of(getpid(), "statm", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		int score = of(getpid(), "oom_score_adj", O_WRONLY), mounts = TRY(open("/proc/mounts", O_RDONLY));
		int devices = TRY(open("/proc/net/dev", O_RDONLY)), of_child, of_zombie, adjusted;
		pid_t pid, zombie;
		int *const own[] = { &shared, &stat, &memory, &score, &adjusted, &mounts, &devices, &of_child, &of_zombie, &passed };
		struct epoll_event event = { .events = EPOLLPRI };
		int epoll = TRY(epoll_create1(0));
		char text[32] = "";
		siginfo_t info;

		/* as who waits for mounts does */
		TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, mounts, &event));
		SAME(TRY(read(shared, text, 2)), 2);
		pid = test_fork(child, &shared);
		of_child = of(pid, "stat", O_RDONLY);
		zombie = TRY(fork());
		if (zombie == 0) {
			pause();
			_exit(0);
		}
		of_zombie = of(zombie, "stat", O_RDONLY);
		TRY(kill(zombie, SIGKILL));
		TRY(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT));
		TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		passed = of(pid, "status", O_RDONLY);
		pass(pair[0], "!", passed);
		close(passed);
		TRY(lseek(devices, 20, SEEK_SET));

		test_ready();
		test_wait();

		/* "proc_files" */
		test_finish(pid);
		memset(text, 0, sizeof(text));
		SAME(TRY(read(shared, text, sizeof(text))), 8);
		CHECK(strcmp(text, "c_files\n") == 0, "the rest of the name is %s", text);
		tells_of(stat, getpid());
		CHECK(atoi(from_start(memory)) > 100, "it tells of no memory: %s", from_start(memory));
		SAME(fcntl(memory, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		SAME(TRY(pwrite(score, "500", 3, 0)), 3);
		adjusted = of(getpid(), "oom_score_adj", O_RDONLY);
		SAME(atoi(from_start(adjusted)), 500);
		SAME(TRY(pwrite(score, "0", 1, 0)), 1);
		CHECK(strstr(from_start(mounts), " /proc proc "), "/proc is not mounted: %s", from_start(mounts));
		TRY(epoll_ctl(epoll, EPOLL_CTL_MOD, mounts, &event));
		close(epoll);
		SAME(lseek(devices, 0, SEEK_CUR), 20);
		CHECK(strstr(from_start(devices), "lo:"), "there is no loopback device: %s", from_start(devices));
		/* who has ended has no files any more, and had them then */
		CHECK(pread(of_child, text, 1, 0) < 0 && errno == ESRCH, "the child has ended");
		tells_of(of_zombie, zombie);
		TRY(waitpid(zombie, NULL, 0));
		CHECK(pread(of_zombie, text, 1, 0) < 0 && errno == ESRCH, "the zombie is gone");
		passed = take(pair[1], "!", NULL);
		CHECK(pread(passed, text, 1, 0) < 0 && errno == ESRCH, "the child has ended");
		close(pair[0]);
		close(pair[1]);
		for (size_t i = 0; i < COUNT(own); i++)
			close(*own[i]);
	} while (test_pass());
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Not a program to dump: it opens the dump of a stopped process with many
 * threads again and again while that is killed, and says how often the kernel
 * gave which answer. Arguments: rounds, threads.
 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

static pid_t start_victim(int threads)
{
	pid_t pid = TRY(fork());

	if (pid != 0)
		return pid;
	pthread_attr_t attr;
	TRY0(pthread_attr_init(&attr));
	TRY0(pthread_attr_setstacksize(&attr, 64 << 10));
	for (int i = 1; i < threads; i++) {
		pthread_t thread;

		TRY0(pthread_create(&thread, &attr, sleeper, NULL));
	}
	raise(SIGSTOP);
	_exit(0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3, "usage: killed ROUNDS THREADS");
	int rounds = atoi(argv[1]), whole = 0, gone = 0;

	for (int i = 0; i < rounds; i++) {
		pid_t victim = start_victim(atoi(argv[2]));
		char path[64], byte[4096];
		int status;

		SAME(TRY(waitpid(victim, &status, WUNTRACED)), victim);
		CHECK(WIFSTOPPED(status), "the victim did not stop");
		snprintf(path, sizeof(path), "/proc/%d/dump", victim);
		pid_t killer = TRY(fork());
		if (killer == 0) {
			usleep(i * 2000);
			kill(victim, SIGKILL);
			_exit(0);
		}
		for (;;) {
			int fd = open(path, O_RDONLY);

			if (fd < 0) {
				CHECK(errno == EBUSY || errno == ESRCH || errno == ENOENT || errno == EACCES,
				      "open: %s", strerror(errno));
				if (errno != EBUSY)
					break;
				continue;
			}
			while (read(fd, byte, sizeof(byte)) > 0)
				;
			close(fd);
			whole++;
		}
		gone++;
		SAME(TRY(waitpid(victim, &status, 0)), victim);
		SAME(TRY(waitpid(killer, &status, 0)), killer);
	}
	printf("%d read, %d gone\n", whole, gone);
	return 0;
}

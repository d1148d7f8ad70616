// SPDX-License-Identifier: GPL-2.0-only
/* The last step of a live task: its exec manifest becomes the program that it executes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "sys.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u	/* Linux 6.3 */
#endif

/*
 * Signals that our own doings left pending (SIGCHLD of zombies and helpers)
 * would reach the restored program: exec keeps them. Those that it had itself
 * come with its image.
 */
static void drain_signals(void)
{
	const struct timespec now = { 0 };
	sigset_t all;

	sigfillset(&all);
	while (sigtimedwait(&all, NULL, &now) > 0)
		;
}

static void let_go_of_parent(void)
{
	prctl(PR_SET_PDEATHSIG, 0);
	drain_signals();
}

/* Where memory files must not be executed (vm.memfd_noexec=2), any file without a name does. */
static int open_unnamed(void)
{
	static const char *const dirs[] = { "/dev/shm", "/run", "/tmp", "/var/tmp" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int fd = open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);

		if (fd >= 0)
			return fd;
	}
	errno = EACCES;
	return -1;
}

/* vm.memfd_noexec=2. To try would do no harm, but the kernel's log would tell of each time. */
static bool memfds_execute(const struct executor *ex)
{
	char value = '0';
	int fd = openat(ex->proc_fd, "sys/vm/memfd_noexec", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return true; /* a kernel before 6.3 */
	if (read(fd, &value, 1) < 0)
		value = '0';
	close(fd);
	return value != '2';
}

static int open_manifest_file(const struct executor *ex)
{
	int fd;

	if (!memfds_execute(ex))
		return open_unnamed();
	/* Kernels before 6.3 do not know MFD_EXEC, and need none. */
	fd = memfd_create("crctl-manifest", MFD_CLOEXEC | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("crctl-manifest", MFD_CLOEXEC);
	if (fd < 0 && errno == EACCES)
		fd = open_unnamed();
	return fd;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, data, len);

		if (written < 0)
			return -1;
		data += written;
		len -= (size_t)written;
	}
	return 0;
}

/* A descriptor for reading and nothing that is open for writing: exec would say ETXTBSY. */
static int manifest_fd(const struct executor *ex, const char *data, size_t len, struct error *error)
{
	int rw = open_manifest_file(ex);
	char path[40];
	int fd;

	if (rw < 0)
		return failed(error, errno, "a file for the exec manifest (vm.memfd_noexec?)");
	if (write_all(rw, data, len) < 0) {
		failed(error, errno, "writing the exec manifest");
		close(rw);
		return -1;
	}
	snprintf(path, sizeof(path), "self/fd/%d", rw);
	fd = openat(ex->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		failed(error, errno, "opening the exec manifest");
	close(rw);
	return fd;
}

static const char *exec_error(int err)
{
	switch (err) {
	case ENOEXEC:
		return "execve of the manifest: the kernel module refused it or is not loaded";
	case ETXTBSY:
		return "execve of the manifest: a file is open for writing";
	default:
		return "execve of the manifest";
	}
}

int op_exec(struct executor *ex, const struct plan_op *op, struct error *error)
{
	char *argv[] = { "crctl", NULL };
	char *envp[] = { NULL };
	int fd = manifest_fd(ex, op_data(ex, op), op->data_len, error);

	if (fd < 0)
		return -1;
	let_go_of_parent();
	sys_execveat(fd, "", argv, envp, AT_EMPTY_PATH);
	return failed(error, errno, exec_error(errno));
}

/* path NUL arg1 NUL arg2 ... */
int op_program(struct executor *ex, const struct plan_op *op, struct error *error)
{
	char *argv[64];
	char *envp[] = { NULL };
	char *data = (char *)(uintptr_t)op_data(ex, op);
	const char *end = data + op->data_len;
	size_t argc = 0;

	while (data < end && argc < sizeof(argv) / sizeof(argv[0]) - 1) {
		argv[argc++] = data;
		data += strlen(data) + 1;
	}
	argv[argc] = NULL;
	let_go_of_parent();
	execve(argv[0], argv, envp);
	return failed(error, errno, "execve");
}

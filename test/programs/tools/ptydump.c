// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads what /proc/PID/dump of a process of its own tells of pseudo-terminals. Arguments:
 *	used TIMES		while others type into the terminal, read and throw away what is in it
 *	many NUMBER		of so many descriptors of one terminal
 * Prints how many terminals it was told of.
 */
#include "test.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>

#include "../../../kmod/crctl_image.h"

#define RING 4096

static int master, slave;

static void make(void)
{
	struct termios termios;

	master = TRY(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	TRY(unlockpt(master));
	slave = TRY(open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK));
	TRY(tcgetattr(slave, &termios));
	termios.c_lflag &= (tcflag_t)~(ECHO | ISIG);
	TRY(tcsetattr(slave, TCSANOW, &termios));
}

static pid_t start(void (*run)(void))
{
	pid_t pid = TRY(fork());

	if (!pid) {
		TRY(prctl(PR_SET_PDEATHSIG, SIGKILL));
		run();
		_exit(0);
	}
	return pid;
}

static void stop(void)
{
	raise(SIGSTOP);
}

static _Noreturn void type(void)
{
	for (;;)
		if (write(master, "some\nlines of\ntext\nand\na word\n", 30) < 0)
			usleep(0);
}

static _Noreturn void use(void)
{
	char buffer[64];

	/* in between it fills up: there is more to look at, for longer */
	for (unsigned int i = 0;; i++) {
		usleep(200);
		if (i % 4)
			tcflush(slave, TCIFLUSH);
		else if (read(slave, buffer, sizeof(buffer)) < 0)
			usleep(0);
	}
}

/* The note about descriptors, NULL if there is none. */
static const struct crctl_note_head *descriptors(int fd)
{
	static union {
		uint8_t bytes[64u << 20];
		uint64_t aligned;
	} notes;
	Elf64_Phdr ph;
	size_t size = 0;
	ssize_t n;

	SAME(pread(fd, &ph, sizeof(ph), 128), sizeof(ph));
	CHECK(ph.p_filesz <= sizeof(notes), "%zu bytes of notes", (size_t)ph.p_filesz);
	while (size < ph.p_filesz && (n = TRY(pread(fd, notes.bytes + size, ph.p_filesz - size, (off_t)(ph.p_offset + size)))) > 0)
		size += (size_t)n;
	SAME(size, ph.p_filesz);
	for (size_t at = 0; at < size;) {
		const Elf64_Nhdr *note = (const void *)(notes.bytes + at);

		at += sizeof(*note) + ((note->n_namesz + 3) & ~3u);
		if (note->n_type == CRCTL_NT_DESCRIPTOR)
			return (const void *)(notes.bytes + at);
		at += (note->n_descsz + 3) & ~3u;
	}
	return NULL;
}

static uint32_t length(const struct crctl_descriptor *d)
{
	return (uint32_t)(d->value >> 32);
}

/* The ends of lines lie within the input, one behind the other. */
static void check_ends(const struct crctl_descriptor *ends, const uint8_t *extra, uint32_t input)
{
	uint16_t end;

	CHECK(length(ends) % 2 == 0 && length(ends) <= 2 * input, "%u bytes of ends in %u", length(ends), input);
	for (uint32_t i = 0, last = 0; i < length(ends); i += 2, last = end + 1u) {
		memcpy(&end, extra + (uint32_t)ends->value + i, 2);
		CHECK(end >= last && end < input, "a line ends at %u of %u", end, input);
	}
}

/* How many terminals are told of; what is told must make sense. */
static uint32_t look(pid_t pid)
{
	char path[64];
	const struct crctl_note_head *head;
	const struct crctl_descriptor *d;
	uint32_t told = 0, input = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/dump", pid);
	fd = TRY(open(path, O_RDONLY));
	head = descriptors(fd);
	CHECK(head && head->rec_size == sizeof(*d), "no terminal is told of");
	d = (const void *)(head + 1);
	for (uint32_t i = 0; i < head->count; i++, d++) {
		const uint8_t *extra = (const uint8_t *)(head + 1) + head->count * sizeof(*d);

		if (d->what == CRCTL_DESCRIPTOR_TERMINAL) {
			input = 0;
			told++;
			continue;
		}
		CHECK((uint32_t)d->value + (uint64_t)length(d) <= head->extra_size, "beyond the data");
		if (d->what == CRCTL_DESCRIPTOR_INPUT)
			input = length(d);
		if (d->what == CRCTL_DESCRIPTOR_INPUT)
			CHECK(input <= RING, "%u bytes of input", input);
		if (d->what == CRCTL_DESCRIPTOR_ENDS)
			check_ends(d, extra, input);
	}
	close(fd);
	return told;
}

int main(int argc, char **argv)
{
	unsigned long number = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, told = 0;
	bool many = argc > 2 && !strcmp(argv[1], "many");
	pid_t pid, users[2];
	int status;

	make();
	if (many) {
		struct rlimit limit = { number + 16, number + 16 };

		TRY(setrlimit(RLIMIT_NOFILE, &limit));
		SAME(write(slave, "output", 6), 6);
		for (unsigned long i = 1; i < number; i++)
			TRY(dup(master));
	}
	pid = start(stop);
	SAME(TRY(waitpid(pid, &status, WUNTRACED)), pid);
	CHECK(WIFSTOPPED(status), "it did not stop");
	if (many) {
		told = look(pid);
	} else {
		users[0] = start(type);
		users[1] = start(use);
		for (unsigned long i = 0; i < number; i++)
			told += look(pid);
		TRY(kill(users[0], SIGKILL));
		TRY(kill(users[1], SIGKILL));
	}
	TRY(kill(pid, SIGKILL));
	while (waitpid(-1, NULL, 0) > 0)
		;
	printf("%lu\n", told);
	return 0;
}

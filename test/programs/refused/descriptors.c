// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors on what belongs to the kernel or to a device: sockets of families that are not saved, BPF objects, secret memory. */
#include "test.h"
#include "refused.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { SYS_MEMFD_SECRET = 447 };

static char *secret;

static void raw_socket(void) { TRY(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); }
/* without a protocol nothing comes in */
static void packet_socket(void) { TRY(socket(AF_PACKET, SOCK_DGRAM, 0)); }
static void kernel_log(void) { TRY(open("/dev/kmsg", O_RDONLY)); }

static void bpf_map(void)
{
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1 };

	TRY(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)));
}

int load_filter(void)
{
	/* r0 = 0; exit */
	static const struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr program = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)code, .insn_cnt = COUNT(code), .license = (uintptr_t)"GPL",
	};

	return TRY(syscall(SYS_bpf, BPF_PROG_LOAD, &program, sizeof(program)));
}

static void bpf_program(void) { load_filter(); }

static void secret_memory(void)
{
	int fd = TRY(syscall(SYS_MEMFD_SECRET, 0));

	TRY(ftruncate(fd, PAGE));
	secret = TRY(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	strcpy(secret, "do not tell");
	close(fd);
}

static void secret_is_there(void)
{
	CHECK(strcmp(secret, "do not tell") == 0, "what was in secret memory is not there any more");
	TRY(munmap(secret, PAGE));
}

static void secret_descriptor(void) { TRY(ftruncate(TRY(syscall(SYS_MEMFD_SECRET, 0)), PAGE)); }

const struct refused_kind refused_descriptors[] = {
	{ "raw-socket", raw_socket, NULL }, { "packet-socket", packet_socket, NULL }, { "device", kernel_log, NULL },
	{ "bpf-map", bpf_map, NULL }, { "bpf-program", bpf_program, NULL },
	{ "secret-memory", secret_memory, secret_is_there }, { "secret-descriptor", secret_descriptor, NULL },
	{ NULL, NULL, NULL },
};

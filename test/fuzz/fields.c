/* Changes of fields by what they mean: see fields.h. */
#include "fields.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "crctl_image.h"

#define PRSTATUS_REGS 112	/* offsetof(struct elf_prstatus, pr_reg) */
#define REG(n) (PRSTATUS_REGS + 8 * (n))
#define XSTATE_HEADER 512	/* behind the legacy area; xstate_bv, xcomp_bv, six reserved words */

#define AT(type, field) { CRCTL_NT_##type, sizeof(struct crctl_note_head) + offsetof(struct RECORD, field), sizeof(((struct RECORD *)0)->field), sizeof(struct RECORD) }
/* A field of a note that is not ours: no head, one record. */
#define PLAIN(type, offset, width) { type, offset, width, 0 }

struct field {
	uint32_t type;
	uint32_t offset;	/* into the description */
	uint32_t width;
	uint32_t record;	/* from one to the next, 0: there is one */
};

static const struct field addresses[] = {
	PLAIN(NT_PRSTATUS, REG(16), 8), PLAIN(NT_PRSTATUS, REG(19), 8),	/* rip, rsp */
	PLAIN(NT_PRSTATUS, REG(21), 8), PLAIN(NT_PRSTATUS, REG(22), 8),	/* fs_base, gs_base */
#define RECORD crctl_vma
	AT(VMA, start), AT(VMA, end),
#undef RECORD
#define RECORD crctl_mm
	AT(MM, start_code), AT(MM, end_code), AT(MM, start_data), AT(MM, end_data), AT(MM, start_brk), AT(MM, brk),
	AT(MM, start_stack), AT(MM, arg_start), AT(MM, arg_end), AT(MM, env_start), AT(MM, env_end), AT(MM, mmap_base),
	AT(MM, vdso), AT(MM, vvar),
#undef RECORD
#define RECORD crctl_thread
	AT(THREAD, sas_sp), AT(THREAD, robust_list), AT(THREAD, clear_child_tid), AT(THREAD, rseq),
#undef RECORD
#define RECORD crctl_sigaction
	AT(SIGACTION, handler), AT(SIGACTION, restorer),
#undef RECORD
#define RECORD crctl_extent
	AT(EXTENT, vaddr),
#undef RECORD
#define RECORD crctl_cow
	AT(COW, start),
#undef RECORD
#define RECORD crctl_mempolicy
	AT(MEMPOLICY, start), AT(MEMPOLICY, end),
#undef RECORD
};

static const struct field flags[] = {
#define RECORD crctl_vma
	AT(VMA, flags), AT(VMA, prot), AT(VMA, file_flags), AT(VMA, kind), AT(VMA, huge_shift),
#undef RECORD
#define RECORD crctl_mm
	AT(MM, membarrier), AT(MM, personality), AT(MM, coredump_filter), AT(MM, lock_future), AT(MM, thp_disable),
	AT(MM, dumpable), AT(MM, exe_flags), AT(MM, pkeys), AT(MM, execute_only_pkey),
#undef RECORD
#define RECORD crctl_thread
	AT(THREAD, settings), AT(THREAD, sas_flags), AT(THREAD, sigmask), AT(THREAD, seccomp_mode),
#undef RECORD
#define RECORD crctl_sigaction
	AT(SIGACTION, flags), AT(SIGACTION, mask),
#undef RECORD
#define RECORD crctl_creds
	AT(CREDS, securebits), AT(CREDS, cap_permitted), AT(CREDS, cap_effective), AT(CREDS, cap_inheritable),
	AT(CREDS, cap_ambient), AT(CREDS, cap_bset),
#undef RECORD
#define RECORD crctl_seccomp
	AT(SECCOMP, flags),
#undef RECORD
#define RECORD crctl_control
	AT(CONTROL, flags), AT(CONTROL, id), AT(CONTROL, source),
#undef RECORD
#define RECORD crctl_lock
	AT(LOCK, write),
#undef RECORD
#define RECORD crctl_mempolicy
	AT(MEMPOLICY, mode), AT(MEMPOLICY, home_node), AT(MEMPOLICY, nodes[0]), AT(MEMPOLICY, nodes[1]),
#undef RECORD
#define RECORD crctl_descriptor
	AT(DESCRIPTOR, what),
#undef RECORD
#define RECORD crctl_peercred
	AT(PEERCRED, pid), AT(PEERCRED, uid), AT(PEERCRED, gid),
#undef RECORD
};

static const struct field counts[] = {
	PLAIN(CRCTL_NT_VMA, 8, 4), PLAIN(CRCTL_NT_THREAD, 8, 4), PLAIN(CRCTL_NT_CREDS, 8, 4), PLAIN(CRCTL_NT_TIMER, 8, 4),
	PLAIN(CRCTL_NT_SIGPENDING, 8, 4), PLAIN(CRCTL_NT_EXTENT, 8, 4), PLAIN(CRCTL_NT_SECCOMP, 8, 4),
	PLAIN(CRCTL_NT_DESCRIPTOR, 8, 4), PLAIN(CRCTL_NT_PEERCRED, 8, 4), PLAIN(CRCTL_NT_LOCK, 8, 4), PLAIN(CRCTL_NT_NOTIFY, 8, 4),
	PLAIN(CRCTL_NT_SEM_UNDO, 8, 4), PLAIN(CRCTL_NT_COW, 8, 4), PLAIN(CRCTL_NT_MEMPOLICY, 8, 4),
#define RECORD crctl_mempolicy
	AT(MEMPOLICY, thread),
#undef RECORD
#define RECORD crctl_image_info
	AT(IMAGE, nr_threads),
#undef RECORD
#define RECORD crctl_vma
	AT(VMA, attachment),
#undef RECORD
#define RECORD crctl_thread
	AT(THREAD, nr_pids),
#undef RECORD
#define RECORD crctl_creds
	AT(CREDS, nr_groups),
#undef RECORD
#define RECORD crctl_seccomp
	AT(SECCOMP, nr_insns),
#undef RECORD
#define RECORD crctl_peercred
	AT(PEERCRED, nr_groups),
#undef RECORD
};

static const struct field offsets[] = {
#define RECORD crctl_vma
	AT(VMA, offset), AT(VMA, name_off), AT(VMA, ino),
#undef RECORD
#define RECORD crctl_mm
	AT(MM, exe_off),
#undef RECORD
#define RECORD crctl_thread
	AT(THREAD, pids_off),
#undef RECORD
#define RECORD crctl_creds
	AT(CREDS, groups_off),
#undef RECORD
#define RECORD crctl_seccomp
	AT(SECCOMP, insns_off),
#undef RECORD
#define RECORD crctl_extent
	AT(EXTENT, offset),
#undef RECORD
#define RECORD crctl_lock
	AT(LOCK, start), AT(LOCK, len),
#undef RECORD
#define RECORD crctl_peercred
	AT(PEERCRED, groups_off),
#undef RECORD
#define RECORD crctl_descriptor
	AT(DESCRIPTOR, value),
#undef RECORD
#define RECORD crctl_sem_undo
	AT(SEM_UNDO, adjustments_off),
#undef RECORD
};

static const struct field lengths[] = {
#define RECORD crctl_cow
	AT(COW, len),
#undef RECORD
	PLAIN(CRCTL_NT_VDSO, 12, 4), PLAIN(CRCTL_NT_VMA, 12, 4), PLAIN(CRCTL_NT_THREAD, 12, 4), PLAIN(CRCTL_NT_CREDS, 12, 4),
	PLAIN(CRCTL_NT_PEERCRED, 12, 4), PLAIN(CRCTL_NT_DESCRIPTOR, 12, 4), PLAIN(CRCTL_NT_SEM_UNDO, 12, 4),
#define RECORD crctl_vma
	AT(VMA, name_len),
#undef RECORD
#define RECORD crctl_mm
	AT(MM, exe_len), AT(MM, vdso_size), AT(MM, vvar_size),
#undef RECORD
#define RECORD crctl_thread
	AT(THREAD, rseq_len), AT(THREAD, sas_size), AT(THREAD, exit_status),
#undef RECORD
#define RECORD crctl_extent
	AT(EXTENT, len),
#undef RECORD
};

static const struct field selectors[] = {
	PLAIN(NT_PRSTATUS, REG(17), 8), PLAIN(NT_PRSTATUS, REG(20), 8),		/* cs, ss */
	PLAIN(NT_PRSTATUS, REG(23), 8), PLAIN(NT_PRSTATUS, REG(24), 8),		/* ds, es */
	PLAIN(NT_PRSTATUS, REG(25), 8), PLAIN(NT_PRSTATUS, REG(26), 8),		/* fs, gs */
};

static const struct field eflags[] = { PLAIN(NT_PRSTATUS, REG(18), 8) };

static const struct field xstate[] = {
	PLAIN(NT_X86_XSTATE, XSTATE_HEADER, 8), PLAIN(NT_X86_XSTATE, XSTATE_HEADER + 8, 8),
	PLAIN(NT_X86_XSTATE, XSTATE_HEADER + 16, 8), PLAIN(NT_X86_XSTATE, XSTATE_HEADER + 56, 8),
	PLAIN(NT_X86_XSTATE, 24, 4), PLAIN(NT_X86_XSTATE, 464, 8),	/* mxcsr, the features of the frame */
#define RECORD crctl_image_info
	AT(IMAGE, xfeatures_used),
#undef RECORD
};

static const struct field restarts[] = {
	PLAIN(NT_PRSTATUS, REG(10), 8), PLAIN(NT_PRSTATUS, REG(15), 8),		/* rax, orig_rax */
#define RECORD crctl_thread
	AT(THREAD, restart_kind), AT(THREAD, in_syscall), AT(THREAD, exited), AT(THREAD, restart_left_ns), AT(THREAD, restart_arg[0]),
	AT(THREAD, restart_arg[1]), AT(THREAD, restart_arg[2]), AT(THREAD, restart_arg[3]), AT(THREAD, restart_arg[4]),
#undef RECORD
};

static const struct field descriptors[] = {
#define RECORD crctl_vma
	AT(VMA, fd),
#undef RECORD
#define RECORD crctl_mm
	AT(MM, exe_fd),
#undef RECORD
#define RECORD crctl_extent
	AT(EXTENT, fd),
#undef RECORD
#define RECORD crctl_control
	AT(CONTROL, gate_fd), AT(CONTROL, report_fd),
#undef RECORD
#define RECORD crctl_lock
	AT(LOCK, fd),
#undef RECORD
#define RECORD crctl_peercred
	AT(PEERCRED, fd),
#undef RECORD
#define RECORD crctl_descriptor
	AT(DESCRIPTOR, fd),
#undef RECORD
	PLAIN(CRCTL_NT_CLOEXEC, 16, 4), PLAIN(CRCTL_NT_CLOEXEC, 20, 4),
};

#define TABLE(t) { t, sizeof(t) / sizeof((t)[0]) }

static const struct {
	const struct field *fields;
	size_t nr;
} tables[] = {
	[FIELD_ADDRESS] = TABLE(addresses), [FIELD_FLAGS] = TABLE(flags), [FIELD_COUNT] = TABLE(counts),
	[FIELD_OFFSET] = TABLE(offsets), [FIELD_LENGTH] = TABLE(lengths), [FIELD_SELECTOR] = TABLE(selectors),
	[FIELD_EFLAGS] = TABLE(eflags), [FIELD_XSTATE] = TABLE(xstate), [FIELD_RESTART] = TABLE(restarts),
	[FIELD_DESCRIPTOR] = TABLE(descriptors),
};

static const char *const names[] = {
	[FIELD_ADDRESS] = "addresses", [FIELD_FLAGS] = "flags", [FIELD_COUNT] = "counts", [FIELD_OFFSET] = "offsets",
	[FIELD_LENGTH] = "lengths", [FIELD_SELECTOR] = "selectors", [FIELD_EFLAGS] = "eflags",
	[FIELD_XSTATE] = "xstate headers", [FIELD_RESTART] = "restart blocks", [FIELD_DESCRIPTOR] = "descriptors",
};

const char *field_kind_name(enum field_kind kind)
{
	return names[kind];
}

/* Where such a field of a note is, at random among its records; NULL if the note is too short. */
static uint8_t *place(struct rng *r, const struct field *f, const struct note_desc *n)
{
	size_t offset = f->offset;

	if (f->record && n->len > offset)
		offset += rng_below(r, (n->len - offset) / f->record + 1) * f->record;
	return n->len >= f->width && offset <= n->len - f->width ? n->data + offset : NULL;
}

/* A field of the table in a note of the image, NULL if what was picked is not there. */
static uint8_t *pick(struct rng *r, enum field_kind kind, const struct note_desc *notes, size_t nr, uint32_t *width)
{
	size_t tries, i, at;

	for (tries = 0; tries < 8; tries++) {
		const struct field *f = &tables[kind].fields[rng_below(r, tables[kind].nr)];

		/* any of the notes of that type: a thread's */
		at = rng_below(r, nr);
		for (i = 0; i < nr; i++) {
			const struct note_desc *n = &notes[(at + i) % nr];
			uint8_t *p = n->type == f->type ? place(r, f, n) : NULL;

			if (p) {
				*width = f->width;
				return p;
			}
		}
	}
	return NULL;
}

bool change_typed(struct rng *r, enum field_kind kind, const struct note_desc *notes, size_t nr)
{
	uint32_t width, other_width;
	uint8_t *p = pick(r, kind, notes, nr, &width), *other;
	uint8_t saved[8];

	if (!p)
		return false;
	/* Two change places: descriptors above all, but other things too. */
	if (!rng_below(r, kind == FIELD_DESCRIPTOR ? 2 : 6)) {
		other = pick(r, kind, notes, nr, &other_width);
		if (other && other != p && other_width == width && width <= sizeof(saved)) {
			memcpy(saved, p, width);
			memcpy(p, other, width);
			memcpy(other, saved, width);
			return true;
		}
	}
	if (kind == FIELD_FLAGS || kind == FIELD_EFLAGS || kind == FIELD_XSTATE || kind == FIELD_RESTART) {
		if (rng_below(r, 2)) {
			p[rng_below(r, width)] ^= 1u << rng_below(r, 8);
			return true;
		}
	}
	if ((kind == FIELD_DESCRIPTOR || kind == FIELD_RESTART) && rng_below(r, 2)) {
		memset(p, 0, width);
		p[0] = rng_below(r, 16);
		return true;
	}
	change_word(r, p, width);
	return true;
}

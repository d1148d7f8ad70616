// SPDX-License-Identifier: GPL-2.0
/*
 * The parser of images and manifests. It allocates nothing, touches nothing
 * but its buffers, and is linear in their size.
 */
#include "image/check.h"

void crctl_rec(const struct crctl_ref *ref, u32 i, void *out, u32 size)
{
	u32 n = ref->rec_size < size ? ref->rec_size : size;

	memcpy(out, ref->recs + (size_t)i * ref->rec_size, n);
	if (n < size)
		memset((u8 *)out + n, 0, size - n);
}

struct note {
	const u8 *desc;
	u32 type, size;
	bool crctl;		/* owner "CRCTL"; otherwise "CORE" or "LINUX" */
	bool known;
};

/* Returns 1 with a note, 0 at the end, negative when malformed. */
static int next_note(const u8 *buf, size_t len, size_t *pos, struct note *n)
{
	Elf64_Nhdr nh;
	size_t off = *pos, name, desc;

	if (off == len)
		return 0;
	if (len - off < sizeof(nh))
		return -EINVAL;
	memcpy(&nh, buf + off, sizeof(nh));
	off += sizeof(nh);
	name = off;
	if (nh.n_namesz > 64 || nh.n_namesz > len - off)
		return -EINVAL;
	off += (nh.n_namesz + 3u) & ~3u;
	if (off > len || nh.n_descsz > len - off)
		return -EINVAL;
	desc = off;
	if (((u64)nh.n_descsz + 3) / 4 * 4 > len - off)
		return -EINVAL;
	off += ((size_t)nh.n_descsz + 3) & ~(size_t)3;
	n->desc = buf + desc;
	n->size = nh.n_descsz;
	n->type = nh.n_type;
	n->crctl = nh.n_namesz == sizeof(CRCTL_NOTE_NAME) &&
		   !memcmp(buf + name, CRCTL_NOTE_NAME, sizeof(CRCTL_NOTE_NAME));
	n->known = n->crctl ||
		   (nh.n_namesz == 5 && !memcmp(buf + name, "CORE", 5)) ||
		   (nh.n_namesz == 6 && !memcmp(buf + name, "LINUX", 6));
	*pos = off;
	return 1;
}

int crctl_parse_count(const u8 *notes, size_t len, u32 *nr_threads)
{
	struct note n;
	size_t pos = 0;
	int ret;

	*nr_threads = 0;
	while ((ret = next_note(notes, len, &pos, &n)) > 0)
		if (n.crctl && n.type == CRCTL_NT_THREAD &&
		    ++*nr_threads > CRCTL_MAX_THREADS)
			return -EINVAL;
	if (ret)
		return ret;
	return *nr_threads ? 0 : -EINVAL;
}

/* Check a note's head; records longer than @known bytes must be zero behind. */
static int open_ref(const struct note *n, u32 known, struct crctl_ref *ref,
		    const char **why)
{
	struct crctl_note_head h;
	u64 total;
	u32 i;

	if (ref->present)
		return bad(why, "a note that may stand once stands twice");
	if (n->size < sizeof(h))
		return bad(why, "a note is too short");
	memcpy(&h, n->desc, sizeof(h));
	if (h.version != CRCTL_IMAGE_VERSION)
		return bad(why, "a note has another version");
	if ((!h.rec_size && h.count) || h.rec_size > 65536)
		return bad(why, "a note's record size is out of range");
	total = sizeof(h) + (u64)h.rec_size * h.count + h.extra_size;
	if (total != n->size)
		return bad(why, "a note's counts do not fit its size");
	ref->recs = n->desc + sizeof(h);
	ref->rec_size = h.rec_size;
	ref->count = h.count;
	ref->extra = ref->recs + (size_t)h.rec_size * h.count;
	ref->extra_size = h.extra_size;
	ref->present = true;
	if (h.rec_size > known)
		for (i = 0; i < h.count; i++)
			if (!all_zero(ref->recs + (size_t)i * h.rec_size + known,
				      h.rec_size - known))
				return bad(why, "a record has fields of a newer version");
	return 0;
}

static int one_record(const struct note *n, void *out, u32 size,
		      struct crctl_ref *ref, const char **why)
{
	int ret = open_ref(n, size, ref, why);

	if (ret)
		return ret;
	if (ref->count != 1)
		return bad(why, "a note needs exactly one record");
	crctl_rec(ref, 0, out, size);
	return 0;
}

/* The leader may have exited, and has no registers then. */
static int parse_thread(const struct note *n, struct crctl_parsed *p, u32 idx)
{
	struct crctl_thread_ref *t = &p->threads[idx];
	struct crctl_thread rec;
	int ret = open_ref(n, sizeof(rec), &t->rec, &p->why);

	if (ret)
		return ret;
	if (t->rec.count != 1)
		return bad(&p->why, "a thread note needs exactly one record");
	crctl_rec(&t->rec, 0, &rec, sizeof(rec));
	if (rec.exited > (idx ? 0 : 1) || (rec.exited && p->nr_threads == 1))
		return bad(&p->why, "a thread that has exited is not the first of several");
	if (rec.exited && (t->prstatus || t->xstate))
		return bad(&p->why, "a thread that has exited has registers");
	if (!rec.exited && (!t->prstatus || !t->xstate))
		return bad(&p->why, "a thread without registers");
	return 0;
}

/* Notes whose record is copied out; only whether they were there is kept. */
enum { SEEN_IMAGE, SEEN_PROCESS, SEEN_CONTROL, NR_SEEN };

static int parse_crctl(const struct note *n, struct crctl_parsed *p,
		       struct crctl_ref *seen, u32 nr_threads, u32 *thread)
{
	const char **why = &p->why;

	switch (n->type) {
	case CRCTL_NT_IMAGE:
		return one_record(n, &p->info, sizeof(p->info), &seen[SEEN_IMAGE], why);
	case CRCTL_NT_MM:
		return one_record(n, &p->mm, sizeof(p->mm), &p->mm_ref, why);
	case CRCTL_NT_PROCESS:
		return one_record(n, &p->process, sizeof(p->process),
				  &seen[SEEN_PROCESS], why);
	case CRCTL_NT_CONTROL:
		return one_record(n, &p->control, sizeof(p->control),
				  &seen[SEEN_CONTROL], why);
	case CRCTL_NT_VMA:
		return open_ref(n, sizeof(struct crctl_vma), &p->vma, why);
	case CRCTL_NT_SIGACTION:
		return open_ref(n, sizeof(struct crctl_sigaction), &p->sigaction, why);
	case CRCTL_NT_SIGPENDING:
		return open_ref(n, sizeof(struct crctl_sigpending), &p->sigpending, why);
	case CRCTL_NT_TIMER:
		return open_ref(n, sizeof(struct crctl_timer), &p->timer, why);
	case CRCTL_NT_CREDS:
		return open_ref(n, sizeof(struct crctl_creds), &p->creds, why);
	case CRCTL_NT_SECCOMP:
		return open_ref(n, sizeof(struct crctl_seccomp), &p->seccomp, why);
	case CRCTL_NT_DESCRIPTOR:
		return open_ref(n, sizeof(struct crctl_descriptor), &p->descriptor, why);
	case CRCTL_NT_SEM_UNDO:
		return open_ref(n, sizeof(struct crctl_sem_undo), &p->sem_undo, why);
	case CRCTL_NT_COW:
		return open_ref(n, sizeof(struct crctl_cow), &p->cow, why);
	case CRCTL_NT_MEMPOLICY:
		return open_ref(n, sizeof(struct crctl_mempolicy), &p->mempolicy, why);
	case CRCTL_NT_VDSO:
		return open_ref(n, 0, &p->vdso, why);
	case CRCTL_NT_EXTENT:
		return open_ref(n, sizeof(struct crctl_extent), &p->extent, why);
	case CRCTL_NT_CLOEXEC:
		return open_ref(n, 0, &p->cloexec, why);
	case CRCTL_NT_PEERCRED:
		return open_ref(n, sizeof(struct crctl_peercred), &p->peercred, why);
	case CRCTL_NT_LOCK:
		return open_ref(n, sizeof(struct crctl_lock), &p->lock, why);
	case CRCTL_NT_NOTIFY:
		return open_ref(n, sizeof(struct crctl_notify), &p->notify, why);
	case CRCTL_NT_THREAD:
		if (*thread >= nr_threads)
			return bad(why, "more threads than counted");
		return parse_thread(n, p, (*thread)++);
	case CRCTL_NT_REFUSAL:
		return bad(why, "the image is of a task that could not be saved");
	default:
		return bad(why, "a note of unknown type");
	}
}

static int parse_core(const struct note *n, struct crctl_parsed *p,
		      u32 nr_threads, u32 thread)
{
	switch (n->type) {
	case NT_PRSTATUS:
	case NT_X86_XSTATE:
		if (thread >= nr_threads)
			return bad(&p->why, "more registers than threads");
		if (n->type == NT_PRSTATUS) {
			if (n->size != CRCTL_PRSTATUS_SIZE ||
			    p->threads[thread].prstatus)
				return bad(&p->why, "a register note is malformed");
			p->threads[thread].prstatus = n->desc;
		} else {
			if (n->size < CRCTL_XSTATE_MIN ||
			    n->size > CRCTL_XSTATE_MAX || n->size % 8 ||
			    p->threads[thread].xstate)
				return bad(&p->why, "an extended state note is malformed");
			p->threads[thread].xstate = n->desc;
			p->threads[thread].xstate_size = n->size;
		}
		return 0;
	case NT_AUXV:
		if (n->size % 16 || n->size > CRCTL_MAX_AUXV || p->auxv)
			return bad(&p->why, "the auxiliary vector is malformed");
		p->auxv = n->desc;
		p->auxv_size = n->size;
		return 0;
	default:
		return 0;	/* notes for debuggers */
	}
}

int crctl_parse_notes(const u8 *notes, size_t len, u32 nr_threads,
		      const struct crctl_limits *lim, struct crctl_parsed *p)
{
	struct crctl_thread_ref *threads = p->threads;
	struct crctl_ref seen[NR_SEEN];
	struct note n;
	size_t pos = 0;
	u32 thread = 0, i;
	int ret;

	memset(p, 0, sizeof(*p));
	memset(seen, 0, sizeof(seen));
	memset(threads, 0, sizeof(*threads) * nr_threads);
	p->threads = threads;
	p->nr_threads = nr_threads;
	p->control.gate_fd = -1;
	p->control.report_fd = -1;
	p->why = "a note is malformed";

	while ((ret = next_note(notes, len, &pos, &n)) > 0) {
		if (!n.known)
			continue;
		if (n.crctl)
			ret = parse_crctl(&n, p, seen, nr_threads, &thread);
		else
			ret = parse_core(&n, p, nr_threads, thread);
		if (ret)
			return ret;
	}
	if (ret)
		return ret;
	if (!seen[SEEN_IMAGE].present || !seen[SEEN_PROCESS].present ||
	    !p->mm_ref.present || !p->vma.present || !p->sigaction.present ||
	    !p->creds.present || thread != nr_threads || !p->auxv)
		return bad(&p->why, "a note is missing");
	if (p->info.kind != CRCTL_IMAGE_DUMP && p->info.kind != CRCTL_IMAGE_MANIFEST)
		return bad(&p->why, "an image of unknown kind");
	if (p->info.nr_threads != nr_threads)
		return bad(&p->why, "the number of threads differs");
	if (p->info.kind == CRCTL_IMAGE_DUMP &&
	    (p->extent.present || seen[SEEN_CONTROL].present || p->cloexec.present ||
	     p->peercred.present || p->lock.present || p->notify.present || p->mm.exe_fd != -1))
		return bad(&p->why, "a dump has notes of a manifest");
	if (p->info.kind == CRCTL_IMAGE_DUMP && p->cow.count)
		return bad(&p->why, "pages are in the image of another process");
	ret = crctl_check_mm(p, lim, &p->why);
	if (!ret)
		ret = crctl_check_vmas(p, lim, &p->why);
	for (i = 0; !ret && i < nr_threads; i++)
		ret = crctl_check_thread(&p->threads[i], lim, &p->why);
	if (!ret)
		ret = crctl_check_rest(p, lim, &p->why);
	return ret;
}

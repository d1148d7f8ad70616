// SPDX-License-Identifier: GPL-2.0
/*
 * A growing buffer of ELF notes, and the list of reasons why a dump is refused.
 */

#include "crctl.h"

#define NOTE_ALIGN	4
#define FIRST_SIZE	SZ_16K

/*
 * A process has few kinds of things that cannot be saved, but may have very
 * many of one kind. What comes after these bounds is not recorded; the image
 * is refused all the same.
 */
#define MAX_REFUSALS	128
#define MAX_TEXT	SZ_32K

/**
 * crctl_notes_init() - start with an empty buffer
 * @n: the buffer
 */
void crctl_notes_init(struct crctl_notes *n)
{
	memset(n, 0, sizeof(*n));
}

/**
 * crctl_notes_free() - give the memory back
 * @n: the buffer, empty afterwards
 */
void crctl_notes_free(struct crctl_notes *n)
{
	kvfree(n->buf);
	kvfree(n->refusal_recs);
	kvfree(n->refusal_text);
	crctl_notes_init(n);
}

/* Make room for @more bytes at the end and return where they begin. */
static u8 *grow(struct crctl_notes *n, size_t more)
{
	size_t size = n->size ?: FIRST_SIZE;
	u8 *buf;

	if (n->error)
		return NULL;
	n->error = crctl_fault(DUMP_NOTE);
	if (n->error)
		return NULL;
	if (more > CRCTL_MAX_NOTES_SIZE - n->len) {
		n->error = -EFBIG;
		return NULL;
	}
	while (size < n->len + more)
		size *= 2;
	if (size > n->size) {
		buf = kvmalloc(size, GFP_KERNEL_ACCOUNT);
		if (!buf) {
			n->error = -ENOMEM;
			return NULL;
		}
		if (n->len)
			memcpy(buf, n->buf, n->len);
		kvfree(n->buf);
		n->buf = buf;
		n->size = size;
	}
	buf = n->buf + n->len;
	memset(buf, 0, more);
	n->len += more;
	return buf;
}

/**
 * crctl_note_reserve() - append a note whose contents come afterwards
 * @n: the buffer
 * @name: the note's owner
 * @type: the note's type
 * @len: bytes of its descriptor
 *
 * Return: where the descriptor is to be written, zeroed, valid until the next
 * call; NULL when there is no memory, which n->error then says.
 */
void *crctl_note_reserve(struct crctl_notes *n, const char *name, u32 type, size_t len)
{
	size_t name_size = strlen(name) + 1;
	size_t name_room = ALIGN(name_size, NOTE_ALIGN);
	struct elf64_note head = { .n_namesz = name_size, .n_type = type };
	u8 *p;

	if (len > CRCTL_MAX_NOTES_SIZE) {
		if (!n->error)
			n->error = -EFBIG;
		return NULL;
	}
	head.n_descsz = len;
	p = grow(n, sizeof(head) + name_room + ALIGN(len, NOTE_ALIGN));
	if (!p)
		return NULL;
	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), name, name_size);
	return p + sizeof(head) + name_room;
}

/**
 * crctl_note_add() - append a whole note
 * @n: the buffer
 * @name: the note's owner
 * @type: the note's type
 * @desc: its descriptor
 * @len: bytes of @desc
 *
 * Return: 0 or a negative errno.
 */
int crctl_note_add(struct crctl_notes *n, const char *name, u32 type,
		   const void *desc, size_t len)
{
	void *p = crctl_note_reserve(n, name, type, len);

	if (!p)
		return n->error;
	if (len)
		memcpy(p, desc, len);
	return 0;
}

/**
 * crctl_note_records() - append a "CRCTL" note
 * @n: the buffer
 * @type: enum crctl_note_type
 * @recs: the records
 * @rec_size: bytes of one
 * @count: how many
 * @extra: what they point into
 * @extra_size: bytes of @extra
 *
 * Return: 0 or a negative errno.
 */
int crctl_note_records(struct crctl_notes *n, u32 type, const void *recs,
		       u32 rec_size, u32 count, const void *extra, u32 extra_size)
{
	struct crctl_note_head head = {
		.version = CRCTL_IMAGE_VERSION,
		.rec_size = rec_size,
		.count = count,
		.extra_size = extra_size,
	};
	u64 recs_size = (u64)rec_size * count;
	u8 *p;

	p = crctl_note_reserve(n, CRCTL_NOTE_NAME, type,
			       sizeof(head) + recs_size + extra_size);
	if (!p)
		return n->error;
	memcpy(p, &head, sizeof(head));
	p += sizeof(head);
	if (recs_size)
		memcpy(p, recs, recs_size);
	if (extra_size)
		memcpy(p + recs_size, extra, extra_size);
	return 0;
}

/**
 * crctl_refuse() - record that something cannot be saved
 * @n: the notes of the dump
 * @code: enum crctl_refusal_code
 * @tid: the thread it belongs to, in the reader's pid namespace; 0: the process
 * @addr: a user address it belongs to, or 0
 * @value: what was found there, or 0
 * @fmt: a sentence that says what it is and why it cannot be saved
 *
 * The dump goes on, so that its reader learns everything at once.
 */
void crctl_refuse(struct crctl_notes *n, u32 code, pid_t tid, u64 addr, u64 value,
		  const char *fmt, ...)
{
	struct crctl_refusal *r;
	va_list args;

	if (n->error)
		return;
	if (!n->refusal_recs) {
		n->refusal_recs = kvcalloc(MAX_REFUSALS, sizeof(*r), GFP_KERNEL_ACCOUNT);
		n->refusal_text = kvmalloc(MAX_TEXT, GFP_KERNEL_ACCOUNT);
		if (!n->refusal_recs || !n->refusal_text) {
			/* An image that hides a refusal must not be read. */
			n->error = -ENOMEM;
			return;
		}
	}
	if (n->nr_refusals == MAX_REFUSALS)
		return;
	r = (struct crctl_refusal *)n->refusal_recs + n->nr_refusals++;
	r->code = code;
	r->tid = tid;
	r->addr = addr;
	r->value = value;
	r->text_off = n->refusal_text_len;
	va_start(args, fmt);
	r->text_len = vscnprintf(n->refusal_text + r->text_off,
				 MAX_TEXT - r->text_off, fmt, args);
	va_end(args);
	n->refusal_text_len += r->text_len;
}

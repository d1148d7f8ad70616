#include "mutate.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "crctl_image.h"
#include "fields.h"

#define MAX_NOTES 512
#define PAGE 4096u

void rng_seed(struct rng *r, uint64_t seed)
{
	/* splitmix64: neighbouring seeds give unlike runs, and none is 0 */
	seed += 0x9e3779b97f4a7c15ull;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ull;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebull;
	r->state = (seed ^ (seed >> 31)) | 1;
}

uint64_t rng_next(struct rng *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dull;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	return n ? (rng_next(r) >> 16) % n : 0;
}

/* ---- values that checks are made against ---- */

static const uint64_t interesting[] = {
	0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 63, 64, 65, 127, 128, 255, 256, 511, 4095, 4096, 4097,
	0x23, 0x2b, 0x33, 0x10, 0x18,		/* selectors of tasks, 32-bit tasks and the kernel */
	0x3000, 0x1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000,
	0x200, 0x202, 0x246, 0x3202, 0x4000, 0x20000, 0x40000,	/* eflags: IF, IOPL, NT, VM, AC */
	0x10000, 0xfff, 0xff000, 0x3fffffff, 0x40000000,
	0x7ffffffff000, 0x7fffffffe000, 0x7fffffffffff, 0x800000000000, 0x8000000000000,
	0xffff800000000000, 0xffffffff80000000, 0xffffffffff600000,
	0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffff000,
	0xfffffffffffffe00 /* -512 */, (uint64_t)-513, (uint64_t)-514, (uint64_t)-516, (uint64_t)-38,
};

static uint64_t value(struct rng *r, uint64_t old)
{
	switch (rng_below(r, 8)) {
	case 0:
		return old + 1;
	case 1:
		return old - 1;
	case 2:
		return old ^ 1ull << rng_below(r, 64);
	case 3:
		return old + (rng_below(r, 2) ? PAGE : -(uint64_t)PAGE);
	case 4:
		return rng_next(r);
	case 5:
		return old + 8 * rng_below(r, 64) - 256;
	default:
		return interesting[rng_below(r, sizeof(interesting) / sizeof(interesting[0]))];
	}
}

void change_word(struct rng *r, uint8_t *p, size_t width)
{
	uint64_t v = 0;

	memcpy(&v, p, width);
	v = value(r, v);
	memcpy(p, &v, width);
}

static void change_bytes(struct rng *r, uint8_t *data, size_t size)
{
	size_t at = rng_below(r, size);

	if (!size)
		return;
	if (rng_below(r, 2))
		data[at] ^= 1u << rng_below(r, 8);
	else
		data[at] = rng_next(r) >> 32;
}

/* ---- an image, taken apart ---- */

struct note {
	size_t off, len;	/* in the file, head and padding included */
	size_t desc, desc_len;
};

struct image {
	uint8_t *data;
	size_t size, max;
	size_t notes, notes_len;
	size_t nr_phdrs;
	struct note note[MAX_NOTES];
	size_t nr;
};

static uint64_t get(const uint8_t *p, size_t width)
{
	uint64_t v = 0;

	memcpy(&v, p, width);
	return v;
}

static bool take_apart(struct image *im)
{
	const Elf64_Ehdr *eh = (void *)im->data;
	Elf64_Phdr ph;
	size_t pos, end;

	im->nr = 0;
	if (im->size < sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr) + sizeof(ph) || memcmp(eh, ELFMAG, SELFMAG))
		return false;
	im->nr_phdrs = get(im->data + sizeof(*eh) + offsetof(Elf64_Shdr, sh_info), 4);
	if (!im->nr_phdrs || im->nr_phdrs > (im->size - 128) / sizeof(ph))
		return false;
	memcpy(&ph, im->data + 128, sizeof(ph));
	if (ph.p_offset > im->size || ph.p_filesz > im->size - ph.p_offset)
		return false;
	im->notes = ph.p_offset;
	im->notes_len = ph.p_filesz;
	end = im->notes + im->notes_len;
	for (pos = im->notes; im->nr < MAX_NOTES && end - pos >= 12;) {
		struct note *n = &im->note[im->nr];
		size_t name = get(im->data + pos, 4), desc = get(im->data + pos + 4, 4);

		if (name > 64 || desc > end - pos)
			break;
		n->off = pos;
		n->desc = pos + 12 + ((name + 3) & ~3u);
		n->desc_len = desc;
		n->len = n->desc + ((desc + 3) & ~(size_t)3) - pos;
		if (n->len > end - pos)
			break;
		pos += n->len;
		im->nr++;
	}
	return im->nr > 0;
}

/*
 * The notes became @len bytes: put @notes in the place of the old ones, and the
 * pages behind them where the program headers, also moved, say.
 */
static void replace_notes(struct image *im, const uint8_t *notes, size_t len)
{
	size_t old_end = im->notes + im->notes_len, tail, i;
	size_t pages = (old_end + PAGE - 1) / PAGE * PAGE, room;
	int64_t shift;

	if (pages > im->size)
		pages = im->size;
	tail = im->size - pages;
	room = im->notes + len;
	if (tail)
		room = (room + PAGE - 1) / PAGE * PAGE;
	if (room + tail > im->max)
		return;
	shift = (int64_t)room - (int64_t)pages;
	memmove(im->data + room, im->data + pages, tail);
	memcpy(im->data + im->notes, notes, len);
	memset(im->data + im->notes + len, 0, room - im->notes - len);
	im->size = room + tail;
	memcpy(im->data + 128 + offsetof(Elf64_Phdr, p_filesz), &(uint64_t){ len }, 8);
	for (i = 1; i < im->nr_phdrs && tail; i++) {
		uint8_t *p = im->data + 128 + i * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_offset);
		uint64_t off = get(p, 8) + shift;

		memcpy(p, &off, 8);
	}
}

/* ---- the ways ---- */

uint32_t mutated_kinds;

static void change_by_meaning(struct rng *r, struct image *im)
{
	static struct note_desc notes[MAX_NOTES];
	enum field_kind kind = rng_below(r, NR_FIELD_KINDS);
	size_t i;

	for (i = 0; i < im->nr; i++)
		notes[i] = (struct note_desc){
			.type = get(im->data + im->note[i].off + 8, 4),
			.data = im->data + im->note[i].desc,
			.len = im->note[i].desc_len,
		};
	if (change_typed(r, kind, notes, im->nr))
		mutated_kinds |= 1u << kind;
}

static void change_header(struct rng *r, struct image *im)
{
	size_t words = (sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr)) / 4;

	change_word(r, im->data + 4 * rng_below(r, words - 1), 4);
}

static void change_phdr(struct rng *r, struct image *im)
{
	size_t i = rng_below(r, 3) ? rng_below(r, im->nr_phdrs) : 0;

	change_word(r, im->data + 128 + i * sizeof(Elf64_Phdr) + 8 * rng_below(r, 7), 8);
}

static struct note *any_note(struct rng *r, struct image *im)
{
	return &im->note[rng_below(r, im->nr)];
}

/* A word of a note; most of them are in the first records. */
static void change_field(struct rng *r, struct image *im)
{
	struct note *n = any_note(r, im);
	size_t width = rng_below(r, 3) ? 8 : 4, words = n->desc_len / 4, at;

	if (words < 2)
		return;
	at = rng_below(r, rng_below(r, 2) ? words : words < 64 ? words : 64);
	if (at + width / 4 > words)
		at = words - width / 4;
	change_word(r, im->data + n->desc + 4 * at, width);
}

/* version, record size, count, extra size */
static void change_head(struct rng *r, struct image *im)
{
	struct note *n = any_note(r, im);

	if (n->desc_len >= sizeof(struct crctl_note_head))
		change_word(r, im->data + n->desc + 4 * rng_below(r, 4), 4);
}

/* name size, description size, type */
static void change_note(struct rng *r, struct image *im)
{
	change_word(r, im->data + any_note(r, im)->off + 4 * rng_below(r, 3), 4);
}

static void change_type(struct rng *r, struct image *im)
{
	uint32_t type = CRCTL_NOTE_TYPE(rng_below(r, 17));

	if (!rng_below(r, 4))
		type = CRCTL_NOTE_TYPE(32 + rng_below(r, 6));
	memcpy(im->data + any_note(r, im)->off + 8, &type, 4);
}

/* Scratch for notes put together anew; runs of the fuzzer are single-threaded. */
static uint8_t scratch[4u << 20];

static size_t add(size_t len, const void *p, size_t n)
{
	if (len + n > sizeof(scratch))
		return len;
	memcpy(scratch + len, p, n);
	return len + n;
}

static void rearrange(struct rng *r, struct image *im)
{
	size_t a = rng_below(r, im->nr), b = rng_below(r, im->nr), len = 0, i, how = rng_below(r, 3);

	for (i = 0; i < im->nr; i++) {
		const struct note *n = &im->note[i];

		if (how == 0 && i == a)
			continue;				/* one is missing */
		if (how == 1 && (i == a || i == b))
			n = &im->note[i == a ? b : a];		/* two change places */
		len = add(len, im->data + n->off, n->len);
		if (how == 2 && i == a)
			len = add(len, im->data + im->note[b].off, im->note[b].len);	/* one stands twice */
	}
	replace_notes(im, scratch, len);
}

/* A record more or less, or some bytes more or less behind the records: all sizes still fit. */
static void resize(struct rng *r, struct image *im)
{
	size_t pick = rng_below(r, im->nr), len = 0, i;

	for (i = 0; i < im->nr; i++) {
		const struct note *n = &im->note[i];
		const uint8_t *p = im->data + n->off;
		struct crctl_note_head h;
		size_t start = len, recs, extra, head = n->desc - n->off;
		uint32_t desc;

		if (i != pick || n->desc_len < sizeof(h)) {
			len = add(len, p, n->len);
			continue;
		}
		memcpy(&h, im->data + n->desc, sizeof(h));
		recs = (size_t)h.rec_size * h.count;
		if (!h.rec_size || recs > n->desc_len - sizeof(h)) {
			len = add(len, p, n->len);
			continue;
		}
		extra = n->desc_len - sizeof(h) - recs;
		len = add(len, p, head + sizeof(h));
		switch (rng_below(r, 4)) {
		case 0:		/* the last record twice */
			len = add(len, im->data + n->desc + sizeof(h), recs);
			if (h.count) {
				len = add(len, im->data + n->desc + sizeof(h) + recs - h.rec_size, h.rec_size);
				h.count++;
			}
			break;
		case 1:		/* without the last record */
			if (h.count) {
				h.count--;
				recs -= h.rec_size;
			}
			len = add(len, im->data + n->desc + sizeof(h), recs);
			recs = (size_t)h.rec_size * (h.count + 1);
			break;
		case 2:		/* all records longer */
			for (uint32_t k = 0; k < h.count; k++) {
				static const uint8_t zero[8];

				len = add(len, im->data + n->desc + sizeof(h) + (size_t)k * h.rec_size, h.rec_size);
				len = add(len, zero, sizeof(zero));
			}
			h.rec_size += 8;
			break;
		default:	/* all records shorter */
			for (uint32_t k = 0; k < h.count && h.rec_size > 8; k++)
				len = add(len, im->data + n->desc + sizeof(h) + (size_t)k * h.rec_size, h.rec_size - 8);
			if (h.rec_size > 8)
				h.rec_size -= 8;
			else
				len = add(len, im->data + n->desc + sizeof(h), recs);
			break;
		}
		if (extra)
			len = add(len, im->data + n->desc + n->desc_len - extra, extra - (rng_below(r, 4) ? 0 : 4 % extra));
		desc = len - start - head;
		h.extra_size = desc - sizeof(h) - h.rec_size * h.count;
		memcpy(scratch + start + head, &h, sizeof(h));
		memcpy(scratch + start + 4, &desc, 4);
		while (len % 4 && len < sizeof(scratch))
			scratch[len++] = 0;
	}
	replace_notes(im, scratch, len);
}

/* One note's records in the place of another's: the same sizes with other meanings. */
static void transplant(struct rng *r, struct image *im)
{
	const struct note *a = any_note(r, im), *b = any_note(r, im);
	size_t n = a->desc_len < b->desc_len ? a->desc_len : b->desc_len;

	if (n > sizeof(struct crctl_note_head))
		memmove(im->data + a->desc + sizeof(struct crctl_note_head),
			im->data + b->desc + sizeof(struct crctl_note_head), n - sizeof(struct crctl_note_head));
}

size_t mutate_image(uint8_t *data, size_t size, size_t max, uint64_t seed)
{
	static struct image im;
	struct rng r;
	unsigned int times;

	mutated_kinds = 0;
	rng_seed(&r, seed);
	im.data = data;
	im.size = size;
	im.max = max;
	for (times = 1 + rng_below(&r, 4); times; times--) {
		if (!take_apart(&im)) {
			change_bytes(&r, im.data, im.size);
			continue;
		}
		switch (rng_below(&r, 24)) {
		case 0:
			change_bytes(&r, im.data, im.size);
			break;
		case 1:
			change_header(&r, &im);
			break;
		case 2:
			change_phdr(&r, &im);
			break;
		case 3:
			change_note(&r, &im);
			break;
		case 4:
			change_head(&r, &im);
			break;
		case 5:
			change_type(&r, &im);
			break;
		case 6:
		case 7:
			rearrange(&r, &im);
			break;
		case 8:
		case 9:
			resize(&r, &im);
			break;
		case 10:
			transplant(&r, &im);
			break;
		case 11:
			if (!rng_below(&r, 8))
				im.size = rng_below(&r, im.size);
			else
				change_bytes(&r, im.data + im.notes, im.notes_len);
			break;
		case 12:
		case 13:
		case 14:
		case 15:
			change_field(&r, &im);
			break;
		default:
			change_by_meaning(&r, &im);
			break;
		}
	}
	return im.size;
}

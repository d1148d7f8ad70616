// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contents of files of huge pages: memory that is shared, and deleted files of a hugetlbfs. They take no write(2), and tell
 * lseek(2) of no holes. What is to have a page gets it by fallocate(2), which fails where a write to a mapping kills.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "executor.h"

/* Between two looks for a signal. */
#define CHUNK	(64u << 20)

struct huge {
	int fd, in;		/* the file, and that of the image */
	const char *name;	/* of the latter */
	uint64_t size, page;
	const struct plan_run *runs;
	uint32_t nr_runs;
	bool reserved;
};

uint32_t huge_shift_of(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || (unsigned long)fs.f_type != HUGETLBFS_MAGIC)
		return 0;
	return (uint32_t)__builtin_ctzll((uint64_t)fs.f_bsize);
}

static uint64_t whole_pages(const struct huge *h)
{
	return (h->size + h->page - 1) & ~(h->page - 1);
}

static int read_plan(const struct executor *ex, const struct plan_op *op, struct huge *h, struct error *error)
{
	const char *data = op_data(ex, op);
	const struct plan_huge *head = (const void *)data;

	if (op->data_len < sizeof(*head) || op->data_off % 8 ||
	    head->nr_runs > (op->data_len - sizeof(*head)) / sizeof(*h->runs) || head->shift > 30)
		return failed(error, EPROTO, "huge pages of the plan are malformed");
	*h = (struct huge){
		.fd = slot_fd(ex, op->slot), .size = op->a, .page = 1ull << head->shift,
		.runs = (const void *)(data + sizeof(*head)), .nr_runs = head->nr_runs, .reserved = head->reserved,
	};
	h->name = (const char *)&h->runs[h->nr_runs];
	if (huge_shift_of(h->fd) != head->shift)
		return failed(error, ESTALE, "its file system has no huge pages of this size");
	return 0;
}

/* As mmap(2) says it: that no space is left is what others say of other things. */
static int no_pages(struct error *error, const char *what)
{
	return failed(error, errno == ENOSPC ? ENOMEM : errno, what);
}

/* An end within a page is what fallocate(2) makes, which puts that page in, too. */
static int set_size(const struct huge *h, struct error *error)
{
	uint64_t last = h->size & ~(h->page - 1);
	struct stat st;

	if (fstat(h->fd, &st) < 0)
		return failed(error, errno, "fstat");
	if ((uint64_t)st.st_size == h->size)
		return 0;
	if (ftruncate(h->fd, (off_t)last) < 0)
		return failed(error, errno, "ftruncate");
	if (last == h->size)
		return 0;
	if (fallocate(h->fd, 0, (off_t)last, (off_t)(h->size - last)) < 0 ||
	    fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)last, (off_t)h->page) < 0)
		return no_pages(error, "fallocate of huge pages");
	return 0;
}

/* The reservation of a shared mapping is the file's: it stays when the mapping has gone. */
static int reserve(const struct huge *h, struct error *error)
{
	uint64_t len = whole_pages(h);
	void *map;

	if (!h->reserved || len == 0)
		return 0;
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, h->fd, 0);
	if (map == MAP_FAILED)
		return failed(error, errno, "reserving huge pages by mmap");
	munmap(map, len);
	return 0;
}

static int allocate(const struct huge *h, struct error *error)
{
	for (uint32_t i = 0; i < h->nr_runs; i++) {
		const struct plan_run *run = &h->runs[i];
		int ret;

		do {
			ret = fallocate(h->fd, FALLOC_FL_KEEP_SIZE, (off_t)run->start, (off_t)(run->end - run->start));
		} while (ret < 0 && errno == EINTR && !interrupted());
		if (ret < 0)
			return no_pages(error, "fallocate of huge pages");
	}
	return 0;
}

/* Pages that are there. A mapping that may be written to from its beginning would make the file as long as it is. */
static char *map_pages(const struct huge *h, uint64_t start, uint64_t len, struct error *error)
{
	char *map = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_NORESERVE, h->fd, (off_t)start);

	if (map == MAP_FAILED) {
		failed(error, errno, "mmap of huge pages");
		return NULL;
	}
	if (mprotect(map, len, PROT_READ | PROT_WRITE) == 0)
		return map;
	failed(error, errno, "mprotect of huge pages");
	munmap(map, len);
	return NULL;
}

static int read_part(const struct huge *h, char *to, uint64_t start, uint64_t end, struct error *error)
{
	while (start < end) {
		ssize_t got = pread(h->in, to, end - start < CHUNK ? end - start : CHUNK, (off_t)start);

		if (got <= 0)
			return failed(error, got < 0 ? errno : EIO, "reading a data file of the image");
		if (interrupted())
			return failed(error, EINTR, "copying contents out of the image");
		start += (uint64_t)got;
		to += got;
	}
	return 0;
}

/*
 * A new page holds zeroes: where the image's file has a hole there is nothing to do, and older kernels let nobody have a mapping
 * of a page within which the file ends.
 */
static int next_part(const struct huge *h, bool taken, uint64_t end, struct plan_run *part, struct error *error)
{
	off_t data, hole;

	if (taken)
		return 0;
	data = lseek(h->in, (off_t)part->start, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		data = (off_t)end;
	hole = data < 0 || (uint64_t)data >= end ? data : lseek(h->in, data, SEEK_HOLE);
	if (data < 0 || hole < 0)
		return failed(error, errno, "lseek in a data file of the image");
	part->start = (uint64_t)data < end ? (uint64_t)data : end;
	part->end = (uint64_t)hole < end ? (uint64_t)hole : end;
	return 0;
}

static int read_run(const struct huge *h, const struct plan_run *run, bool taken, struct error *error)
{
	char *map = map_pages(h, run->start, run->end - run->start, error);
	struct plan_run part = *run;
	int ret = map ? 0 : -1;

	while (ret == 0 && part.start < run->end) {
		ret = next_part(h, taken, run->end, &part, error);
		if (ret == 0)
			ret = read_part(h, map + (part.start - run->start), part.start, part.end, error);
		part.start = part.end;
	}
	if (map)
		munmap(map, run->end - run->start);
	return ret;
}

/* -1: it cannot be told. A hole reads as zeroes, without a page for it. */
static int holds_zeroes(const struct huge *h, uint64_t start)
{
	static char text[64 << 10];

	for (uint64_t at = start; at < start + h->page; at += sizeof(text)) {
		ssize_t got = pread(h->fd, text, sizeof(text), (off_t)at);

		if (got != sizeof(text))
			return -1;
		if (text[0] != 0 || memcmp(text, text + 1, sizeof(text) - 1) != 0)
			return 0;
	}
	return 1;
}

/*
 * Where the image has nothing, one that was there may have something. Pages that are reserved stay: once one is given back, nothing
 * reserves it again.
 */
static int clear(const struct huge *h, uint64_t start, uint64_t end, struct error *error)
{
	if (!h->reserved && start < end &&
	    fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)start, (off_t)(end - start)) < 0)
		return failed(error, errno, "fallocate of huge pages");
	for (; h->reserved && start < end; start += h->page) {
		int zeroes = holds_zeroes(h, start);
		char *map;

		if (zeroes < 0)
			return failed(error, EIO, "reading huge pages");
		if (interrupted())
			return failed(error, EINTR, "reading huge pages");
		if (zeroes)
			continue;
		map = map_pages(h, start, h->page, error);
		if (!map)
			return -1;
		memset(map, 0, h->page);
		munmap(map, h->page);
	}
	return 0;
}

static int clear_holes(const struct huge *h, struct error *error)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < h->nr_runs; i++) {
		if (clear(h, at, h->runs[i].start, error) < 0)
			return -1;
		at = h->runs[i].end;
	}
	return clear(h, at, whole_pages(h), error);
}

int fill_huge(struct executor *ex, const struct plan_op *op, bool taken, struct error *error)
{
	struct huge h = { .in = -1, .name = "" };
	int ret = 0;

	if (read_plan(ex, op, &h, error) < 0 || set_size(&h, error) < 0 || reserve(&h, error) < 0 ||
	    allocate(&h, error) < 0 || (taken && clear_holes(&h, error) < 0))
		return -1;
	h.in = openat(ex->image_fd, h.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (h.in < 0)
		return failed(error, errno, "opening a data file of the image");
	for (uint32_t i = 0; i < h.nr_runs && ret == 0; i++)
		ret = read_run(&h, &h.runs[i], taken, error);
	close(h.in);
	if (ret == 0 && ex->plan->flags & PLAN_F_PROGRESS)
		status_line(ex, "filled %llu", (unsigned long long)op->a);
	return ret;
}

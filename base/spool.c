/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool on disk. Opening scans the last segment only and cuts its torn
 * tail; from then on the sizes kept here are the truth, so a reader never
 * looks behind what was appended whole. The mark has two slots, written in
 * turn: one torn slot leaves the other.
 */
#include "base/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/spool_frame.h"

enum {
	MARK_STRIDE = 4096, /* so that no disk block holds both slots */
	DIGITS = 20,	    /* of a segment's name */
	SUFFIX = 4
};

struct segment {
	uint64_t first; /* number of its first record */
	uint64_t bytes;
};

struct spool {
	char *folder;
	size_t segment_bytes;
	size_t total_bytes;
	int folder_fd;
	int lock_fd;
	int mark_fd;
	int write_fd; /* of the last segment; -1: there is none */
	unsigned mark_slot;
	bool unsynced;	    /* appended and not yet on the disk */
	bool unsynced_mark; /* the mark, or names in the folder */
	bool spoiled;	    /* the last segment ends in half a frame */
	struct segment *segments;
	size_t count;
	uint64_t bytes;
	uint64_t next;
	uint64_t consumed;
	uint64_t cut_bytes;
	/* the reader: which segment, how far, and what it finds there */
	int read_fd;
	uint64_t read_first;
	uint64_t read_at;
	uint64_t read_number;
	uint8_t *buffer;
	size_t buffer_bytes;
};

static bool
failed(const struct spool *s, const char *what, struct fault *f)
{
	return fault_set(f, FAULT_SYSTEM, "spool %s: cannot %s: %s", s->folder,
	    what, strerror(errno));
}

static struct segment *
last(struct spool *s)
{
	return &s->segments[s->count - 1];
}

static void
segment_name(uint64_t first, char out[DIGITS + SUFFIX + 1])
{
	(void)snprintf(
	    out, DIGITS + SUFFIX + 1, "%020llu.seg", (unsigned long long)first);
}

static bool
segment_number(const char *name, uint64_t *first)
{
	struct text digits = {name, DIGITS};

	return strlen(name) == DIGITS + SUFFIX &&
	       strcmp(name + DIGITS, ".seg") == 0 &&
	       text_to_u64(digits, first) && *first > 0;
}

static int
segment_open(const struct spool *s, uint64_t first, int flags)
{
	char name[DIGITS + SUFFIX + 1];

	segment_name(first, name);
	return openat(s->folder_fd, name, flags | O_CLOEXEC, 0600);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Up to len bytes at the offset: fewer only at the end; -1 on an error. */
static ssize_t
read_at(int fd, uint8_t *out, size_t len, uint64_t offset)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n =
		    pread(fd, out + got, len - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* The frame at the offset of a file that has `bytes`, read into the buffer;
 * false only if the disk fails. */
static bool
frame_at(struct spool *s, int fd, uint64_t offset, uint64_t bytes,
    enum spool_frame *kind, struct bytes *record, size_t *size)
{
	uint64_t left = bytes - offset;
	size_t want = left < SPOOL_HEAD_BYTES ? (size_t)left : SPOOL_HEAD_BYTES;
	ssize_t n = read_at(fd, s->buffer, want, offset);

	if (n < 0)
		return false;
	*kind = spool_frame_read(bytes_of(s->buffer, (size_t)n), record, size);
	if (*kind != SPOOL_FRAME_SHORT || *size == 0 || *size > left)
		return true;
	if (*size > s->buffer_bytes) {
		s->buffer = mem_resize(s->buffer, *size);
		s->buffer_bytes = *size;
	}
	n = read_at(fd, s->buffer, *size, offset);
	if (n < 0)
		return false;
	*kind = spool_frame_read(bytes_of(s->buffer, (size_t)n), record, size);
	return true;
}

static bool
lock_folder(struct spool *s, struct fault *f)
{
	s->folder_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->folder_fd < 0)
		return failed(s, "open the folder", f);
	s->lock_fd =
	    openat(s->folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return failed(s, "open its lock", f);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		return fault_set(f, FAULT_CONFLICT,
		    "spool %s: another process writes it", s->folder);
	return failed(s, "lock", f);
}

static bool
read_mark(struct spool *s, struct fault *f)
{
	s->mark_fd =
	    openat(s->folder_fd, "mark", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->mark_fd < 0)
		return failed(s, "open its mark", f);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t slot[SPOOL_MARK_BYTES];
		ssize_t n =
		    read_at(s->mark_fd, slot, sizeof(slot), i * MARK_STRIDE);
		uint64_t number;

		if (n < 0)
			return failed(s, "read its mark", f);
		number = spool_mark_read(bytes_of(slot, (size_t)n));
		if (number <= s->consumed)
			continue;
		s->consumed = number;
		s->mark_slot = i;
	}
	return true;
}

static bool
write_mark(struct spool *s, uint64_t number, struct fault *f)
{
	unsigned slot = s->mark_slot ^ 1;
	uint8_t at[SPOOL_MARK_BYTES];

	spool_mark_make(at, number);
	if (pwrite(s->mark_fd, at, sizeof(at), (off_t)slot * MARK_STRIDE) !=
	    sizeof(at))
		return failed(s, "write its mark", f);
	s->mark_slot = slot;
	s->consumed = number;
	s->unsynced_mark = true;
	return true;
}

static void
add_segment(struct spool *s, uint64_t first, uint64_t bytes)
{
	s->segments =
	    mem_resize(s->segments, (s->count + 1) * sizeof(*s->segments));
	s->segments[s->count++] = (struct segment){first, bytes};
	s->bytes += bytes;
}

static int
by_first(const void *a, const void *b)
{
	const struct segment *x = a;
	const struct segment *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static bool
list_segments(struct spool *s, struct fault *f)
{
	int fd = openat(s->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool ok = true;

	if (d == NULL) {
		(void)failed(s, "list", f);
		close_fd(&fd);
		return false;
	}
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		uint64_t first;
		struct stat st;

		if (!segment_number(e->d_name, &first))
			continue;
		if (fstatat(s->folder_fd, e->d_name, &st,
			AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode)) {
			ok = failed(s, "stat a segment", f);
			break;
		}
		add_segment(s, first, (uint64_t)st.st_size);
	}
	(void)closedir(d);
	if (s->count > 1)
		qsort(s->segments, s->count, sizeof(*s->segments), by_first);
	return ok;
}

/* Finds the end of the last whole frame and cuts what follows. */
static bool
recover_last(struct spool *s, struct fault *f)
{
	struct segment *l = last(s);
	enum spool_frame kind;
	struct bytes record;
	uint64_t at = 0;
	size_t size;

	s->write_fd = segment_open(s, l->first, O_RDWR | O_APPEND);
	if (s->write_fd < 0)
		return failed(s, "open its last segment", f);
	for (s->next = l->first;; s->next++, at += size) {
		if (!frame_at(
			s, s->write_fd, at, l->bytes, &kind, &record, &size))
			return failed(s, "read its last segment", f);
		if (kind != SPOOL_FRAME_GOOD)
			break;
	}
	if (at == l->bytes)
		return true;
	if (ftruncate(s->write_fd, (off_t)at) != 0)
		return failed(s, "cut a torn tail", f);
	s->cut_bytes += l->bytes - at;
	s->bytes -= l->bytes - at;
	l->bytes = at;
	s->unsynced = true;
	return true;
}

static bool
start_segment(struct spool *s, struct fault *f)
{
	int fd = segment_open(s, s->next, O_RDWR | O_APPEND | O_CREAT | O_EXCL);

	if (fd < 0)
		return failed(s, "make a segment", f);
	close_fd(&s->write_fd);
	s->write_fd = fd;
	s->spoiled = false;
	s->unsynced_mark = true;
	add_segment(s, s->next, 0);
	return true;
}

static bool
drop_first(struct spool *s, struct fault *f)
{
	char name[DIGITS + SUFFIX + 1];

	segment_name(s->segments[0].first, name);
	if (unlinkat(s->folder_fd, name, 0) != 0 && errno != ENOENT)
		return failed(s, "remove a segment", f);
	if (s->read_fd >= 0 && s->read_first == s->segments[0].first)
		close_fd(&s->read_fd);
	s->bytes -= s->segments[0].bytes;
	s->count--;
	memmove(s->segments, s->segments + 1, s->count * sizeof(*s->segments));
	return true;
}

/* Segments whose every record is behind the mark; never the last. */
static bool
drop_consumed(struct spool *s, struct fault *f)
{
	while (s->count > 1 && s->segments[1].first <= s->consumed + 1)
		if (!drop_first(s, f))
			return false;
	return true;
}

/* Numbers never go back, even where a mark has outlived its records. */
static bool
agree(struct spool *s, struct fault *f)
{
	s->next = 1;
	if (s->count > 0) {
		if (!recover_last(s, f))
			return false;
		if (s->consumed + 1 < s->segments[0].first)
			s->consumed = s->segments[0].first - 1;
	}
	if (s->count == 0 || s->next <= s->consumed) {
		s->next = s->consumed + 1;
		if (!start_segment(s, f))
			return false;
	}
	return drop_consumed(s, f);
}

static struct spool *
spool_new(const char *folder, const struct spool_settings *settings)
{
	struct spool *s = mem_new(sizeof(*s));
	size_t most;

	s->folder = mem_string(folder);
	s->folder_fd = s->lock_fd = s->mark_fd = -1;
	s->write_fd = s->read_fd = -1;
	s->total_bytes = settings == NULL ? 0 : settings->total_bytes;
	s->segment_bytes = settings == NULL ? 0 : settings->segment_bytes;
	if (s->total_bytes == 0)
		s->total_bytes = (size_t)1 << 30;
	if (s->segment_bytes == 0)
		s->segment_bytes = (size_t)16 << 20;
	most = s->total_bytes / 4;
	if (s->segment_bytes > most)
		s->segment_bytes = most;
	s->buffer_bytes = 4096;
	s->buffer = mem_new(s->buffer_bytes);
	return s;
}

static void
spool_free(struct spool *s)
{
	close_fd(&s->read_fd);
	close_fd(&s->write_fd);
	close_fd(&s->mark_fd);
	close_fd(&s->lock_fd);
	close_fd(&s->folder_fd);
	mem_free(s->segments);
	mem_free(s->buffer);
	mem_free(s->folder);
	mem_free(s);
}

bool
spool_open(const char *folder, const struct spool_settings *settings,
    struct spool **out, struct fault *f)
{
	struct spool *s;

	*out = NULL;
	if (!folder_make(folder, 0700, f))
		return false;
	s = spool_new(folder, settings);
	if (!lock_folder(s, f) || !read_mark(s, f) || !list_segments(s, f) ||
	    !agree(s, f)) {
		spool_free(s);
		return false;
	}
	spool_rewind(s);
	*out = s;
	return true;
}

void
spool_close(struct spool **s)
{
	if (s == NULL || *s == NULL)
		return;
	(void)spool_sync(*s, NULL);
	spool_free(*s);
	*s = NULL;
}

/* A full segment goes to the disk before the next is begun. */
static bool
rotate(struct spool *s, struct fault *f)
{
	if (s->unsynced && fdatasync(s->write_fd) != 0)
		return failed(s, "sync", f);
	s->unsynced = false;
	return start_segment(s, f) && drop_consumed(s, f);
}

static bool
make_room(struct spool *s, size_t len, struct fault *f)
{
	if (len == 0 || len > SPOOL_RECORD_MAX)
		return fault_set(f, FAULT_LIMIT,
		    "spool %s: a record has 1 to %d bytes, not %zu", s->folder,
		    SPOOL_RECORD_MAX, len);
	if ((s->spoiled || last(s)->bytes >= s->segment_bytes) &&
	    last(s)->bytes > 0 && !rotate(s, f))
		return false;
	if (s->bytes + SPOOL_HEAD_BYTES + len > s->total_bytes)
		return fault_set(f, FAULT_LIMIT,
		    "spool %s: full, %llu of %zu bytes wait", s->folder,
		    (unsigned long long)s->bytes, s->total_bytes);
	return true;
}

/* What a short write has left must not stand before the next frame. */
static bool
undo(struct spool *s, ssize_t wrote, struct fault *f)
{
	if (wrote >= 0)
		errno = ENOSPC;
	(void)failed(s, "append", f);
	if (wrote > 0 && ftruncate(s->write_fd, (off_t)last(s)->bytes) != 0)
		s->spoiled = true;
	return false;
}

bool
spool_append(struct spool *s, struct bytes record, struct fault *f)
{
	uint8_t head[SPOOL_HEAD_BYTES];
	struct iovec parts[2];
	ssize_t n;

	if (!make_room(s, record.len, f))
		return false;
	spool_head_make(head, record);
	parts[0] = (struct iovec){head, sizeof(head)};
	/* writev takes its parts as mutable and only reads them */
	parts[1] = (struct iovec){(void *)(uintptr_t)record.at, record.len};
	n = writev(s->write_fd, parts, 2);
	if (n != (ssize_t)(sizeof(head) + record.len))
		return undo(s, n, f);
	last(s)->bytes += (uint64_t)n;
	s->bytes += (uint64_t)n;
	s->next++;
	s->unsynced = true;
	return true;
}

bool
spool_sync(struct spool *s, struct fault *f)
{
	if (s->unsynced && fdatasync(s->write_fd) != 0)
		return failed(s, "sync", f);
	s->unsynced = false;
	if (s->unsynced_mark &&
	    (fdatasync(s->mark_fd) != 0 || fsync(s->folder_fd) != 0))
		return failed(s, "sync", f);
	s->unsynced_mark = false;
	return true;
}

/* The segment that has the number: the last that starts at or before it. */
static size_t
segment_of(const struct spool *s, uint64_t number)
{
	size_t i = s->count - 1;

	while (i > 0 && s->segments[i].first > number)
		i--;
	return i;
}

void
spool_rewind(struct spool *s)
{
	close_fd(&s->read_fd);
	s->read_number = s->consumed + 1;
}

/* Opens the segment with the next record to read. */
static bool
seek(struct spool *s, struct fault *f)
{
	const struct segment *g = &s->segments[segment_of(s, s->read_number)];

	s->read_fd = segment_open(s, g->first, O_RDONLY);
	if (s->read_fd < 0)
		return failed(s, "open a segment", f);
	s->read_first = g->first;
	s->read_at = 0;
	return true;
}

/* The number one past the last that segment i may hold. */
static uint64_t
end_of(const struct spool *s, size_t i)
{
	return i + 1 < s->count ? s->segments[i + 1].first : s->next;
}

/* Goes on in the segment after i; what is left of i is damage, counted once.
 * Behind damage in the last segment nothing may be appended. */
static void
leave_segment(struct spool *s, size_t i)
{
	struct segment *g = &s->segments[i];
	uint64_t lost = g->bytes - s->read_at;

	s->cut_bytes += lost;
	if (i == s->count - 1) {
		s->spoiled = true;
	} else {
		g->bytes -= lost;
		s->bytes -= lost;
	}
	if (s->read_number < end_of(s, i))
		s->read_number = end_of(s, i);
	close_fd(&s->read_fd);
}

/* Steps over records that the mark has passed: a segment is read from its
 * start. `at` counts what number the frame at read_at has. */
static bool
skip_to(struct spool *s, size_t i, struct fault *f)
{
	enum spool_frame kind;
	struct bytes record;
	size_t size;

	for (uint64_t at = s->read_first; at < s->read_number; at++) {
		if (!frame_at(s, s->read_fd, s->read_at, s->segments[i].bytes,
			&kind, &record, &size))
			return failed(s, "read a segment", f);
		if (kind != SPOOL_FRAME_GOOD) {
			leave_segment(s, i);
			return true;
		}
		s->read_at += size;
	}
	return true;
}

bool
spool_read(
    struct spool *s, struct bytes *out, uint64_t *number, struct fault *f)
{
	enum spool_frame kind;
	size_t size;

	*out = (struct bytes){NULL, 0};
	*number = 0;
	while (s->read_number < s->next) {
		size_t i = segment_of(s, s->read_number);

		if (s->read_fd >= 0 && s->read_first != s->segments[i].first)
			close_fd(&s->read_fd);
		if (s->read_fd < 0 && (!seek(s, f) || !skip_to(s, i, f)))
			return false;
		if (s->read_fd < 0)
			continue; /* damage before the record: the next */
		if (!frame_at(s, s->read_fd, s->read_at, s->segments[i].bytes,
			&kind, out, &size))
			return failed(s, "read a segment", f);
		if (kind == SPOOL_FRAME_GOOD) {
			s->read_at += size;
			*number = s->read_number++;
			return true;
		}
		*out = (struct bytes){NULL, 0};
		leave_segment(s, i);
	}
	return true;
}

bool
spool_consume(struct spool *s, uint64_t number, struct fault *f)
{
	if (number >= s->next)
		return fault_set(f, FAULT_INVALID,
		    "spool %s: record %llu has not been appended", s->folder,
		    (unsigned long long)number);
	if (number <= s->consumed)
		return true;
	if (!write_mark(s, number, f))
		return false;
	if (s->read_number <= number) {
		s->read_number = number + 1;
		close_fd(&s->read_fd);
	}
	return drop_consumed(s, f);
}

void
spool_counts(const struct spool *s, struct spool_counts *out)
{
	*out = (struct spool_counts){
	    .next = s->next,
	    .consumed = s->consumed,
	    .bytes = s->bytes,
	    .cut_bytes = s->cut_bytes,
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child sends fixed-size messages, each smaller than PIPE_BUF and so
 * never torn: progress, and for each file its hash and what it was. A file
 * whose state differs before and after it was read is not trusted.
 */
#include "provider/hasher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"

#define CACHE_BYTES (4 * 1024 * 1024)
#define PROGRESS_MS 2000

struct message {
	uint32_t index;
	uint32_t done; /* 1: the file's last message */
	uint64_t read;
	struct file_state state;
	uint8_t sha256[32];
};

struct hasher {
	struct loop *loop;
	struct log log;
	char cache_path[4096];
	json_t *cache; /* path -> {inode, size, mtime_ns, ctime_ns, sha256} */
	struct question *now;
};

struct question {
	struct pending pending;
	struct hasher *hasher;
	struct artifact_file **files;
	struct file_state *states;
	size_t count;
	void (*fn)(void *arg);
	void *arg;
	pid_t child;
	int pipe;
	struct event *readable;
	struct pending *later;
	int64_t told_ms;
	bool changed;
};

void
file_state_read(const char *path, struct file_state *out)
{
	struct stat st;

	memset(out, 0, sizeof *out);
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	out->there = true;
	out->inode = (uint64_t)st.st_ino;
	out->size = (uint64_t)st.st_size;
	out->mtime_ns =
	    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	out->ctime_ns =
	    (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

bool
file_state_equal(const struct file_state *a, const struct file_state *b)
{
	return a->there == b->there && a->inode == b->inode &&
	       a->size == b->size && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns;
}

/* ------------------------------------------------------------------- cache */

static int64_t
member_i64(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static bool
cache_find(struct hasher *h, const char *path, const struct file_state *now,
    uint8_t sha256[32])
{
	const json_t *o = json_object_get(h->cache, path);
	const char *hex = json_string_value(json_object_get(o, "sha256"));
	struct file_state was = {.there = true};
	size_t len;

	if (hex == NULL)
		return false;
	was.inode = (uint64_t)member_i64(o, "inode");
	was.size = (uint64_t)member_i64(o, "size");
	was.mtime_ns = member_i64(o, "mtime_ns");
	was.ctime_ns = member_i64(o, "ctime_ns");
	return file_state_equal(&was, now) &&
	       hex_decode(text_of(hex), sha256, 32, &len) && len == 32;
}

static void
cache_keep(struct hasher *h, const char *path, const struct file_state *state,
    const uint8_t sha256[32])
{
	char hex[HEX_SIZE(32)];

	hex_encode(bytes_of(sha256, 32), hex);
	json_object_set_new(h->cache, path,
	    json_pack("{s:I,s:I,s:I,s:I,s:s}", "inode",
		(json_int_t)state->inode, "size", (json_int_t)state->size,
		"mtime_ns", (json_int_t)state->mtime_ns, "ctime_ns",
		(json_int_t)state->ctime_ns, "sha256", hex));
}

static void
cache_save(struct hasher *h)
{
	struct arena *a = arena_new();
	const char *text = json_write(a, h->cache);
	struct fault f;

	if (!file_write(h->cache_path, text, strlen(text), 0600, &f))
		log_warn(
		    &h->log, "hash_cache_not_saved", LOG_STR("why", f.why));
	arena_free(&a);
}

struct hasher *
hasher_new(struct loop *l, const char *state_folder, const struct log *log)
{
	struct hasher *h = mem_new(sizeof *h);
	char *text = NULL;
	size_t len;

	h->loop = l;
	h->log = *log;
	snprintf(h->cache_path, sizeof h->cache_path, "%s/hashes.json",
	    state_folder);
	if (file_read(h->cache_path, CACHE_BYTES, &text, &len, NULL))
		json_read(
		    (struct text){text, len}, CACHE_BYTES, &h->cache, NULL);
	mem_free(text);
	if (!json_is_object(h->cache)) {
		json_free(&h->cache);
		h->cache = json_object();
	}
	return h;
}

/* ---------------------------------------------------------------- question */

static void
question_free(struct question *q)
{
	if (q->readable != NULL)
		event_free(q->readable);
	if (q->pipe >= 0)
		close(q->pipe);
	if (q->child > 0) {
		kill(q->child, SIGKILL);
		while (waitpid(q->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	pending_cancel(&q->later);
	q->hasher->now = NULL;
	mem_free(q);
}

static void
on_cancel(struct pending *self)
{
	question_free((struct question *)self);
}

void
hasher_free(struct hasher **h)
{
	if (*h == NULL)
		return;
	if ((*h)->now != NULL)
		question_free((*h)->now);
	json_free(&(*h)->cache);
	mem_free(*h);
	*h = NULL;
}

static void
finish(void *arg)
{
	struct question *q = arg;
	void (*fn)(void *) = q->fn;
	void *fn_arg = q->arg;

	q->later = NULL;
	if (q->changed)
		cache_save(q->hasher);
	question_free(q);
	fn(fn_arg);
}

static void
take(struct question *q, const struct message *m)
{
	struct artifact_file *file = q->files[m->index];

	if (!m->done) {
		if (clock_mono_ms() - q->told_ms < PROGRESS_MS)
			return;
		q->told_ms = clock_mono_ms();
		log_info(&q->hasher->log, "hashing",
		    LOG_STR("file", file->name), LOG_INT("done", m->read),
		    LOG_INT("size", m->state.size));
		return;
	}
	q->states[m->index] = m->state;
	file->hashed = m->state.there;
	if (!m->state.there)
		return;
	memcpy(file->sha256, m->sha256, 32);
	file->size = m->state.size;
	cache_keep(q->hasher, file->path, &m->state, m->sha256);
	q->changed = true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct question *q = arg;
	struct message m;
	ssize_t n;

	(void)what;
	while ((n = read((int)fd, &m, sizeof m)) == (ssize_t)sizeof m)
		if (m.index < q->count)
			take(q, &m);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	finish(q);
}

/* ------------------------------------------------------------------- child */

struct reading {
	int fd;
	struct message message;
};

static void
send_message(struct reading *r)
{
	ssize_t n = write(r->fd, &r->message, sizeof r->message);

	if (n != (ssize_t)sizeof r->message)
		_exit(1);
}

static void
on_progress(void *arg, const char *name, uint64_t done, uint64_t size)
{
	struct reading *r = arg;

	(void)name;
	(void)size;
	r->message.read = done;
	send_message(r);
}

static void
child(struct question *q, int fd)
{
	struct reading r = {.fd = fd};

	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* the parent decides */
	for (size_t i = 0; i < q->count; i++) {
		const struct artifact_file *file = q->files[i];
		struct file_state before;
		uint64_t size;

		if (file->path == NULL || file->hashed)
			continue;
		file_state_read(file->path, &before);
		r.message =
		    (struct message){.index = (uint32_t)i, .state = before};
		if (before.there)
			r.message.state.there = artifact_file_hash(file->path,
			    on_progress, &r, r.message.sha256, &size, NULL);
		file_state_read(file->path, &before);
		if (!file_state_equal(&before, &r.message.state))
			r.message.state.there = false;
		r.message.done = 1;
		send_message(&r);
	}
	_exit(0);
}

static bool
spawn(struct question *q)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return false;
	q->child = fork();
	if (q->child == 0) {
		close(fds[0]);
		child(q, fds[1]);
	}
	close(fds[1]);
	q->pipe = fds[0];
	if (q->child < 0)
		return false;
	evutil_make_socket_nonblocking(q->pipe);
	q->readable = event_new(loop_base(q->hasher->loop), q->pipe,
	    EV_READ | EV_PERSIST, on_readable, q);
	event_add(q->readable, NULL);
	return true;
}

struct pending *
hasher_ask(struct hasher *h, struct artifact_file **files,
    struct file_state *states, size_t count, void (*fn)(void *arg), void *arg)
{
	struct question *q = mem_new(sizeof *q);
	size_t missing = 0;

	q->pending.cancel = on_cancel;
	q->hasher = h;
	q->files = files;
	q->states = states;
	q->count = count;
	q->fn = fn;
	q->arg = arg;
	q->pipe = -1;
	h->now = q;
	for (size_t i = 0; i < count; i++) {
		if (files[i]->path == NULL)
			continue;
		file_state_read(files[i]->path, &states[i]);
		files[i]->hashed =
		    states[i].there &&
		    cache_find(h, files[i]->path, &states[i], files[i]->sha256);
		if (files[i]->hashed)
			files[i]->size = states[i].size;
		missing += !files[i]->hashed;
	}
	if (missing == 0 || !spawn(q))
		q->later = loop_defer(h->loop, finish, q);
	return &q->pending;
}

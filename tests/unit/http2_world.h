/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of HTTP/2 share: two sessions and the memory between them,
 * cut into pieces of any size, and a caller that counts what it is told.
 */
#ifndef TESTS_UNIT_HTTP2_WORLD_H
#define TESTS_UNIT_HTTP2_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/frames.h"
#include "base/http2.h"

enum { MARK = 64 * 1024 };

struct side {
	struct http2 *h;
	struct evbuffer *out;
	struct fault over;
	bool is_over;
	bool woken;
	unsigned goaways;
	/* server role */
	struct http_request *requests[64];
	unsigned count;
	bool hold; /* keep requests; else answer them with what came */
	unsigned gone, drained;
};

struct world {
	struct side client, server;
	struct http2_limits limits;
	size_t piece;
	int64_t now_us;
};

struct taker {
	struct http_call *call;
	int status;
	char field[64];
	struct evbuffer *body;
	size_t got;
	bool keep, ended, failed;
	bool cancel_in_head, cancel_in_body;
	struct fault why;
};

static inline void
on_wake(void *arg, bool at_once)
{
	struct side *s = arg;

	(void)at_once;
	s->woken = true;
}

static inline void
on_goaway(void *arg)
{
	((struct side *)arg)->goaways++;
}

static inline void
on_drained(void *arg)
{
	((struct side *)arg)->drained++;
}

static inline void
on_gone(void *arg)
{
	((struct side *)arg)->gone++;
}

static const struct http_watch watching = {on_drained, on_gone};

static inline void
on_request(struct http_request *r, void *arg)
{
	struct side *s = arg;
	struct http_fields fs = {0};

	if (s->hold) {
		http_request_watch(r, &watching, s);
		s->requests[s->count++] = r;
		return;
	}
	s->count++;
	http_fields_add(&fs, r->arena, "x-path", r->path);
	http_reply_start(r, 200, &fs);
	http_reply_body(r, r->body);
	http_reply_end(r);
	http_request_close(&r);
}

static const struct http2_events events = {
    .on_wake = on_wake,
    .on_request = on_request,
    .on_goaway = on_goaway,
};

static inline int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->limits = (struct http2_limits){
	    .header_list_bytes = 8192,
	    .streams = 50,
	    .stream_window = 64 * 1024,
	    .connection_window = 256 * 1024,
	    .body_bytes = 1024 * 1024,
	    .backlog_low = 16 * 1024,
	    .resets_per_s = 20,
	    .settings_per_s = 10,
	    .pings_per_s = 10,
	};
	w->piece = SIZE_MAX;
	w->client.out = evbuffer_new();
	w->server.out = evbuffer_new();
	*state = w;
	return 0;
}

static inline void
begin(struct world *w)
{
	w->client.h = http2_new(false, &w->limits, &events, &w->client, 0);
	w->server.h = http2_new(true, &w->limits, &events, &w->server, 0);
	http2_set_peer(w->server.h, "192.0.2.1:5", NULL);
}

static inline int
tear_down(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; w->server.hold && i < w->server.count; i++)
		http_request_close(&w->server.requests[i]);
	http2_free(&w->client.h);
	http2_free(&w->server.h);
	evbuffer_free(w->client.out);
	evbuffer_free(w->server.out);
	free(w);
	return 0;
}

static inline void
over(struct side *s, bool fine, const struct fault *f)
{
	if (fine || s->is_over)
		return;
	s->is_over = true;
	s->over = *f;
}

/* A piece is a block of its own, so that reading past it is seen. */
static inline void
feed_pieces(struct world *w, struct side *to, const uint8_t *at, size_t len)
{
	struct fault f;

	while (len > 0 && !to->is_over) {
		size_t n = len < w->piece ? len : w->piece;
		uint8_t *copy = malloc(n);

		memcpy(copy, at, n);
		over(to, http2_feed(to->h, bytes_of(copy, n), w->now_us, &f),
		    &f);
		free(copy);
		http2_dispatch(to->h);
		at += n;
		len -= n;
	}
}

static inline bool
carry(struct world *w, struct side *from, struct side *to)
{
	struct fault f;
	size_t n;

	over(from, http2_pull(from->h, from->out, MARK, w->now_us, &f), &f);
	n = evbuffer_get_length(from->out);
	if (n == 0)
		return false;
	feed_pieces(w, to, evbuffer_pullup(from->out, -1), n);
	evbuffer_drain(from->out, n);
	http2_dispatch(from->h);
	return true;
}

/* Until neither has anything to say. */
static inline void
pump(struct world *w)
{
	bool moved = true;

	while (moved) {
		moved = carry(w, &w->client, &w->server);
		moved = carry(w, &w->server, &w->client) || moved;
	}
}

static inline void
take_head(void *arg, int status, const struct http_fields *fs)
{
	struct taker *t = arg;
	const char *field = http_fields_find(fs, "x-path");

	assert_false(t->ended);
	t->status = status;
	snprintf(t->field, sizeof t->field, "%s", field == NULL ? "" : field);
	if (t->cancel_in_head)
		http_call_cancel(&t->call);
}

static inline void
take_body(void *arg, struct evbuffer *data)
{
	struct taker *t = arg;
	size_t n = evbuffer_get_length(data);

	assert_false(t->ended);
	assert_non_null(t->call);
	t->got += n;
	if (t->body != NULL)
		evbuffer_add_buffer(t->body, data);
	else
		evbuffer_drain(data, n);
	if (t->cancel_in_body)
		http_call_cancel(&t->call);
	else if (!t->keep)
		http_call_credit(t->call, n);
}

static inline void
take_end(void *arg, const struct fault *f)
{
	struct taker *t = arg;

	assert_false(t->ended);
	t->ended = true;
	t->call = NULL;
	t->failed = f != NULL;
	if (f != NULL)
		t->why = *f;
}

static const struct http_events taking = {take_head, take_body, take_end};

static inline void
call(struct world *w, struct taker *t, const char *path, struct evbuffer *body)
{
	struct http_outgoing o = {
	    .method = body == NULL ? "GET" : "POST",
	    .path = path,
	    .body = body,
	};
	struct fault f;

	t->call = http2_call(w->client.h, &o, &taking, t, &f);
	if (t->call == NULL)
		fail_msg("%s", f.why);
	assert_true(w->client.woken);
	assert_false(t->ended);
	assert_int_equal(t->status, 0);
}

static inline struct evbuffer *
noise(size_t n)
{
	struct evbuffer *b = evbuffer_new();
	unsigned x = 1;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)((x = x * 1103515245 + 12345) >> 16);

		evbuffer_add(b, &c, 1);
	}
	return b;
}

static inline void
assert_same(struct evbuffer *a, struct evbuffer *b)
{
	size_t n = evbuffer_get_length(a);

	assert_int_equal(n, evbuffer_get_length(b));
	assert_memory_equal(evbuffer_pullup(a, -1), evbuffer_pullup(b, -1), n);
}

#endif

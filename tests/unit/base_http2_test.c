/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 without sockets: two sessions against each other in memory, their
 * bytes cut in pieces of every small size, and raw floods against one.
 */
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

static void
on_wake(void *arg, bool at_once)
{
	struct side *s = arg;

	(void)at_once;
	s->woken = true;
}

static void
on_goaway(void *arg)
{
	((struct side *)arg)->goaways++;
}

static void
on_drained(void *arg)
{
	((struct side *)arg)->drained++;
}

static void
on_gone(void *arg)
{
	((struct side *)arg)->gone++;
}

static const struct http_watch watching = {on_drained, on_gone};

static void
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

static int
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

static void
begin(struct world *w)
{
	w->client.h = http2_new(false, &w->limits, &events, &w->client, 0);
	w->server.h = http2_new(true, &w->limits, &events, &w->server, 0);
	http2_set_peer(w->server.h, "192.0.2.1:5", NULL);
}

static int
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

static void
over(struct side *s, bool fine, const struct fault *f)
{
	if (fine || s->is_over)
		return;
	s->is_over = true;
	s->over = *f;
}

/* A piece is a block of its own, so that reading past it is seen. */
static void
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

static bool
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
static void
pump(struct world *w)
{
	bool moved = true;

	while (moved) {
		moved = carry(w, &w->client, &w->server);
		moved = carry(w, &w->server, &w->client) || moved;
	}
}

static void
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

static void
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

static void
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

static void
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

static struct evbuffer *
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

static void
assert_same(struct evbuffer *a, struct evbuffer *b)
{
	size_t n = evbuffer_get_length(a);

	assert_int_equal(n, evbuffer_get_length(b));
	assert_memory_equal(evbuffer_pullup(a, -1), evbuffer_pullup(b, -1), n);
}

/* ------------------------------------------------------------- exchanges */

static void
echo(struct world *w, size_t bytes)
{
	struct taker t = {.body = evbuffer_new()};
	struct evbuffer *sent = noise(bytes);
	struct evbuffer *kept = noise(bytes);

	begin(w);
	call(w, &t, "/echo?q=1", sent);
	assert_int_equal(evbuffer_get_length(sent), 0); /* moved out of */
	pump(w);
	assert_true(t.ended);
	assert_false(t.failed);
	assert_int_equal(t.status, 200);
	assert_string_equal(t.field, "/echo");
	assert_same(t.body, kept);
	assert_int_equal(http2_streams(w->client.h), 0);
	assert_int_equal(http2_streams(w->server.h), 0);
	assert_true(http2_is_ready(w->client.h));
	assert_true(http2_is_ready(w->server.h));
	assert_false(w->client.is_over || w->server.is_over);
	evbuffer_free(sent);
	evbuffer_free(kept);
	evbuffer_free(t.body);
	http2_free(&w->client.h);
	http2_free(&w->server.h);
}

static void
test_every_split(void **state)
{
	struct world *w = *state;

	for (w->piece = 1; w->piece < 60; w->piece++)
		echo(w, 100);
	w->piece = 1;
	echo(w, 0);
	w->piece = 977;
	echo(w, 300 * 1000);
	w->piece = SIZE_MAX;
	echo(w, 900 * 1000); /* many times the windows */
}

static void
test_request_as_seen(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct arena *a = arena_new();
	struct http_outgoing o = {.method = "GET", .path = "/a?b"};
	const struct http_request *r;
	struct fault f;

	w->server.hold = true;
	begin(w);
	http_fields_add(&o.fields, a, "host", "gateway.test");
	http_fields_add(&o.fields, a, "x-a", "1");
	http_fields_add(&o.fields, a, "connection", "close");
	t.call = http2_call(w->client.h, &o, &taking, &t, &f);
	pump(w);
	assert_int_equal(w->server.count, 1);
	r = w->server.requests[0];
	assert_string_equal(r->method, "GET");
	assert_string_equal(r->path, "/a");
	assert_string_equal(r->query, "b");
	assert_string_equal(
	    http_fields_find(&r->fields, "host"), "gateway.test");
	assert_string_equal(http_fields_find(&r->fields, "x-a"), "1");
	assert_null(http_fields_find(&r->fields, "connection"));
	assert_string_equal(r->remote, "192.0.2.1:5");
	assert_null(r->peer);
	assert_int_equal(evbuffer_get_length(r->body), 0);
	http_reply_text(&w->server.requests[0], 404, "text/plain", "no");
	w->server.count = 0;
	pump(w);
	assert_int_equal(t.status, 404);
	assert_true(t.ended);
	arena_free(&a);
}

static void
test_head_has_no_body(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct http_outgoing o = {.method = "HEAD", .path = "/"};
	struct fault f;

	w->server.hold = true;
	begin(w);
	t.call = http2_call(w->client.h, &o, &taking, &t, &f);
	pump(w);
	http_reply_text(&w->server.requests[0], 200, "text/plain", "hello");
	w->server.count = 0;
	pump(w);
	assert_true(t.ended);
	assert_false(t.failed);
	assert_int_equal(t.got, 0);
}

static void
test_refused_requests(void **state)
{
	struct world *w = *state;
	static const char *const paths[] = {
	    "x", "*", "/a b", "/a#b", "/\xc3\xa9", ""};

	begin(w);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct taker t = {0};

		call(w, &t, paths[i], NULL);
		pump(w);
		assert_true(t.ended);
		assert_true(t.failed);
		assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	}
	assert_int_equal(w->server.count, 0);
	assert_false(w->server.is_over);
}

static void
test_body_over_the_limit(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};
	struct evbuffer *b = noise(200 * 1000);

	w->limits.body_bytes = 100 * 1000;
	begin(w);
	call(w, &t, "/", b);
	pump(w);
	assert_true(t.ended);
	assert_int_equal(t.status, 413);
	evbuffer_add(t.body, "", 1);
	assert_non_null(strstr((char *)evbuffer_pullup(t.body, -1),
	    "\"code\":\"request_too_large\""));
	assert_int_equal(w->server.count, 0);
	assert_int_equal(http2_streams(w->client.h), 0);
	assert_int_equal(http2_streams(w->server.h), 0);
	assert_false(w->server.is_over);
	evbuffer_free(b);
	evbuffer_free(t.body);
}

static void
test_full_and_more(void **state)
{
	struct world *w = *state;
	struct taker t[3] = {0};
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct fault f;

	w->limits.streams = 2;
	w->server.hold = true;
	begin(w);
	pump(w);
	assert_int_equal(http2_streams_max(w->client.h), 2);
	call(w, &t[0], "/0", NULL);
	call(w, &t[1], "/1", NULL);
	assert_null(http2_call(w->client.h, &o, &taking, &t[2], &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
	assert_string_equal(f.why, "the link is full: 2 streams");
	pump(w);
	http_reply_text(&w->server.requests[0], 200, "text/plain", "x");
	pump(w);
	assert_true(t[0].ended);
	call(w, &t[2], "/2", NULL);
	pump(w);
	assert_int_equal(w->server.count, 3);
}

/* ---------------------------------------------------------- flow control */

static void
pour(struct http_request *r, size_t n)
{
	struct evbuffer *b = noise(n);

	http_reply_body(r, b);
	assert_int_equal(evbuffer_get_length(b), 0);
	evbuffer_free(b);
}

static void
test_window_stops_its_own_stream(void **state)
{
	struct world *w = *state;
	struct taker slow = {.keep = true}, fast = {0};

	w->server.hold = true;
	begin(w);
	call(w, &slow, "/slow", NULL);
	call(w, &fast, "/fast", NULL);
	pump(w);
	for (unsigned i = 0; i < 2; i++) {
		http_reply_start(w->server.requests[i], 200, NULL);
		pour(w->server.requests[i], 500 * 1000);
	}
	pump(w);
	assert_int_equal(slow.got, w->limits.stream_window);
	assert_int_equal(fast.got, 500 * 1000);
	assert_int_equal(http_reply_backlog(w->server.requests[0]),
	    500 * 1000 - w->limits.stream_window);
	assert_int_equal(http_reply_backlog(w->server.requests[1]), 0);
	assert_int_equal(w->server.drained, 1);
	http_call_credit(slow.call, 40 * 1000);
	pump(w);
	assert_int_equal(slow.got, w->limits.stream_window + 40 * 1000);
	slow.keep = false;
	http_call_credit(slow.call, slow.got - 40 * 1000);
	pump(w);
	assert_int_equal(slow.got, 500 * 1000);
	assert_int_equal(w->server.drained, 2);
}

/* Bytes that nobody will ever credit must not be lost to the connection. */
static void
leave_unread(struct world *w, int how)
{
	struct taker t = {.keep = true};

	w->server.count = 0;
	call(w, &t, "/", NULL);
	pump(w);
	assert_int_equal(w->server.count, 1);
	http_reply_start(w->server.requests[0], 200, NULL);
	pour(w->server.requests[0], 60 * 1000);
	if (how == 0) { /* ends whole */
		http_reply_end(w->server.requests[0]);
		http_request_close(&w->server.requests[0]);
		pump(w);
		assert_true(t.ended && !t.failed);
	} else if (how == 1) { /* the server cuts it */
		pump(w);
		http_request_close(&w->server.requests[0]);
		pump(w);
		assert_true(t.ended && t.failed);
		assert_int_equal(t.why.kind, FAULT_TRUNCATED);
	} else if (how == 2) { /* cancelled with bytes unread */
		pump(w);
		assert_int_equal(t.got, 60 * 1000);
		http_call_cancel(&t.call);
		pump(w);
		http_request_close(&w->server.requests[0]);
	} else { /* cancelled with bytes on their way */
		carry(w, &w->server, &w->client);
		pour(w->server.requests[0], 4000);
		over(&w->server,
		    http2_pull(
			w->server.h, w->server.out, MARK, w->now_us, NULL),
		    &w->server.over);
		http_call_cancel(&t.call);
		pump(w);
		http_request_close(&w->server.requests[0]);
	}
	w->server.count = 0;
	w->now_us += 1000000;
}

static void
test_connection_window_never_leaks(void **state)
{
	struct world *w = *state;
	struct taker t = {.keep = true};

	w->server.hold = true;
	begin(w);
	for (int i = 0; i < 40; i++)
		leave_unread(w, i % 4);
	/* A fifth of what was left unread would have used it up. */
	call(w, &t, "/", NULL);
	pump(w);
	http_reply_start(w->server.requests[0], 200, NULL);
	pour(w->server.requests[0], 60 * 1000);
	pump(w);
	assert_int_equal(t.got, 60 * 1000);
	assert_false(w->client.is_over || w->server.is_over);
}

/* DATA waits once the socket is full; a cancelled stream's RST does not. */
static void
test_output_over_the_mark(void **state)
{
	struct world *w = *state;
	struct taker t[8] = {0};
	struct fault f;
	size_t held;

	w->limits.connection_window = 4 * 1024 * 1024;
	w->server.hold = true;
	begin(w);
	for (int i = 0; i < 8; i++)
		call(w, &t[i], "/", NULL);
	pump(w);
	for (int i = 0; i < 8; i++) {
		http_reply_start(w->server.requests[i], 200, NULL);
		pour(w->server.requests[i], 60 * 1000);
	}
	assert_true(http2_pull(w->server.h, w->server.out, MARK, 0, &f));
	held = evbuffer_get_length(w->server.out);
	assert_true(held >= MARK && held < MARK + 20 * 1000);
	http_request_close(&w->server.requests[7]);
	assert_true(http2_pull(w->server.h, w->server.out, MARK, 0, &f));
	assert_int_equal(evbuffer_get_length(w->server.out), held + 13);
	pump(w);
	for (int i = 0; i < 7; i++)
		assert_int_equal(t[i].got, 60 * 1000);
	assert_true(t[7].ended && t[7].failed);
}

/* ----------------------------------------------------------- cancellation */

static void
test_cancel_before_it_left(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	begin(w);
	pump(w);
	call(w, &t, "/", NULL);
	http_call_cancel(&t.call);
	assert_null(t.call);
	pump(w);
	assert_int_equal(w->server.count, 0);
	assert_int_equal(http2_streams(w->client.h), 0);
	call(w, &t, "/", NULL);
	pump(w);
	assert_true(t.ended && !t.failed);
}

static void
test_cancel_reaches_the_handler(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	http_call_cancel(&t.call);
	pump(w);
	assert_int_equal(w->server.gone, 1);
	assert_false(t.ended);
	/* The request lives on, deaf. */
	http_reply_start(w->server.requests[0], 200, NULL);
	pour(w->server.requests[0], 1000);
	assert_int_equal(http_reply_backlog(w->server.requests[0]), 0);
	http_reply_end(w->server.requests[0]);
	pump(w);
	assert_int_equal(w->server.gone, 1);
}

static void
test_cancel_inside(void **state)
{
	struct world *w = *state;
	struct taker a = {.cancel_in_head = true};
	struct taker b = {.cancel_in_body = true};
	struct evbuffer *body = noise(1000);

	begin(w);
	call(w, &a, "/a", NULL);
	call(w, &b, "/b", body);
	pump(w);
	assert_int_equal(a.status, 200);
	assert_int_equal(b.got, 1000);
	assert_false(a.ended || b.ended);
	assert_int_equal(http2_streams(w->client.h), 0);
	evbuffer_free(body);
}

/* ------------------------------------------------------------- the ending */

static void
test_end_tells_everybody(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct fault f;

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	fault_set(&f, FAULT_TIMEOUT, "silence");
	http2_end(w->client.h, &f);
	assert_false(t.ended);
	http2_dispatch(w->client.h);
	assert_true(t.ended && t.failed);
	assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	assert_string_equal(t.why.why, "link is over: silence");
	http2_end(w->server.h, &f);
	http2_dispatch(w->server.h);
	assert_int_equal(w->server.gone, 1);
	http2_free(&w->server.h);
	/* The handler's request outlives even the session. */
	assert_string_equal(w->server.requests[0]->path, "/");
	http_reply_start(w->server.requests[0], 200, NULL);
}

static void
test_drain_in_two_phases(void **state)
{
	struct world *w = *state;
	struct taker t = {0}, late = {0};
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct fault f;

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	http2_drain(w->server.h, 0);
	/* A call that crosses the first GOAWAY is still served. */
	call(w, &late, "/late", NULL);
	pump(w);
	assert_int_equal(w->client.goaways, 1);
	assert_int_equal(w->server.count, 2);
	assert_null(http2_call(w->client.h, &o, &taking, &late, &f));
	assert_string_equal(f.why, "the link is going away");
	assert_false(http2_is_drained(w->server.h));
	http_reply_text(&w->server.requests[0], 200, "text/plain", "x");
	pump(w);
	assert_true(t.ended && !t.failed);
	assert_false(http2_is_drained(w->server.h));
	http_reply_text(&w->server.requests[1], 200, "text/plain", "x");
	pump(w);
	assert_true(late.ended && !late.failed);
	assert_true(http2_is_drained(w->server.h));
}

static void
test_drain_by_the_client(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	http2_drain(w->client.h, 0);
	pump(w);
	assert_int_equal(w->server.goaways, 1);
	assert_true(http2_is_going(w->server.h));
	assert_false(http2_is_drained(w->client.h));
	http_reply_text(&w->server.requests[0], 200, "text/plain", "x");
	w->server.count = 0;
	pump(w);
	assert_true(t.ended && !t.failed);
	assert_true(http2_is_drained(w->client.h));
}

static void
test_round_trip(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	assert_int_equal(http2_rtt_us(w->client.h), -1);
	w->now_us = 1000;
	http2_ping(w->client.h, w->now_us);
	w->now_us = 4500;
	pump(w);
	assert_int_equal(http2_rtt_us(w->client.h), 3500);
}

/* ----------------------------------------------------------------- floods */

static void
raw(struct world *w, struct side *to, uint8_t type, uint8_t flags, uint32_t id,
    const void *payload, size_t len)
{
	uint8_t frame[9 + 64] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8),
	    (uint8_t)len, type, flags, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
	    (uint8_t)(id >> 8), (uint8_t)id};

	memcpy(frame + 9, payload, len);
	feed_pieces(w, to, frame, 9 + len);
}

static void
assert_over(struct side *s, enum fault_kind kind, const char *why)
{
	assert_true(s->is_over);
	assert_string_equal(s->over.why, why);
	assert_int_equal(s->over.kind, kind);
}

static void
test_ping_flood(void **state)
{
	struct world *w = *state;
	static const uint8_t zeros[8];

	begin(w);
	pump(w);
	for (int i = 0; i < 10; i++)
		raw(w, &w->server, 6, 0, 0, zeros, 8);
	assert_false(w->server.is_over);
	w->now_us += 100000; /* a tenth of a second is one more */
	raw(w, &w->server, 6, 0, 0, zeros, 8);
	assert_false(w->server.is_over);
	raw(w, &w->server, 6, 0, 0, zeros, 8);
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 10 PING frames a second");
}

static void
test_settings_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	for (int i = 0; i < 9; i++) /* the first came with the greeting */
		raw(w, &w->server, 4, 0, 0, "", 0);
	assert_false(w->server.is_over);
	raw(w, &w->server, 4, 0, 0, "", 0);
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 10 SETTINGS frames a second");
}

static void
test_reset_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	for (int i = 0; i < 30; i++) {
		struct taker t = {0};

		call(w, &t, "/", NULL);
		carry(w, &w->client, &w->server);
		http_call_cancel(&t.call);
		carry(w, &w->client, &w->server);
	}
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 20 RST_STREAM frames a second");
}

/* "MadeYouReset": frames that oblige the other end to reset. */
static void
test_caused_reset_flood(void **state)
{
	struct world *w = *state;
	struct taker t[30] = {0};
	static const uint8_t most[4] = {0x7f, 0xff, 0xff, 0xff};

	w->server.hold = true;
	begin(w);
	pump(w);
	for (uint32_t i = 0; i < 30; i++) {
		call(w, &t[i], "/", NULL);
		carry(w, &w->client, &w->server);
		raw(w, &w->server, 8, 0, 1 + 2 * i, most, 4);
		carry(w, &w->server, &w->client);
		if (w->server.is_over)
			break;
	}
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 20 resets caused a second");
}

static void
test_continuation_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	raw(w, &w->server, 1, 0, 1, "\x82", 1);
	for (int i = 0; i < 30 && !w->server.is_over; i++)
		raw(w, &w->server, 9, 0, 1, "", 0);
	assert_over(&w->server, FAULT_LIMIT,
	    "more than 8 CONTINUATION frames in a row");
}

static void
test_idle_frame_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	for (int i = 0; i < 200; i++)
		raw(w, &w->server, 0x77, 0, 0, "x", 1);
	assert_false(w->server.is_over);
	raw(w, &w->server, 0x77, 0, 0, "x", 1);
	assert_over(&w->server, FAULT_LIMIT,
	    "more than 200 PRIORITY or unknown frames a second");
}

static void
test_header_list_over_the_limit(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct arena *a = arena_new();
	struct http_outgoing o = {.method = "GET", .path = "/"};
	char value[4100];
	struct fault f;

	begin(w);
	pump(w);
	memset(value, 'a', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	http_fields_add(&o.fields, a, "x-1", value);
	http_fields_add(&o.fields, a, "x-2", value);
	t.call = http2_call(w->client.h, &o, &taking, &t, &f);
	pump(w);
	assert_over(&w->server, FAULT_LIMIT, "header list over 8192 bytes");
	/* and says so before it hangs up */
	http2_end(w->server.h, &w->server.over);
	pump(w);
	assert_non_null(
	    strstr(http2_complaint(w->client.h)->why, "ENHANCE_YOUR_CALM"));
	http2_end(w->client.h, http2_complaint(w->client.h));
	http2_dispatch(w->client.h);
	assert_true(t.ended);
	arena_free(&a);
}

static void
test_not_http2(void **state)
{
	struct world *w = *state;
	static const char hello[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

	begin(w);
	feed_pieces(w, &w->server, (const uint8_t *)hello, sizeof hello - 1);
	assert_over(&w->server, FAULT_INVALID, "peer does not speak HTTP/2");
}

static void
test_broken_framing(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	raw(w, &w->server, 0, 0, 0, "x", 1); /* DATA on stream 0 */
	pump(w);
	assert_over(&w->server, FAULT_INVALID,
	    "peer broke HTTP/2: PROTOCOL_ERROR: DATA: stream_id == 0");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_every_split),
	    TEST(test_request_as_seen),
	    TEST(test_head_has_no_body),
	    TEST(test_refused_requests),
	    TEST(test_body_over_the_limit),
	    TEST(test_full_and_more),
	    TEST(test_window_stops_its_own_stream),
	    TEST(test_connection_window_never_leaks),
	    TEST(test_output_over_the_mark),
	    TEST(test_cancel_before_it_left),
	    TEST(test_cancel_reaches_the_handler),
	    TEST(test_cancel_inside),
	    TEST(test_end_tells_everybody),
	    TEST(test_drain_in_two_phases),
	    TEST(test_drain_by_the_client),
	    TEST(test_round_trip),
	    TEST(test_ping_flood),
	    TEST(test_settings_flood),
	    TEST(test_reset_flood),
	    TEST(test_caused_reset_flood),
	    TEST(test_continuation_flood),
	    TEST(test_idle_frame_flood),
	    TEST(test_header_list_over_the_limit),
	    TEST(test_not_http2),
	    TEST(test_broken_framing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
